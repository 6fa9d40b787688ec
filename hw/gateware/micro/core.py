"""The microcoded core: a small machine, the array that it drives, and one access at a time."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import memory, wiring

from hw.config import ceil_log2
from hw.gateware.control.runstate import RunState
from hw.gateware.parts.arith import MULT_BITS, SHIFT_BITS
from hw.gateware.signatures.ports import READERS, Core
from hw.isa import ErrorCode

from .access import MemoryAccess
from .loops import TileLoops
from .machine import FILE_SLOT, IMMEDIATE_BITS, VARIABLE_SLOTS, Get, Op, Put
from .product import Product
from .program import microprogram
from .writer import slots

__all__ = ["MicroInstance"]

#: What reads on each of `READERS`.
_READS = tuple(getattr(Put, f"READ_{c.name}") for c in READERS)


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
        m.submodules.code = rom = memory.Memory(shape=16, depth=len(words), init=words)
        m.submodules.file = file = memory.Memory(
            shape=32, depth=FILE_SLOT * slots(config), init=[])
        fetch, operand, keep = rom.read_port(), file.read_port(), file.write_port()
        m.submodules.product = product = Product()
        m.submodules.loops = loops = TileLoops(config)
        m.submodules.access = access = MemoryAccess(config)
        wiring.connect(m, access.memory, wiring.flipped(self.memory))

        # -- micro-instructions: while one is executed, the next one's operand is read, and the one
        # -- after that
        m.submodules.run = run = RunState()
        working = Signal()  # running, and until all is in the log
        executing, ends = Signal(), Signal()  # there is one; it is its last cycle
        word, jumps = Signal(16), Signal()  # to `target`: what was read meanwhile is left
        following, target = Signal(len(fetch.addr)), Signal(len(fetch.addr))
        a, result = Signal(signed(33)), Signal(signed(33))  # wide enough for a difference's sign
        op, immediate = word[IMMEDIATE_BITS + 1:], word[:IMMEDIATE_BITS].as_signed()
        which = word[:6]  # of `Get` and `Put`; a number of shifts

        def puts(*which_ones):
            return executing & (op == Op.PUT) & Cat(which == p for p in which_ones).any()

        slot, slot_now = Signal(range(slots(config))), Signal(range(slots(config)))
        place, coming = Signal(len(keep.addr)), Signal(len(keep.addr))
        stored = Signal()  # the operand was written as it was read: it is the accumulator still
        number = Signal(signed(32))
        error, booted, trapped, traps = Signal(ErrorCode), Signal(), Signal(), Signal()
        goes_on = ~executing | ends
        m.d.comb += [
            slot_now.eq(Mux(puts(Put.SLOT), a, slot)),
            coming.eq(Mux(fetch.data[IMMEDIATE_BITS],
                          Cat(fetch.data[:ceil_log2(FILE_SLOT)], slot_now),
                          fetch.data[:ceil_log2(FILE_SLOT * VARIABLE_SLOTS)])),
            fetch.addr.eq(Mux(jumps, target, following)), fetch.en.eq(control.start | goes_on),
            operand.addr.eq(coming), operand.en.eq(goes_on),
            number.eq(Mux(stored, a, operand.data)),
            keep.addr.eq(place), keep.data.eq(a), keep.en.eq(executing & (op == Op.STORE)),
            traps.eq(booted & ~trapped
                     & ((error != ErrorCode.NONE) | (run.code != ErrorCode.NONE))),
        ]
        m.d.sync += slot.eq(slot_now)
        with m.If(control.start | goes_on):
            m.d.sync += [
                following.eq(fetch.addr + 1), word.eq(fetch.data), place.eq(coming),
                stored.eq(keep.en & (coming == place)),
                executing.eq(working & ~jumps & ~puts(Put.READY))]
        with m.If(executing):
            m.d.sync += a.eq(result)
        # What a run counts is cleared as it boots: what stops it is kept by `run` until then.
        with m.If(executing & (op == Op.GET) & (which == Get.PROGRAM)):
            m.d.sync += booted.eq(1)
        with m.If(ends & traps):
            m.d.sync += trapped.eq(1)
        with m.If(control.start):
            m.d.sync += [booted.eq(0), trapped.eq(0)]
        m.d.sync += working.eq(control.start | (working & ~puts(Put.READY)))
        m.d.comb += [
            run.start.eq(control.start), run.fault.eq(error),
            *(x.eq(puts(Put.STOP)) for x in (run.finished, run.clean)),
        ]

        # -- what the others get -------------------------------------------------------------------
        def register(put, bits):
            found = Signal(bits, name=put.name.lower())
            with m.If(puts(put)):
                m.d.sync += found.eq(a)
            return found

        address_bits, lanes = config.port.address_bits, config.array.rows
        layer, opcode = register(Put.LAYER, 11), register(Put.OPCODE, 4)
        with m.If(control.start):
            m.d.sync += [layer.eq(0), opcode.eq(0)]
        factor = register(Put.FACTOR, MULT_BITS + SHIFT_BITS)
        act_addr = register(Put.ACT_ADDR, config.act_addr_bits)
        lane = register(Put.ACT_LANE, max(1, ceil_log2(lanes)))
        stream = Signal(address_bits)
        with m.If(puts(Put.STREAM)):
            m.d.sync += stream.eq(a)
        with m.Elif(puts(Put.READ_WEIGHTS) & ends):
            m.d.sync += stream.eq(stream + config.port.bytes)
        m.d.comb += [
            product.a.eq(a), product.word.eq(number), product.factor.eq(factor),
            product.shift.eq(factor[MULT_BITS:]), product.load.eq(executing & (op == Op.BITS)),
            product.take.eq(executing & (op == Op.TAKE)),
            product.run.eq(puts(Put.TIMES, Put.SCALE)), product.scales.eq(puts(Put.SCALE)),
            loops.data.eq(a), loops.put.eq(which), loops.stop.eq(control.start | traps),
            loops.strobe.eq(executing & (op == Op.PUT) & (which >= Put.WEIGHTS)),
            loops.acc_addr.eq(register(Put.ACC_ADDR, len(loops.acc_addr))),
            access.reads.eq(Cat(puts(p) for p in _READS)),
            access.writes.eq(puts(Put.WRITE)), access.value.eq(a),
            access.addr.eq(Mux(puts(Put.READ_WEIGHTS), stream, a)),
            access.write_addr.eq(register(Put.WRITE_ADDR, address_bits)),
            access.base.eq(control.window_base), access.window_bytes.eq(control.window_bytes),
            access.layer.eq(layer), access.running.eq(run.running & ~run.halting),
        ]
        m.submodules.acts = acts = memory.Memory(
            shape=config.word_bits, depth=config.buffers.act_words, init=[])
        act_read, act_write = acts.read_port(), acts.write_port(granularity=8)
        one, writes_act = puts(Put.ACT_BYTE), puts(Put.ACT, Put.ACT_BYTE)
        beyond = act_addr[-2:].any()
        m.d.comb += [
            act_read.addr.eq(Mux(loops.fires, loops.act_addr, act_addr)),
            loops.acts.eq(act_read.data), act_write.addr.eq(act_addr),
            act_write.data.eq(Mux(one, a[:8].replicate(lanes), a[:8 * lanes])),
            act_write.en.eq(Mux(writes_act & ~beyond, Mux(one, 1 << lane, (1 << lanes) - 1), 0)),
        ]

        # -- counters and log ----------------------------------------------------------------------
        total, fired, log_count = Signal(32), Signal(32), Signal(12)
        m.submodules.log = log = memory.Memory(
            shape=32, depth=16 * config.buffers.log_entries, init=[])
        log_write, log_read = log.write_port(), log.read_port()
        log_addr = Signal.like(log_write.addr)
        with m.If(puts(Put.LOG_ADDR)):
            m.d.sync += log_addr.eq(a)
        with m.Elif(puts(Put.LOG)):
            m.d.sync += log_addr.eq(log_addr + 1)
        m.d.comb += [
            log_write.addr.eq(log_addr), log_write.data.eq(a), log_write.en.eq(puts(Put.LOG)),
            log_read.addr.eq(control.log_select), control.log_data.eq(log_read.data),
            control.log_count.eq(log_count), control.log_busy.eq(working),
            control.mark_valid.eq(puts(Put.MARK)), control.mark_layer.eq(a),
        ]
        with m.If(control.start):
            m.d.sync += [total.eq(0), fired.eq(0), log_count.eq(0)]
        with m.Else():
            m.d.sync += [total.eq(total + control.counting), fired.eq(fired + loops.fires),
                         log_count.eq(log_count + control.mark_valid)]

        # -- what it does to the accumulator -------------------------------------------------------
        shifts = Signal(6)
        shifted = Signal()
        m.d.comb += [result.eq(a), target.eq(word), ends.eq(executing),
                     shifted.eq(shifts + 1 == which)]
        with m.If(executing), m.Switch(op):
            with m.Case(Op.LOAD):
                m.d.comb += result.eq(number)
            with m.Case(Op.ADD, Op.STEP):
                m.d.comb += result.eq(a + Mux(op == Op.STEP, immediate, number))
            with m.Case(Op.SUB):
                m.d.comb += result.eq(a - number)
            with m.Case(Op.SET):
                m.d.comb += result.eq(immediate)
            for branch, taken in ((Op.JUMP, 1), (Op.ZERO, ~a.any()), (Op.SOME, a.any()),
                                  (Op.MINUS, a[-1])):
                with m.Case(branch):
                    m.d.comb += jumps.eq(taken)
            with m.Case(Op.TAKE, Op.FILL, Op.SPREAD):
                top = Mux(op == Op.TAKE, product.bit, (op == Op.SPREAD) & a[31])
                m.d.comb += [result.eq(Cat(a[1:32], top).as_signed()), ends.eq(shifted)]
                m.d.sync += shifts.eq(Mux(shifted, 0, shifts + 1))
            with m.Case(Op.GET), m.Switch(which):
                for source, value in (
                        (Get.PROGRAM, control.program), (Get.WINDOW, control.window_bytes),
                        (Get.TOTAL, total), (Get.FIRED, fired), (Get.ACT, act_read.data),
                        *((Get.SUM + c, value) for c, value in enumerate(loops.sums))):
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
                with m.Case(Put.TIMES):
                    m.d.comb += [result.eq(Mux(product.done, product.number, a)),
                                 ends.eq(product.done)]
                with m.Case(Put.SCALE):
                    m.d.comb += [result.eq(Mux(product.done, product.scaled, a)),
                                 ends.eq(product.done)]
                with m.Case(*(p for p in Put if p >= Put.WEIGHTS)):
                    m.d.comb += ends.eq(loops.idle)
        with m.If(ends & traps):
            m.d.comb += [jumps.eq(1), target.eq(program.address("trap"))]
        with m.If(control.start):
            m.d.comb += [jumps.eq(1), target.eq(0)]

        # -- errors --------------------------------------------------------------------------------
        moved = Signal()  # since the last pulse of the watchdog
        begins, misplaced = Signal(), Signal()  # a cycle after a start: before anything is asked
        m.d.sync += [moved.eq(control.start | ends | (moved & ~control.watchdog)),
                     begins.eq(control.start), misplaced.eq(self.misplaced)]
        unaligned = puts(Put.ALIGNED) & a[:2].any()
        with m.If(puts(Put.ERROR)):
            m.d.comb += error.eq(a[:4])
        with m.Elif(unaligned):
            m.d.comb += error.eq(ErrorCode.BAD_FIELD)
        with m.Elif(access.outside):
            m.d.comb += error.eq(ErrorCode.ADDRESS_WINDOW)
        with m.Elif(access.done & access.refused):
            m.d.comb += error.eq(ErrorCode.BUS_ERROR)
        with m.Elif((beyond & (writes_act | (executing & (op == Op.GET) & (which == Get.ACT))))
                    | loops.beyond):
            m.d.comb += error.eq(ErrorCode.ACT_RANGE)
        with m.Elif(run.running & control.watchdog & ~moved):
            m.d.comb += error.eq(ErrorCode.WATCHDOG)
        with m.Elif(run.running & control.stop):
            m.d.comb += error.eq(ErrorCode.STOPPED)
        with m.Elif(begins & misplaced):
            m.d.comb += error.eq(ErrorCode.BAD_FIELD)
        m.d.comb += [
            control.running.eq(run.running), control.error_code.eq(run.code),
            control.done.eq(run.done), control.error.eq(run.error),
            control.error_layer.eq(Mux(run.error, layer, 0)),
            control.error_opcode.eq(Mux(run.error, opcode, 0)),
        ]
        return m
