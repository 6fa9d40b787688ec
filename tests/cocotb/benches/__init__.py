"""cocotb benches of single blocks, one a file, with gaps in patterns on every stream.

Each has a model of what its block must do, written from the block's documented behaviour and
the instruction set, not from its logic. All run on one model, in which the blocks stand side by
side.
"""
