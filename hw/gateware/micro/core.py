"""The microcoded core: a small machine, the array that it drives, and one access at a time."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import memory, wiring

from hw.config import ceil_log2
from hw.gateware.control.runstate import RunState
from hw.gateware.parts.arith import MULT_BITS, SHIFT_BITS
from hw.gateware.signatures.ports import READERS, Core
from hw.isa import ErrorCode, Opcode

from .access import MemoryAccess
from .loops import TileLoops
from .machine import FILE_SLOT, Get, Op, Put
from .product import Product
from .program import microprogram
from .steps import MicroStep, run_steps
from .writer import slots

__all__ = ["MicroInstance"]

#: Errors that the array makes while a tile's weights are read for it.
_OF_ARRAY = ErrorCode.BAD_FIELD, ErrorCode.ACT_RANGE
#: What reads on each of `READERS`.
_READS = tuple(getattr(Put, f"READ_{c.name}") for c in READERS)


@dataclass(frozen=True)
class Registers:
    """What the microprogram puts for the rest of the core: see `Put`; `stream` goes on by itself
    with each beat that is read."""

    layer: Signal
    opcode: Signal
    factor: Signal
    act_addr: Signal
    lane: Signal
    stream: Signal
    acc_addr: Signal
    write_addr: Signal


class MicroInstance(Core):
    """Run programs as `hw.gateware.instance.Instance` does, one step after the other.

    A micro-instruction takes a cycle, and one that goes elsewhere two; those that shift, multiply,
    or wait for the memory or the array take longer. While the array goes through a tile's pixels,
    one in each cycle, the next tile is fetched. Its members are those of `Core`.
    """

    def elaborate(self, platform):
        m = Module()
        config, control = self._config, self.control
        program = microprogram(config)
        words = program.words()
        m.submodules.code = code = memory.Memory(shape=16, depth=len(words), init=words)
        m.submodules.file = file = memory.Memory(
            shape=32, depth=FILE_SLOT * slots(config), init=[])
        m.submodules.product = product = Product()
        m.submodules.loops = loops = TileLoops(config)
        m.submodules.access = access = MemoryAccess(config)
        wiring.connect(m, access.memory, wiring.flipped(self.memory))
        m.submodules.run = run = RunState()
        working = Signal()  # running, and until all is in the log
        step = run_steps(m, config, code, file, control.start, working)
        error, traps, unread, spoilt = self._trap(m, step, run)
        m.d.sync += working.eq(control.start | (working & ~step.puts(Put.READY)))
        m.d.comb += [
            run.start.eq(control.start), run.fault.eq(error),
            *(x.eq(step.puts(Put.STOP)) for x in (run.finished, run.clean)),
        ]

        registers = self._registers(m, step, unread, len(loops.acc_addr))
        m.d.comb += [
            product.a.eq(step.a), product.word.eq(step.number),
            product.factor.eq(registers.factor), product.shift.eq(registers.factor[MULT_BITS:]),
            product.load.eq(step.does(Op.BITS)), product.take.eq(step.does(Op.TAKE)),
            product.run.eq(step.puts(Put.TIMES, Put.SCALE)),
            product.scales.eq(step.puts(Put.SCALE)),
            loops.data.eq(step.a), loops.put.eq(step.which), loops.stop.eq(control.start | traps),
            loops.strobe.eq(step.does(Op.PUT) & (step.which >= Put.WEIGHTS)),
            loops.acc_addr.eq(registers.acc_addr),
            access.reads.eq(Cat(step.puts(p) for p in _READS)),
            access.writes.eq(step.puts(Put.WRITE)), access.value.eq(step.a),
            access.addr.eq(Mux(step.puts(Put.READ_WEIGHTS), registers.stream, step.a)),
            access.write_addr.eq(registers.write_addr),
            access.base.eq(self.window_base), access.window_bytes.eq(control.window_bytes),
            access.layer.eq(registers.layer), access.running.eq(run.running & ~run.halting),
        ]
        act_word, beyond = self._activations(m, step, registers, loops)
        total, fired = self._log(m, step, loops, working)
        _execute(m, step, product, access, loops, {
            Get.PROGRAM: control.program, Get.WINDOW: control.window_bytes, Get.TOTAL: total,
            Get.FIRED: fired, Get.ACT: act_word, Get.SPOILT: spoilt,
            **{Get.SUM + c: value for c, value in enumerate(loops.sums)}})
        with m.If(step.ends & traps):
            m.d.comb += [step.jumps.eq(1), step.target.eq(program.address("trap"))]
        with m.If(control.start):
            m.d.comb += [step.jumps.eq(1), step.target.eq(0)]

        self._choose_fault(m, error, step, access, run, beyond | loops.beyond,
                           loops.overflow)
        layer, opcode = registers.layer, registers.opcode
        m.d.sync += control.moves.eq(step.ends | loops.fires)  # a tile's pixels are one step
        m.d.comb += [
            control.running.eq(run.running), control.error_code.eq(run.code),
            control.done.eq(run.done), control.error.eq(run.error),
            control.error_layer.eq(Mux(run.error, layer, 0)),
            control.error_opcode.eq(Mux(run.error, opcode, 0)),
            control.waits.eq(0),  # for nobody: it is the only one
            control.log_lost.eq(0),  # nothing else happens while a mark is logged
        ]
        return m

    def _trap(self, m: Module, step: MicroStep,
              run: RunState) -> tuple[Signal, Signal, Signal, Value]:
        """The error of a cycle, which is for others to say; 1, the microprogram is to go on in its
        error routine; 1, it goes there from reading the program; and 1, it came there from reading
        weights, with an error that is not the array's."""
        start = self.control.start
        error, booted, trapped, traps = Signal(ErrorCode), Signal(), Signal(), Signal()
        spoilt, unread = Signal(), Signal()
        m.d.comb += traps.eq(booted & ~trapped
                             & ((error != ErrorCode.NONE) | (run.code != ErrorCode.NONE)))
        # What a run counts is cleared as it boots: what stops it is kept by `run` until then.
        with m.If(step.does(Op.GET) & (step.which == Get.PROGRAM)):
            m.d.sync += booted.eq(1)
        with m.If(step.ends & traps):
            m.d.sync += [trapped.eq(1), spoilt.eq(step.puts(Put.READ_WEIGHTS))]
        with m.If(start):
            m.d.sync += [booted.eq(0), trapped.eq(0)]
        m.d.comb += unread.eq(step.ends & traps & step.puts(Put.READ_PROGRAM))
        return error, traps, unread, spoilt & Cat(run.code != x for x in _OF_ARRAY).all()

    def _registers(self, m: Module, step: MicroStep, unread: Signal, acc_bits: int) -> Registers:
        """Keep what is put; of an instruction that is `unread` nothing is known."""
        start, config = self.control.start, self._config
        offset_bits, lanes = config.offset_bits, config.array.rows

        def register(put, bits):
            found = Signal(bits, name=put.name.lower())
            with m.If(step.puts(put)):
                m.d.sync += found.eq(step.a)
            return found

        layer, opcode = register(Put.LAYER, 11), register(Put.OPCODE, 4)
        with m.If(start | unread | step.puts(Put.OPCODE)):
            m.d.sync += layer.eq(0)
        with m.If(start):
            m.d.sync += opcode.eq(0)
        with m.Elif(unread):
            m.d.sync += opcode.eq(Opcode.END)
        factor = register(Put.FACTOR, MULT_BITS + SHIFT_BITS)
        act_addr = register(Put.ACT_ADDR, config.act_addr_bits)
        lane = register(Put.ACT_LANE, max(1, ceil_log2(lanes)))
        stream = Signal(offset_bits)
        with m.If(step.puts(Put.STREAM)):
            m.d.sync += stream.eq(step.a)
        with m.Elif(step.puts(Put.READ_WEIGHTS) & step.ends):
            m.d.sync += stream.eq(stream + config.port.bytes)
        return Registers(layer, opcode, factor, act_addr, lane, stream,
                         register(Put.ACC_ADDR, acc_bits), register(Put.WRITE_ADDR, offset_bits))

    def _activations(self, m: Module, step: MicroStep, registers: Registers,
                     loops: TileLoops) -> tuple[Value, Value]:
        """The activation memory, of which the array reads while it goes through a tile. Returns
        the word at `Put.ACT_ADDR`, and 1, one beyond the memory is taken or given."""
        config, a = self._config, step.a
        lanes, act_addr = config.array.rows, registers.act_addr
        m.submodules.acts = acts = memory.Memory(
            shape=config.word_bits, depth=config.buffers.act_words, init=[])
        act_read, act_write = acts.read_port(), acts.write_port(granularity=8)
        one, writes_act = step.puts(Put.ACT_BYTE), step.puts(Put.ACT, Put.ACT_BYTE)
        beyond = act_addr[-2:].any()
        m.d.comb += [
            act_read.addr.eq(Mux(loops.fires, loops.act_addr, act_addr)),
            loops.acts.eq(act_read.data), act_write.addr.eq(act_addr),
            act_write.data.eq(Mux(one, a[:8].replicate(lanes), a[:8 * lanes])),
            act_write.en.eq(Mux(writes_act & ~beyond,
                                Mux(one, 1 << registers.lane, (1 << lanes) - 1), 0)),
        ]
        return act_read.data, beyond & (
            writes_act | (step.does(Op.GET) & (step.which == Get.ACT)))

    def _log(self, m: Module, step: MicroStep, loops: TileLoops,
             working: Signal) -> tuple[Signal, Signal]:
        """Counters and log. Returns cycles since the start, and those in which the array
        multiplied."""
        control = self.control
        total, fired, log_count = Signal(32), Signal(32), Signal(12)
        m.submodules.log = log = memory.Memory(
            shape=32, depth=16 * self._config.buffers.log_entries, init=[])
        log_write, log_read = log.write_port(), log.read_port()
        log_addr = Signal.like(log_write.addr)
        with m.If(step.puts(Put.LOG_ADDR)):
            m.d.sync += log_addr.eq(step.a)
        with m.Elif(step.puts(Put.LOG)):
            m.d.sync += log_addr.eq(log_addr + 1)
        m.d.comb += [
            log_write.addr.eq(log_addr), log_write.data.eq(step.a),
            log_write.en.eq(step.puts(Put.LOG)),
            log_read.addr.eq(control.log_select), control.log_data.eq(log_read.data),
            control.log_count.eq(log_count), control.log_busy.eq(working),
            control.mark_valid.eq(step.puts(Put.MARK)), control.mark_layer.eq(step.a),
        ]
        with m.If(control.start):
            m.d.sync += [total.eq(0), fired.eq(0), log_count.eq(0)]
        with m.Else():
            m.d.sync += [total.eq(total + control.counting), fired.eq(fired + loops.fires),
                         log_count.eq(log_count + control.mark_valid)]
        return total, fired

    def _choose_fault(self, m: Module, error: Signal, step: MicroStep, access: MemoryAccess,
                      run: RunState, beyond: Value, overflow: Value) -> None:
        """Choose one of the errors of a cycle; `beyond`, an activation address is; `overflow`, an
        accumulator's would be."""
        control = self.control
        begins, refusal = Signal(), Signal(ErrorCode)  # a cycle after a start: nothing is asked yet
        m.d.sync += [begins.eq(control.start), refusal.eq(self.refusal)]
        unaligned = step.puts(Put.ALIGNED) & step.a[:2].any()
        with m.If(step.puts(Put.ERROR)):
            m.d.comb += error.eq(step.a[:4])
        for code, happens in ((ErrorCode.BAD_FIELD, unaligned | overflow),
                              (ErrorCode.ADDRESS_WINDOW, access.outside),
                              (ErrorCode.BUS_ERROR, access.done & access.refused),
                              (ErrorCode.ACT_RANGE, beyond),
                              (ErrorCode.WATCHDOG, run.running & control.watchdog),
                              (ErrorCode.STOPPED, run.running & control.stop)):
            with m.Elif(happens):
                m.d.comb += error.eq(code)
        with m.Elif(begins):
            m.d.comb += error.eq(refusal)


def _execute(m: Module, step: MicroStep, product: Product, access: MemoryAccess, loops: TileLoops,
             sources: dict[int, Value]) -> None:
    """What a step does to the accumulator, and when it ends; `sources` is what `Get` takes."""
    op, which, a, number = step.op, step.which, step.a, step.number
    result, ends, jumps, target = step.result, step.ends, step.jumps, step.target
    shifts = Signal(6)
    shifted = Signal()
    m.d.comb += [result.eq(a), target.eq(step.word), ends.eq(step.executing),
                 shifted.eq(shifts + 1 == which)]
    with m.If(step.executing), m.Switch(op):
        with m.Case(Op.LOAD):
            m.d.comb += result.eq(number)
        with m.Case(Op.ADD, Op.STEP):
            m.d.comb += result.eq(a + Mux(op == Op.STEP, step.immediate, number))
        with m.Case(Op.SUB):
            m.d.comb += result.eq(a - number)
        with m.Case(Op.SET):
            m.d.comb += result.eq(step.immediate)
        for branch, taken in ((Op.JUMP, 1), (Op.ZERO, ~a.any()), (Op.SOME, a.any()),
                              (Op.MINUS, a[-1])):
            with m.Case(branch):
                m.d.comb += jumps.eq(taken)
        with m.Case(Op.TAKE, Op.FILL, Op.SPREAD):
            top = Mux(op == Op.TAKE, product.bit, (op == Op.SPREAD) & a[31])
            m.d.comb += [result.eq(Cat(a[1:32], top).as_signed()), ends.eq(shifted)]
            m.d.sync += shifts.eq(Mux(shifted, 0, shifts + 1))
        with m.Case(Op.GET), m.Switch(which):
            for source, value in sources.items():
                with m.Case(source):
                    m.d.comb += result.eq(value)
        with m.Case(Op.PUT), m.Switch(which):
            with m.Case(Put.GOTO):
                m.d.comb += [jumps.eq(1), target.eq(a)]
            with m.Case(*_READS):
                m.d.comb += [result.eq(Mux(access.done, access.data.as_signed(), a)),
                             ends.eq(access.done)]
            with m.Case(Put.WRITE):
                m.d.comb += ends.eq(access.done)
            for put, value in ((Put.TIMES, product.number), (Put.SCALE, product.scaled)):
                with m.Case(put):
                    m.d.comb += [result.eq(Mux(product.done, value, a)), ends.eq(product.done)]
            with m.Case(*(p for p in Put if p >= Put.WEIGHTS)):
                m.d.comb += ends.eq(loops.idle)
