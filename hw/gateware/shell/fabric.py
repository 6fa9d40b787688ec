"""The interconnect: instances share a memory port, fairly, and what all need crosses it once."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config, ceil_log2
from hw.gateware.parts.fifo import Relay
from hw.gateware.parts.select import select
from hw.gateware.signatures.axi import AxiMaster, user_bits
from hw.gateware.signatures.ports import READERS, Channel, MemoryPort, port_request

from .turns import RoundRobin

__all__ = ["Fabric"]

_OUTSTANDING = 32  # bursts in flight on a port, each way
_BEATS = 4  # of write data between the instances and the port


class Fabric(wiring.Component):
    """Arbitrate the read and write bursts of `instances` onto one AXI4 port.

    A multicast read waits until every living instance in its mask presents one on the same channel
    that names the lowest of them, too; that one asks once, all receive. Masks may overlap if those
    who share come in the same order. Responses come in order, so a FIFO routes them. Requesters
    have reserved space: RREADY is high while one is due.

    Wherever a signal crosses between the instances and the port it meets a register, since on an
    FPGA they are far apart: a request is known here a cycle after it is made, the turn is given,
    the request is chosen, and its instance is told that it was taken a cycle after that.

    Members
    -------
    instances : array of `MemoryPort`
    axi : the memory port

    Parameters
    ----------
    config : Config
    ids : the instances behind this port, by number

    Where the streams meet::

        rd_*    --> rendezvous --> read_turn --> held --> asks --> AR
                                                                `--> routes --.
        ret_*   <--------------------- register <-- R <-----------------------'
        wr      --> write_turn --> held --> AW
                               `--> acks --.
        wr_data --> beats --> W            |
        wr_ret  <-- B <--------------------'

    Timing
    ------
    A read is asked for `READ_LATENCY` cycles after its request was made, a write `WRITE_LATENCY`,
    where the turn is free; their instance is told in that cycle. One read in every second cycle;
    one write at a time. A beat reaches its instance `RETURN_LATENCY` cycles after it came.

    Resources
    ---------
    FIFOs of 32 reads, 32 writes and 4 beats to write; for each instance AND-OR multiplexers of
    three requests, a write and its beat.
    """

    #: Cycles from a write's request to AWVALID.
    WRITE_LATENCY = 2 + RoundRobin.LATENCY
    #: Cycles from RVALID to the instance.
    RETURN_LATENCY = 1

    instances: list[wiring.PureInterface]
    axi: wiring.PureInterface

    def __init__(self, config: Config, ids: list[int]):
        self._config = config
        self._ids = ids
        self._live = Signal(len(ids), name="live")
        #: Cycles from a read's request to ARVALID: a rendezvous, the turn, the choice, the relay.
        self.READ_LATENCY = (len(ids) > 1) + RoundRobin.LATENCY + 1 + Relay.LATENCY
        super().__init__({
            "instances": In(MemoryPort(config)).array(len(ids)),
            "axi": Out(AxiMaster(config)),
        })

    def elaborate(self, platform):
        m = Module()
        # Who is alive, a cycle late: as one dies, its requests go a cycle later too.
        m.d.sync += self._live.eq(Cat(p.alive for p in self.instances))
        # A run begins with the first one's turn, whoever had the last of the run before.
        idle = Signal()
        m.d.comb += idle.eq(~self._live.any())
        self._reads(m)
        self._writes(m)
        m.d.comb += [m.submodules.read_turn.clear.eq(idle), m.submodules.write_turn.clear.eq(idle)]
        return m

    def _instance_number(self, m: Module, one_hot: Value) -> Signal:
        """Number of the instance whose bit is set."""
        return select(m, one_hot, [Const(i, 5) for i in self._ids], Signal(5))

    # -- reads ---------------------------------------------------------------------------------
    def _rendezvous(self, m: Module, name: str,
                    streams: list[stream.Interface]) -> list["_Reader"]:
        """When each of the instances' requests on a channel may be granted, and who receives."""
        count = len(self._ids)
        if count == 1:
            return [_Reader(streams[0], streams[0].valid, Const(1, 1))]
        ready, found = Signal(count, name=f"met_{name}"), []
        for i, s in enumerate(streams):
            mask, members = (Signal(count, name=f"{n}_{name}_{i}") for n in ("mask", "members"))
            m.d.comb += [
                mask.eq(Cat(s.payload.mask[n] for n in self._ids) & self._live),
                members.eq(mask | (1 << i)),
            ]
            leads = ~mask[:i].any() if i else Const(1)
            names = Cat(s.valid & s.payload.mask[self._ids[i]] for s in streams)
            met = (mask & ~names) == 0
            m.d.sync += ready[i].eq(s.valid & (~s.payload.several | (leads & met)))
            found.append(_Reader(s, ready[i], members))
        return found

    def _reads(self, m: Module) -> None:
        m.submodules.read_turn = turn = RoundRobin(len(self._ids) * len(READERS))
        readers = []
        for channel in READERS:
            name = channel.name.lower()
            readers += self._rendezvous(
                m, name, [getattr(p, f"rd_{name}") for p in self.instances])
        self._return(m, self._ask(m, self._choose(m, turn, readers)))

    def _choose(self, m: Module, turn: RoundRobin, readers: list["_Reader"]) -> Relay:
        """Choose the request in turn, then ask for it. Returns where it is asked for.

        What is known of a requester is from before its request was taken until it has been told,
        and a cycle more with a rendezvous. So it is of all members of a multicast: the next of them
        would lead, and ask again, if the leader stopped meanwhile.
        """
        count = len(self._ids)
        chosen = data.StructLayout({"request": port_request(self._config), "members": count,
                                    "channel": Channel, "lead": 5})
        held, held_valid = Signal(chosen), Signal()
        leads, takes = Signal(count), Signal()
        # Its instance was alive a cycle ago. One that has stopped since is told of nothing, and
        # a request that was its alone is not asked for.
        lead_lives = Signal()
        claimed, held_turn, told, masked = (Signal(count * len(READERS), name=f"turn_{n}")
                                            for n in ("claimed", "held", "told", "masked"))
        m.submodules.asks = asks = Relay(chosen)
        m.d.comb += [
            takes.eq(held_valid & asks.i.ready & lead_lives),
            turn.free.eq(~held_valid),
            turn.requests.eq(Cat(r.ready for r in readers) & ~masked),
            turn.may.eq(1),  # one whose instance stops meanwhile is dropped later
        ]
        m.d.sync += [told.eq(Mux(takes, held_turn, 0)),
                     masked.eq(Mux(turn.serves, claimed, 0) | held_turn
                               | (told if count > 1 else 0)),
                     lead_lives.eq(turn.serves | (leads & self._live).any())]
        by_channel = [turn.picked[k * count:(k + 1) * count] for k in range(len(READERS))]
        by_instance = Cat(Cat(g[i] for g in by_channel).any() for i in range(count))
        members = select(m, turn.picked, [r.members for r in readers], held.members)
        m.d.comb += claimed.eq(Cat(Mux(g.any(), members, 0) for g in by_channel))
        with m.If(takes | ~lead_lives):  # a request goes with its instance
            m.d.sync += [held_valid.eq(0), held_turn.eq(0)]
        with m.If(turn.serves):
            m.d.sync += [
                held.request.eq(select(
                    m, turn.picked, [r.stream.payload.as_value() for r in readers],
                    held.request.as_value())),
                held.members.eq(members),
                held.lead.eq(self._instance_number(m, by_instance)), held_valid.eq(1),
                leads.eq(by_instance), held_turn.eq(claimed)]
            for g, channel in zip(by_channel, READERS, strict=True):
                with m.If(g.any()):
                    m.d.sync += held.channel.eq(channel)
        # A multicast is taken from all its living members at once.
        living = Signal(count)
        m.d.comb += [living.eq(held.members & self._live), asks.i.valid.eq(takes & living.any()),
                     asks.i.payload.eq(held), asks.i.payload.members.eq(living)]
        for k, channel in enumerate(READERS):
            taken = Signal(count, name=f"taken_{channel.name.lower()}")
            m.d.sync += taken.eq(Mux(takes & (held.channel == channel), living, 0))
            for i in range(count):
                m.d.comb += readers[k * count + i].stream.ready.eq(taken[i])
        return asks

    def _ask(self, m: Module, asks: Relay) -> fifo.SyncFIFOBuffered:
        """Address a burst, and keep to whom it goes. Returns those that are due, oldest first."""
        config, axi = self._config, self.axi
        m.submodules.routes = routes = fifo.SyncFIFOBuffered(
            width=self._route.size, depth=_OUTSTANDING)
        ask, entry = asks.o.payload, Signal(self._route)
        m.d.comb += [
            axi.arvalid.eq(asks.o.valid & routes.w_rdy),
            asks.o.ready.eq(axi.arready & routes.w_rdy),
            axi.araddr.eq(ask.request.addr), axi.arlen.eq(ask.request.beats - 1),
            axi.arsize.eq(ceil_log2(config.port.bytes)), axi.arburst.eq(1), axi.arcache.eq(3),
            axi.aruser.eq(user_bits(ask.lead, ask.channel.as_value(), ask.request.layer)),
            entry.members.eq(ask.members), entry.channel.eq(ask.channel),
            entry.beats.eq(ask.request.beats),
            routes.w_en.eq(axi.arvalid & axi.arready), routes.w_data.eq(entry),
        ]
        return routes

    def _return(self, m: Module, routes: fifo.SyncFIFOBuffered) -> None:
        """Hand each beat that comes to the members of the oldest burst."""
        axi = self.axi
        due = Signal(self._route)
        beat = Signal.like(due.beats)
        arrives, last = Signal(), Signal()
        m.d.comb += [
            due.eq(routes.r_data), axi.rready.eq(routes.r_rdy),
            arrives.eq(axi.rvalid & axi.rready), last.eq(beat == due.beats - 1),
            routes.r_en.eq(arrives & last),
        ]
        ret_data, ret_error = Signal(self._config.beat_bits, reset_less=True), Signal()
        ret_channel, ret_valid = Signal(Channel), Signal(len(self._ids))
        m.d.sync += ret_valid.eq(Mux(arrives, due.members, 0))
        with m.If(arrives):
            m.d.sync += [ret_data.eq(axi.rdata), ret_error.eq(axi.rresp[1]),
                         ret_channel.eq(due.channel), beat.eq(Mux(last, 0, beat + 1))]
        for i, port in enumerate(self.instances):
            m.d.comb += [port.ret_valid.eq(ret_valid[i]), port.ret_channel.eq(ret_channel),
                         port.ret_data.eq(ret_data), port.ret_error.eq(ret_error)]

    @property
    def _route(self) -> data.StructLayout:
        """Where the beats of a burst go."""
        return data.StructLayout({"members": len(self._ids), "channel": Channel,
                                  "beats": port_request(self._config)["beats"].shape})

    # -- writes ----------------------------------------------------------------------------------
    def _writes(self, m: Module) -> None:
        config, axi = self._config, self.axi
        count = len(self._ids)
        m.submodules.write_turn = turn = RoundRobin(count)
        m.submodules.acks = acks = fifo.SyncFIFOBuffered(width=count, depth=_OUTSTANDING)
        held = Signal(port_request(config))
        source, lead = Signal(count), Signal(5)
        addressed, sending = Signal(init=1), Signal()  # AW is out; W is under way
        left = Signal(held["beats"].shape())
        # as for reads: what is known of a requester is from before it was told, and whether it
        # is alive from a cycle ago
        asks, told, masked, may = Signal(count), Signal(count), Signal(count), Signal()
        m.d.comb += [
            turn.free.eq(addressed & ~sending & acks.w_rdy),
            turn.requests.eq(asks & ~masked), turn.may.eq(may),
            axi.awvalid.eq(~addressed), axi.awaddr.eq(held.addr), axi.awlen.eq(held.beats - 1),
            axi.awsize.eq(ceil_log2(config.port.bytes)), axi.awburst.eq(1), axi.awcache.eq(3),
            axi.awuser.eq(user_bits(lead, Const(Channel.STORE.value, 2), held.layer)),
        ]
        served = Mux(turn.serves, turn.picked, 0)
        m.d.sync += [asks.eq(Cat(p.wr.valid for p in self.instances)), told.eq(served),
                     masked.eq(served | told), may.eq(~(turn.picked & ~self._live).any())]
        chosen = select(m, turn.picked, [Cat(p.wr.payload.as_value()) for p in self.instances],
                        held.as_value())
        new = Signal(port_request(config))
        m.d.comb += new.eq(chosen)
        with m.If(axi.awvalid & axi.awready):
            m.d.sync += addressed.eq(1)
        with m.If(turn.serves):
            m.d.sync += [held.eq(chosen), source.eq(turn.picked), addressed.eq(0), sending.eq(1),
                         lead.eq(self._instance_number(m, turn.picked)), left.eq(new.beats)]
        m.d.comb += [acks.w_en.eq(turn.serves), acks.w_data.eq(turn.picked)]

        # Neither what an instance is told nor what the memory is told waits for the other.
        word = select(m, source, [p.wr_data.payload.as_value() for p in self.instances],
                      self.instances[0].wr_data.payload.as_value())
        m.submodules.beats = beats = fifo.SyncFIFOBuffered(width=len(word) + 1, depth=_BEATS)
        last, moves = Signal(), Signal()
        m.d.comb += [
            last.eq(left == 1),
            moves.eq(sending & beats.w_rdy
                     & (Cat(p.wr_data.valid for p in self.instances) & source).any()),
            beats.w_en.eq(moves), beats.w_data.eq(Cat(word, last)),
            axi.wvalid.eq(beats.r_rdy), beats.r_en.eq(axi.wready),
            Cat(axi.wdata, axi.wstrb, axi.wlast).eq(beats.r_data),
        ]
        for i, port in enumerate(self.instances):
            m.d.comb += [port.wr.ready.eq(told[i]),
                         port.wr_data.ready.eq(sending & source[i] & beats.w_rdy)]
        with m.If(moves):
            m.d.sync += left.eq(left - 1)
            with m.If(last):
                m.d.sync += sending.eq(0)
        m.d.comb += [axi.bready.eq(acks.r_rdy), acks.r_en.eq(axi.bvalid)]
        for i, port in enumerate(self.instances):
            m.d.comb += [port.wr_ret_valid.eq(axi.bvalid & axi.bready & acks.r_data[i]),
                         port.wr_ret_error.eq(axi.bresp[1])]


@dataclass(frozen=True)
class _Reader:
    """Requests of an instance on a channel: `ready`, 1 if one may be granted, to `members`."""

    stream: stream.Interface
    ready: Value
    members: Value
