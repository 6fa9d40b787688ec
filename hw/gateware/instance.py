"""One accelerator instance: units around an activation memory, behind a port and registers."""

from amaranth.hdl import Cat, EnableInserter, Module, Mux, ResetInserter, Signal
from amaranth.lib import wiring

from hw.gateware.compute.datapath import Datapath
from hw.gateware.control.counters import Counters
from hw.gateware.control.runstate import RunState
from hw.gateware.control.sequencer import UNITS, Sequencer
from hw.gateware.shell.fabric import select
from hw.gateware.signatures.ports import READERS, Channel, Core
from hw.gateware.traffic.actmem import ActMemory
from hw.gateware.traffic.loader import Loader
from hw.gateware.traffic.portmux import ReadGate, WriteGate
from hw.gateware.traffic.storer import Storer
from hw.gateware.traffic.weights import WeightFetch
from hw.isa import READ_AHEAD_BYTES, Cause, ErrorCode, Opcode

__all__ = ["Instance"]

#: Cycles without any movement, with nothing outstanding, after which nothing can move any more:
#: longer than the longest pipeline between two movements.
_STUCK_CYCLES = 64
#: The same while something is outstanding: the instance dozes from then on. Of 7, too, the
#: simulation's check of every flip-flop of a dozing instance finds nothing.
_DOZE_CYCLES = 8
#: Cycles after which it is known of everything that the memory fabric took before an instance
#: stopped.
_HALT_CYCLES = 6


class Instance(Core):
    """Run programs independently of the other instances.

    On an error, and when it is stopped, the units are held in reset until what the memory still
    owes has come and what was granted has been completed without effect; then the run ends. A
    start resets the units, so the next program finds nothing of the one before. Its members are
    those of `Core`.

    What comes from the memory is looked at a cycle after it has come: an instance lies far from
    the port.
    """

    def elaborate(self, platform):
        m = Module()
        config, memory, control = self._config, self.memory, self.control
        m.submodules.run = run = RunState()
        running, halting = run.running, run.halting
        clear = Signal()  # from a register: it reaches most of an instance
        m.d.sync += clear.eq(control.start | halting)
        # A start, one and two cycles later; its program or window is not where it may be.
        clears, begins, starting, misplaced = (Signal(name=n) for n in (
            "clears", "begins", "starting", "misplaced"))
        m.d.sync += [clears.eq(control.start), begins.eq(clears), misplaced.eq(self.misplaced)]
        m.d.comb += starting.eq(clears | begins)
        units = ResetInserter(clear)
        sequencer, fetch_weights = Sequencer(config), WeightFetch(config)
        loader, storer = Loader(config), Storer(config)
        acts, path = ActMemory(config), Datapath(config)
        gates = {c: ReadGate(config) for c in READERS}
        for name, block in (("sequencer", sequencer), ("weights", fetch_weights),
                            ("loader", loader), ("storer", storer), ("acts", acts),
                            ("path", path),
                            *((f"gate_{c.name.lower()}", g) for c, g in gates.items())):
            m.submodules[name] = units(block)
        m.submodules.writes = writes = WriteGate(config)
        counters = Counters(config, len(UNITS))
        asleep = Signal()
        m.d.comb += asleep.eq(control.dozing & ~control.wake)
        m.submodules.counters = EnableInserter(~asleep)(counters)
        returned, returned_to = Signal(), Signal(len(READERS))
        returned_data = Signal(config.beat_bits, reset_less=True)
        acknowledged, refused = Signal(), Signal()
        m.d.sync += [
            returned.eq(memory.ret_valid), acknowledged.eq(memory.wr_ret_valid),
            returned_to.eq(Cat(memory.ret_valid & (memory.ret_channel == c) for c in READERS)),
            refused.eq((memory.ret_valid & memory.ret_error)
                       | (memory.wr_ret_valid & memory.wr_ret_error)),
        ]
        with m.If(memory.ret_valid):
            m.d.sync += returned_data.eq(memory.ret_data)

        # -- instructions ----------------------------------------------------------------------
        connect = wiring.connect
        connect(m, sequencer.o_load, loader.i)
        connect(m, sequencer.o_store, storer.i)
        connect(m, sequencer.o_weights, fetch_weights.i)
        connect(m, sequencer.o_compute, path.i)
        connect(m, sequencer.o_ahead, path.i_ahead)
        connect(m, sequencer.o_post, path.i_post)
        done = {"load": loader.done, "store": storer.done, "weights": fetch_weights.done,
                "compute": path.done_compute, "post": path.done_post}
        for n, (unit, pulse) in enumerate(done.items()):
            connect(m, pulse, getattr(sequencer, f"done_{unit}"))
            m.d.comb += [counters.marks[n].eq(pulse.valid & pulse.mark),
                         counters.layers[n].eq(pulse.layer)]
        m.d.comb += [loader.barrier.eq(sequencer.o_barrier),
                     sequencer.start.eq(begins & ~misplaced),
                     sequencer.program.eq(control.program)]

        # -- activations and weights -----------------------------------------------------------
        connect(m, path.act_read, acts.compute)
        connect(m, path.act_write, acts.post)
        connect(m, loader.acts, acts.load)
        connect(m, storer.acts, acts.store)
        connect(m, fetch_weights.chunks, path.chunks)
        if config.array.zero_skip:
            connect(m, path.needs, fetch_weights.needs)
            connect(m, fetch_weights.rows, path.rows)
            connect(m, path.release, fetch_weights.release)
            m.d.comb += [control.spared.eq(path.spared),
                         control.spared_layer.eq(path.spared_layer)]

        # -- memory port -----------------------------------------------------------------------
        connect(m, storer.req, writes.i)
        connect(m, storer.data, writes.i_data)
        connect(m, wiring.flipped(memory.wr), writes.o)
        connect(m, wiring.flipped(memory.wr_data), writes.o_data)
        for kind, unit in ((Channel.PROGRAM, sequencer), (Channel.WEIGHTS, fetch_weights),
                           (Channel.LOAD, loader)):
            connect(m, unit.req, gates[kind].i)
            connect(m, wiring.flipped(getattr(memory, f"rd_{kind.name.lower()}")), gates[kind].o)
            m.d.comb += [unit.ret.valid.eq(returned_to[READERS.index(kind)]),
                         unit.ret.data.eq(returned_data)]
        m.d.comb += [
            storer.ret.valid.eq(acknowledged), writes.halt.eq(halting),
            *(x.base.eq(control.window_base) for x in (*gates.values(), writes)),
            *(x.window_bytes.eq(control.window_bytes) for x in (*gates.values(), writes)),
            memory.arrive.eq(loader.arrive), memory.mask.eq(loader.mask),
            loader.release.eq(memory.release), memory.alive.eq(running & ~halting),
        ]
        requests = [getattr(memory, f"rd_{c.name.lower()}") for c in READERS]
        asking = Signal()  # a read waits for the port
        m.d.comb += asking.eq(Cat(r.valid for r in requests).any())
        # Readers have room for all that they ask for.
        read_beats = Signal(range(config.buffers.weight_fifo_beats + config.load_fifo_beats
                                  + READ_AHEAD_BYTES // config.port.bytes + 1))
        write_bursts = Signal(8)
        outstanding = Signal()
        granted = Signal(range(config.port.burst_beats + 1))  # one reader's burst at a time
        written = Signal()
        m.d.sync += [
            granted.eq(select(m, Cat(g.o.ready for g in gates.values()),
                              [g.beats for g in gates.values()], granted)),
            written.eq(memory.wr.ready),
            read_beats.eq(read_beats + granted - returned),
            write_bursts.eq(write_bursts + written - acknowledged),
        ]
        m.d.comb += outstanding.eq(read_beats.any() | write_bursts.any() | writes.owed
                                   | granted.any() | written | returned)

        # -- progress --------------------------------------------------------------------------
        moved, still = Signal(), Signal(7)
        moved_lately = Signal()  # since the last pulse of the watchdog
        moving = Signal()
        m.d.sync += moved.eq(moving)
        m.d.comb += moving.eq(Cat(
            sequencer.moved, path.moved,
            *(p.valid & p.ready for p in (acts.compute, acts.store, acts.post, acts.load)),
            *(d.valid for d in done.values())).any())
        answered = Signal()  # by the memory, a cycle ago
        m.d.comb += answered.eq(Cat(returned, acknowledged, granted, written).any())
        waits_outside = outstanding | asking | memory.wr.valid | loader.arrive
        with m.If(control.start | moved | waits_outside | ~running):
            m.d.sync += still.eq(0)
        with m.Else():
            m.d.sync += still.eq(still + 1)
        m.d.sync += moved_lately.eq(control.start | moved | answered
                                    | (moved_lately & ~control.watchdog))
        finished = Signal()
        m.d.sync += finished.eq(
            sequencer.ended & ~sequencer.fetching & ~outstanding
            & ~Cat(*(g.busy for g in gates.values()), loader.busy, storer.busy,
                   fetch_weights.busy, path.compute_busy, path.post_busy).any())

        # -- errors ----------------------------------------------------------------------------
        # An error is acted on a cycle after it happens, and so is the end of a program.
        error, layer, opcode = Signal(ErrorCode), Signal(11), Signal(4)
        caught, caught_layer, caught_opcode = Signal(ErrorCode), Signal(11), Signal(4)
        m.d.sync += [caught.eq(error), caught_layer.eq(layer), caught_opcode.eq(opcode)]
        last_layer = Signal(11)
        with m.If(control.start):
            m.d.sync += last_layer.eq(0)
        for out in (sequencer.o_load, sequencer.o_store, sequencer.o_compute, sequencer.o_post):
            with m.If(out.valid & out.ready):
                m.d.sync += last_layer.eq(out.payload.layer)
        m.d.comb += [layer.eq(last_layer), opcode.eq(0)]
        with m.If(sequencer.error != ErrorCode.NONE):
            m.d.comb += error.eq(sequencer.error)
            with m.If(sequencer.error != ErrorCode.TOKEN_OVERFLOW):
                m.d.comb += [layer.eq(sequencer.error_layer), opcode.eq(sequencer.error_opcode)]
        for kind, op in ((Channel.PROGRAM, Opcode.END), (Channel.WEIGHTS, Opcode.WEIGHTS),
                         (Channel.LOAD, Opcode.LOAD)):
            with m.Elif(gates[kind].outside):
                m.d.comb += [error.eq(ErrorCode.ADDRESS_WINDOW), layer.eq(gates[kind].layer),
                             opcode.eq(op)]
        with m.Elif(writes.outside):
            m.d.comb += [error.eq(ErrorCode.ADDRESS_WINDOW), layer.eq(writes.layer),
                         opcode.eq(Opcode.STORE)]
        with m.Elif(refused):
            m.d.comb += error.eq(ErrorCode.BUS_ERROR)
        with m.Elif(acts.range_error):
            m.d.comb += error.eq(ErrorCode.ACT_RANGE)
        with m.Elif((still == _STUCK_CYCLES) & ~finished):
            m.d.comb += error.eq(ErrorCode.TOKEN_UNDERFLOW)
        with m.Elif(control.watchdog & ~moved_lately):
            m.d.comb += error.eq(ErrorCode.WATCHDOG)
        with m.Elif(control.stop):
            m.d.comb += error.eq(ErrorCode.STOPPED)
        with m.Elif(begins & misplaced):
            m.d.comb += error.eq(ErrorCode.BAD_FIELD)

        # -- clock: off when nothing changes until something comes from outside ------------------
        calm, quiet = Signal(), Signal(range(_DOZE_CYCLES + 1))
        m.d.comb += calm.eq(
            ~(moving | moved | control.wake | starting | halting | counters.logging)
            & (error == ErrorCode.NONE) & (caught == ErrorCode.NONE)
            & (waits_outside | ~running))
        with m.If(~calm):
            m.d.sync += [quiet.eq(0), control.dozing.eq(0)]
        with m.Elif(quiet == _DOZE_CYCLES):
            m.d.sync += control.dozing.eq(1)
        with m.Else():
            m.d.sync += quiet.eq(quiet + 1)

        # -- state -----------------------------------------------------------------------------
        # Units are reset in the first cycle after a start and begin in the second.
        halted = Signal(range(_HALT_CYCLES + 1))
        with m.If(~halting):
            m.d.sync += halted.eq(0)
        with m.Elif(halted != _HALT_CYCLES):
            m.d.sync += halted.eq(halted + 1)
        m.d.comb += [
            run.start.eq(control.start), run.fault.eq(Mux(starting, ErrorCode.NONE, caught)),
            run.finished.eq(finished & ~starting),
            run.clean.eq((halted == _HALT_CYCLES) & ~outstanding),
            control.running.eq(running), control.done.eq(run.done), control.error.eq(run.error),
            control.error_code.eq(run.code),
        ]
        with m.If(control.start):
            m.d.sync += [control.error_layer.eq(0), control.error_opcode.eq(0)]
        with m.Elif(run.catches):
            m.d.sync += [control.error_layer.eq(caught_layer),
                         control.error_opcode.eq(caught_opcode)]

        # -- counters --------------------------------------------------------------------------
        port_wait = Cat(r.valid & ~r.ready for r in requests).any()
        cause = Signal(Cause)
        m.d.sync += counters.cause.eq(cause)  # in the cycle in which that before is said to count
        with m.If(~running | halting):
            m.d.comb += cause.eq(Cause.IDLE)
        with m.Elif(path.fire):
            m.d.comb += cause.eq(Cause.COMPUTE)
        with m.Elif(path.starved):
            m.d.comb += cause.eq(Mux(port_wait, Cause.PORT, Cause.WEIGHTS))
        with m.Elif(path.acc_wait):
            m.d.comb += cause.eq(Cause.DRAIN)
        with m.Elif(loader.arrive):
            m.d.comb += cause.eq(Cause.BARRIER)
        with m.Elif(~path.compute_busy & ~loader.busy & (path.post_busy | storer.busy)):
            m.d.comb += cause.eq(Cause.DRAIN)
        with m.Else():
            m.d.comb += cause.eq(Mux(port_wait, Cause.PORT, Cause.ACTS))
        m.d.comb += [
            counters.clear.eq(control.start), counters.counting.eq(control.counting),
            counters.slept.eq(control.slept),
            counters.log_select.eq(control.log_select), control.log_data.eq(counters.log_data),
            control.log_count.eq(counters.log_count), control.log_busy.eq(counters.busy),
            control.mark_valid.eq(counters.mark_valid), control.mark_layer.eq(counters.mark_layer),
        ]
        return m
