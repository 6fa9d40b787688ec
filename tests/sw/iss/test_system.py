"""The instruction-level simulator finds what the hardware would stumble over."""

import numpy as np
import pytest

from hw.config import Config
from hw.isa import INSN_BYTES, PROGRAM_ALIGNMENT, ErrorCode, Opcode, Token, decode, encode
from sw.compiler import compile_graph
from sw.graph.integer import IntegerGraph
from sw.iss.system import Hazard, Stopped, run_program, simulate
from sw.reference.golden import run_golden
from tests.support.compiler_cases import make_layer
from tests.support.programs import COMPUTE

CONFIG = Config(instances=2).replace(array__rows=4, array__cols=4, array__post_lanes=4,
                                     buffers__act_words=64, buffers__acc_depth=16)
LOAD = {"ext_addr": 0, "act_addr": 0, "run_words": 1, "runs": 1, "ext_stride": 0,
        "act_stride": 0, "mask": 0}


def run(*programs: bytes, config: Config = CONFIG):
    """Run programs behind 256 bytes of data."""
    memory, valid = np.zeros(4096, np.uint8), np.zeros(4096, bool)
    valid[:256] = True
    starts, at = {}, 256
    for number, code in enumerate(programs):
        starts[number] = at
        memory[at:at + len(code)] = np.frombuffer(code, np.uint8)
        at += -(-len(code) // PROGRAM_ALIGNMENT) * PROGRAM_ALIGNMENT
    return simulate(config, memory, valid, starts)


END = encode(Opcode.END)


@pytest.mark.parametrize(("insn", "code"), [
    (bytes(INSN_BYTES), ErrorCode.ILLEGAL_OPCODE),
    (encode(Opcode.LOAD, **{**LOAD, "ext_addr": 4092, "run_words": 9}), ErrorCode.ADDRESS_WINDOW),
    (encode(Opcode.LOAD, **{**LOAD, "act_addr": 63, "run_words": 2}), ErrorCode.ACT_RANGE),
    (encode(Opcode.LOAD, wait=[Token.STORED], **LOAD), ErrorCode.TOKEN_UNDERFLOW),
    (encode(Opcode.LOAD, layer=3, **LOAD)[:17] + bytes(15), ErrorCode.BAD_FIELD),
])
def test_a_bad_program_stops_its_instance_and_no_other(insn, code):
    if code == ErrorCode.BAD_FIELD:
        word = int.from_bytes(encode(Opcode.LOAD, **LOAD), "little")
        insn = (word & ~(((1 << 20) - 1) << (24 + 52))).to_bytes(INSN_BYTES, "little")
    result = run(insn + END, encode(Opcode.LOAD, **LOAD) + END)
    assert result.errors[0].code == code
    assert list(result.errors) == [0]


def shared(mask: int, at: int) -> bytes:
    return encode(Opcode.LOAD, **{**LOAD, "mask": mask, "ext_addr": at})


def test_masks_of_multicasts_may_overlap():
    """Instance 0 waits until 1 is done with one that it has with 2."""
    config = CONFIG.replace(instances=3)
    result = run(shared(0b011, 0) + END, shared(0b110, 64) + shared(0b011, 0) + END,
                 shared(0b110, 64) + END, config=config)
    assert not result.errors


@pytest.mark.parametrize("masks,at,wrong", [
    ((0b011, 0b011, 0), (0, 64, 0), "meet with different instructions"),
    ((0b011, 0b110, 0b101), (0, 0, 0), "every instance waits for another")])
def test_multicasts_that_do_not_agree_are_a_hazard(masks, at, wrong):
    with pytest.raises(Hazard, match=wrong):
        run(*(shared(mask, addr) + END for mask, addr in zip(masks, at, strict=True)),
            config=CONFIG.replace(instances=3))


POST = {"out_addr": 0, "out_plane": 16, "out_w": 2, "out_h": 2, "conv_w": 4, "conv_h": 4,
        "pool_h": 2, "pool_w": 2, "pool_stride_h": 2, "pool_stride_w": 2, "pool_top": 0,
        "pool_left": 0, "out_blocks": 1, "low": -128, "high": 127}


@pytest.mark.parametrize("opcode,fields", [
    (Opcode.COMPUTE, {"tiles": 2}), (Opcode.COMPUTE, {"kernel_w": 2, "out_w": 3}),
    (Opcode.COMPUTE, {"in_w": 17, "in_h": 1, "out_w": 17, "out_h": 1}),
    (Opcode.COMPUTE, {"live_blocks": 2}), (Opcode.POST, {"pool_top": 2}),
    (Opcode.POST, {"pool_left": 3}), (Opcode.POST, {"out_h": 3}), (Opcode.POST, {"out_w": 3})])
def test_fields_that_contradict_each_other_are_an_error(opcode, fields):
    values = {Opcode.COMPUTE: COMPUTE, Opcode.POST: POST}
    values[opcode] = {**values[opcode], **fields}
    config = CONFIG.replace(array__zero_skip="live_blocks" in fields)
    code = (encode(Opcode.LOAD, signal=[Token.LOADED], **{**LOAD, "run_words": 32})
            + encode(Opcode.WEIGHTS, ext_addr=0, chunks=4, mask=0)
            + encode(Opcode.COMPUTE, wait=[Token.LOADED], **values[Opcode.COMPUTE])
            + encode(Opcode.POST, **values[Opcode.POST]) + END)
    result = run(code, config=config)
    assert (result.errors[0].code, result.errors[0].opcode) == (ErrorCode.BAD_FIELD, opcode.value)


@pytest.mark.parametrize("bits,start,code", [(16, 1 << 16, ErrorCode.BAD_FIELD),
                                             (16, 256, ErrorCode.BAD_WINDOW), (17, 256, None)])
def test_a_program_and_its_window_lie_in_the_memory(bits, start, code):
    size = (1 << 16) + 4096 * (start == 256)
    memory = np.zeros(size, np.uint8)
    memory[256:256 + len(END)] = np.frombuffer(END, np.uint8)
    config = CONFIG.replace(port__address_bits=bits)
    errors = simulate(config, memory, np.ones(size, bool), {0: start}).errors
    assert {i: e.code for i, e in errors.items()} == ({0: code} if code else {})


def test_too_many_tokens_are_an_error():
    load = encode(Opcode.LOAD, signal=[Token.LOADED], **LOAD)
    result = run(load * 100 + END)
    assert not result.errors
    memory = np.zeros(1 << 14, np.uint8)
    code = load * 256 + END
    memory[256:256 + len(code)] = np.frombuffer(code, np.uint8)
    result = simulate(CONFIG, memory, np.ones(1 << 14, bool), {0: 256})
    assert result.errors[0].code == ErrorCode.TOKEN_OVERFLOW


def test_an_error_names_the_instruction_that_the_hardware_names():
    """Of those that wait, the first as data flows; of a program that runs on, the program."""
    compute = encode(Opcode.COMPUTE, layer=5, wait=[Token.LOADED], in_addr=0, in_plane=1, in_w=1,
                     in_h=1, pad_top=0, pad_left=0, stride_h=1, stride_w=1, kernel_h=1,
                     kernel_w=1, dilation_h=1, dilation_w=1, out_w=1,
                     out_h=1, in_blocks=1, out_blocks=1, tiles=1, first=1, last=1)
    store = encode(Opcode.STORE, layer=9, wait=[Token.OUTPUT_READY],
                   **{k: v for k, v in LOAD.items() if k != "mask"})
    load = encode(Opcode.LOAD, layer=7, wait=[Token.INPUT_FREE], **LOAD)
    for code, error, layer, opcode in (
            (store + load + compute + END, ErrorCode.TOKEN_UNDERFLOW, 5, Opcode.COMPUTE),
            (store + load + END, ErrorCode.TOKEN_UNDERFLOW, 7, Opcode.LOAD),
            (store + END, ErrorCode.TOKEN_UNDERFLOW, 9, Opcode.STORE),
            ((5 << 5).to_bytes(INSN_BYTES, "little"), ErrorCode.ILLEGAL_OPCODE, 5,
             Opcode.ILLEGAL)):
        found = run(code).errors[0]
        assert (found.code, found.layer, found.opcode) == (error, layer, opcode.value)


def test_a_barrier_waits_for_all_that_still_run():
    meet = encode(Opcode.BARRIER, mark=True, layer=1, mask=3)
    result = run(meet + END, END)
    assert result.marks == {0: [1], 1: []}
    assert run(meet + END, meet + END).marks == {0: [1], 1: [1]}


def test_each_token_of_a_program_is_needed():
    """Without any one pair of signal and wait, some schedule goes wrong."""
    rng = np.random.default_rng(0)
    layers = [make_layer(rng, "a", (8, 8, 8), 24, pool=(2, 2, 0)),
              make_layer(rng, "b", (24, 4, 4), 16),
              make_layer(rng, "c", (16, 4, 4), 8, kernel=(4, 4), padding=(0, 0))]
    graph = IntegerGraph("net", tuple(layers), 1.0, 1.0)
    config = CONFIG.replace(instances=1, buffers__act_words=128)
    image = rng.integers(-128, 128, graph.in_shape, np.int8)
    golden = run_golden(graph, image)
    program = compile_graph(graph, config)

    def goes_wrong(seed: int) -> bool:
        try:
            outputs, _ = run_program(program, image, seed)
        except (Hazard, Stopped):
            return True
        return not all(ours is not None and np.array_equal(ours, theirs)
                       for ours, theirs in zip(outputs, golden, strict=True))

    assert not any(goes_wrong(seed) for seed in range(20))
    offset = program.programs[0]
    code = next(data for at, data in program.segments if at == offset)
    code.flags.writeable = False
    used = 0
    for k in range(0, len(code), INSN_BYTES):
        used |= decode(code[k:k + INSN_BYTES].tobytes())[1]["wait"]
    tokens = [t for t in Token if used >> t & 1]
    assert {Token.LOADED, Token.OUTPUT_READY, Token.OUTPUT_FREE, Token.STORED} <= set(tokens)
    whole = program.segments
    for token in tokens:
        clear = ~((1 << 16 + token) | (1 << 24 + token))
        broken = b"".join(
            (int.from_bytes(code[k:k + INSN_BYTES].tobytes(), "little") & clear)
            .to_bytes(INSN_BYTES, "little") for k in range(0, len(code), INSN_BYTES))
        segments = tuple((at, np.frombuffer(broken, np.uint8) if at == offset else data)
                         for at, data in whole)
        object.__setattr__(program, "segments", segments)
        assert any(goes_wrong(seed) for seed in range(100)), token.name
