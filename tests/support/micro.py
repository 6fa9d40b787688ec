"""Instructions of micro-programs, as short as they can be written: what is not said is 1 or 0."""

from typing import Any

from hw.isa import Opcode, encode

__all__ = ["barrier", "compute", "load", "post", "store", "weights"]

#: Where a micro-program finds weights and inputs in its window, and puts outputs.
_WEIGHTS, _INPUTS, _OUTPUTS = 0x2000, 0x4000, 0x6000


def load(words: int = 1, *, runs: int = 1, act: int = 0, mask: int = 0, **header: Any) -> bytes:
    """Activations into the memory, from `act` on."""
    return encode(Opcode.LOAD, ext_addr=_INPUTS, act_addr=act, run_words=words, runs=runs,
                  ext_stride=4 * words, act_stride=words, mask=mask, **header)


def store(words: int = 1, *, act: int = 0, **header: Any) -> bytes:
    """Activations out of the memory, from `act` on."""
    return encode(Opcode.STORE, ext_addr=_OUTPUTS, act_addr=act, run_words=words, runs=1,
                  ext_stride=0, act_stride=0, **header)


def weights(chunks: int, *, mask: int = 0, **header: Any) -> bytes:
    """A stream of tiles, and parameters before those of a block."""
    return encode(Opcode.WEIGHTS, ext_addr=_WEIGHTS, chunks=chunks, mask=mask, **header)


def compute(pixels: int = 1, *, tiles: int = 1, blocks: int = 1, last: int = 0, in_addr: int = 0,
            **header: Any) -> bytes:
    """Vectors of a row of pixels, for each of the tiles of each output block."""
    return encode(
        Opcode.COMPUTE, in_addr=in_addr, in_plane=0, in_w=pixels, in_h=1, pad_top=0, pad_left=0,
        stride_h=1, stride_w=1, kernel_h=1, kernel_w=1, dilation_h=1, dilation_w=1, out_w=pixels,
        out_h=1, in_blocks=tiles, out_blocks=blocks, tiles=tiles, first=1, last=last, **header)


def post(pixels: int = 1, *, blocks: int = 1, out_addr: int = 512, **header: Any) -> bytes:
    """A row of pixels out of the accumulators, for each output block."""
    return encode(
        Opcode.POST, out_addr=out_addr, out_plane=pixels, out_w=pixels, out_h=1, conv_w=pixels,
        conv_h=1, pool_h=1, pool_w=1, pool_stride_h=1, pool_stride_w=1, pool_top=0, pool_left=0,
        out_blocks=blocks, low=0, high=127, **header)


def barrier(mask: int, **header: Any) -> bytes:
    """A meeting of instances."""
    return encode(Opcode.BARRIER, mask=mask, **header)
