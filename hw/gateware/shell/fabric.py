"""The interconnect: instances share a memory port, fairly, and what all need crosses it once."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, fifo, wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config, ceil_log2
from hw.gateware.parts.fifo import Relay
from hw.gateware.signatures.axi import AxiMaster, user_bits
from hw.gateware.signatures.ports import READERS, Channel, MemoryPort, port_request

__all__ = ["Barrier", "Fabric", "RoundRobin", "select"]

_OUTSTANDING = 32  # bursts in flight on a port, each way
_BEATS = 4  # of write data between the instances and the port


class RoundRobin(wiring.Component):
    """Grant requests in turn: each waits for at most one grant of every other.

    One is chosen in a cycle and served in a later one, and the next is chosen after that: at most
    one is served every other cycle. So whom the turn is to pass to is found from registers.

    Members
    -------
    requests : who asks
    free : 1, there is room for the chosen one
    may : 1, the chosen one may be served; one that may not gives way to the next
    picked : the chosen one, one-hot, of a register
    serves : 1, it is served
    clear : the turn is the first one's again
    """

    def __init__(self, width: int):
        self._width = width
        super().__init__({"requests": In(width), "free": In(1), "may": In(1),
                          "picked": Out(width), "serves": Out(1), "clear": In(1)})

    def elaborate(self, platform):
        m = Module()
        after = Signal(self._width)  # the requesters after the one chosen last
        later = Signal(self._width)
        some = Signal()  # one is picked

        def lowest(bits):
            return bits & (~bits + 1)

        m.d.comb += [self.serves.eq(self.free & self.may & some),
                     later.eq(self.requests & after)]
        with m.If(~some):
            m.d.sync += [self.picked.eq(Mux(later.any(), lowest(later), lowest(self.requests))),
                         some.eq(self.requests.any())]
        with m.Else():
            m.d.sync += after.eq(~((self.picked - 1) | self.picked))
            with m.If(self.serves | ~self.may):
                m.d.sync += [self.picked.eq(0), some.eq(0)]
        with m.If(self.clear):
            m.d.sync += after.eq(0)
        return m


def select(m, one_hot, values, like):
    """AND-OR multiplexer: the value whose bit is set, 0 if none is."""
    chosen = Signal.like(like)
    terms = [Mux(one_hot[k], v, 0) for k, v in enumerate(values)]
    while len(terms) > 1:
        terms = [a | b for a, b in zip(terms[::2], terms[1::2], strict=False)] + (
            [terms[-1]] if len(terms) % 2 else [])
    m.d.comb += chosen.eq(terms[0])
    return chosen


class Fabric(wiring.Component):
    """Arbitrate the read and write bursts of `instances` onto one AXI4 port.

    A multicast read waits until every living instance in its mask presents one on the same
    channel; the lowest of them asks once and all receive. Responses come in order, so a FIFO of
    destinations routes them. Requesters have reserved space: RREADY is always high while
    something is due.

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
    """

    def __init__(self, config: Config, ids: list[int]):
        self._config = config
        self._ids = ids
        self._live = Signal(len(ids), name="live")
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

    def _instance_number(self, m, one_hot):
        """Number of the instance whose bit is set."""
        return select(m, one_hot, [Const(i, 5) for i in self._ids], Signal(5))

    # -- reads ---------------------------------------------------------------------------------
    def _rendezvous(self, m, name, streams):
        """Per instance: (its request may be granted, the set that receives)."""
        count = len(self._ids)
        if count == 1:
            return [streams[0].valid], [Const(1, 1)]
        multi = Cat(s.valid & s.payload.several for s in streams)  # asks for several
        ready, sets = Signal(count, name=f"met_{name}"), []
        for i, s in enumerate(streams):
            mask, members = (Signal(count, name=f"{n}_{name}_{i}") for n in ("mask", "members"))
            m.d.comb += [
                mask.eq(Cat(s.payload.mask[n] for n in self._ids) & self._live),
                members.eq(mask | (1 << i)),
            ]
            leads = ~mask[:i].any() if i else Const(1)
            met = (mask & ~multi) == 0
            m.d.sync += ready[i].eq(s.valid & (~multi[i] | (leads & met)))
            sets.append(members)
        return list(ready), sets

    def _reads(self, m):
        config, axi = self._config, self.axi
        count = len(self._ids)
        m.submodules.read_turn = turn = RoundRobin(count * len(READERS))
        requests, payloads, receivers, sources = [], [], [], []
        for channel in READERS:
            name = channel.name.lower()
            streams = [getattr(p, f"rd_{name}") for p in self.instances]
            ready, sets = self._rendezvous(m, name, streams)
            requests += ready
            payloads += [s.payload for s in streams]
            receivers += sets
            sources += streams

        # The request in turn is chosen, then asked for. What is known of a requester is from
        # before its request was taken until it has been told, and a cycle more with a rendezvous.
        request = port_request(config)
        chosen = data.StructLayout({"request": request, "members": count, "channel": Channel,
                                    "lead": 5})
        held, held_valid = Signal(chosen), Signal()
        leads, takes = Signal(count), Signal()
        # Its instance was alive a cycle ago. One that has stopped since is told of nothing, and
        # what returns of the request reaches nobody.
        lead_lives = Signal()
        held_turn, told, masked = (Signal(count * len(READERS), name=f"turn_{n}")
                                   for n in ("held", "told", "masked"))
        m.submodules.asks = asks = Relay(chosen)
        m.d.comb += [
            takes.eq(held_valid & asks.i.ready & lead_lives),
            turn.free.eq(~held_valid),
            turn.requests.eq(Cat(requests) & ~masked),
            turn.may.eq(1),  # one whose instance stops meanwhile is dropped later
        ]
        m.d.sync += [told.eq(Mux(takes, held_turn, 0)),
                     masked.eq(Mux(turn.serves, turn.picked, 0) | held_turn
                               | (told if count > 1 else 0)),
                     lead_lives.eq(turn.serves | (leads & self._live).any())]
        by_channel = [turn.picked[k * count:(k + 1) * count] for k in range(len(READERS))]
        by_instance = Cat(Cat(g[i] for g in by_channel).any() for i in range(count))
        with m.If(takes | ~lead_lives):  # a request goes with its instance
            m.d.sync += [held_valid.eq(0), held_turn.eq(0)]
        with m.If(turn.serves):
            m.d.sync += [
                held.request.eq(select(m, turn.picked, [p.as_value() for p in payloads],
                                       held.request.as_value())),
                held.members.eq(select(m, turn.picked, receivers, held.members)),
                held.lead.eq(self._instance_number(m, by_instance)), held_valid.eq(1),
                leads.eq(by_instance), held_turn.eq(turn.picked)]
            for g, channel in zip(by_channel, READERS, strict=True):
                with m.If(g.any()):
                    m.d.sync += held.channel.eq(channel)
        # A multicast is taken from all its living members at once.
        living = Signal(count)
        m.d.comb += [living.eq(held.members & self._live), asks.i.valid.eq(takes),
                     asks.i.payload.eq(held), asks.i.payload.members.eq(living)]
        for k, channel in enumerate(READERS):
            taken = Signal(count, name=f"taken_{channel.name.lower()}")
            m.d.sync += taken.eq(Mux(takes & (held.channel == channel), living, 0))
            for i in range(count):
                m.d.comb += sources[k * count + i].ready.eq(taken[i])

        route = data.StructLayout({"members": count, "channel": Channel,
                                   "beats": request["beats"].shape})
        m.submodules.routes = routes = fifo.SyncFIFOBuffered(
            width=route.size, depth=_OUTSTANDING)
        ask, entry = asks.o.payload, Signal(route)
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

        due = Signal(route)
        beat = Signal.like(due.beats)
        arrives, last = Signal(), Signal()
        m.d.comb += [
            due.eq(routes.r_data), axi.rready.eq(routes.r_rdy),
            arrives.eq(axi.rvalid & axi.rready), last.eq(beat == due.beats - 1),
            routes.r_en.eq(arrives & last),
        ]
        ret_data, ret_error = Signal(config.beat_bits, reset_less=True), Signal()
        ret_channel, ret_valid = Signal(Channel), Signal(count)
        m.d.sync += ret_valid.eq(Mux(arrives, due.members, 0))
        with m.If(arrives):
            m.d.sync += [ret_data.eq(axi.rdata), ret_error.eq(axi.rresp[1]),
                         ret_channel.eq(due.channel), beat.eq(Mux(last, 0, beat + 1))]
        for i, port in enumerate(self.instances):
            m.d.comb += [port.ret_valid.eq(ret_valid[i]), port.ret_channel.eq(ret_channel),
                         port.ret_data.eq(ret_data), port.ret_error.eq(ret_error)]

    # -- writes ----------------------------------------------------------------------------------
    def _writes(self, m):
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


class Barrier(wiring.Component):
    """Release instances that wait for each other.

    An instance goes on when every instance of its mask has arrived or is not running; a release
    lasts one cycle for all of them, two after the last arrival.

    Members: `arrive`, `alive`, `release` [instances]; `masks` [instances] of a bit each.
    """

    def __init__(self, instances: int):
        self._count = instances
        super().__init__({"arrive": In(instances), "alive": In(instances),
                          "masks": In(instances).array(instances), "release": Out(instances)})

    def elaborate(self, platform):
        m = Module()
        arrived = Signal(self._count)  # a cycle late, so that a release reaches all at once
        release = Signal(self._count)
        # who is released is told so in the next cycle, and is still seen to wait in that
        m.d.sync += [arrived.eq(self.arrive & ~release & ~self.release), self.release.eq(release)]
        alive = Signal(self._count)
        m.d.sync += alive.eq(self.alive)
        present = arrived | ~alive
        for i in range(self._count):
            m.d.comb += release[i].eq(
                arrived[i] & ~(self.masks[i][:self._count] & ~present).any())
        return m
