"""Activation memory: two banks, so that reading one layer and writing the next do not meet."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config, ceil_log2
from hw.gateware.signatures.interfaces import ActRead, ActWrite

__all__ = ["ActMemory", "beyond"]


def beyond(config: Config, addr: Value) -> Value:
    """1 if an address is beyond the activation memory."""
    return addr[ceil_log2(config.buffers.act_words):].any()


class ActMemory(wiring.Component):
    """Serve two readers and two writers from two banks with one port each way.

    The upper half of the address space is bank 1. Clients of different banks never wait for
    each other; on the same bank the store unit goes before compute and post-processing before
    the load unit.

    Members
    -------
    compute, store : read clients
    post, load : write clients; `post` is always ready
    advances : see `hw.gateware.progress`

    A write `beyond` the memory has no effect. A word is written a cycle after it was taken, from a
    register: none that waits for a write's end can read it earlier, and a word may come straight
    out of a block RAM. The store unit's reads also go through a register, so that whether compute
    has to wait is known early.

    Timing
    ------
    One word per cycle and bank each way; a compute read is answered after `LATENCY` cycles, the
    store unit's after `STORE_LATENCY`. A word can be read two cycles after its write was taken.

    Resources
    ---------
    Two memories of `bank_words` words, act_words x rows bytes together.
    """

    #: Cycles from a taken read to its data.
    LATENCY = 2
    #: The same for the store unit.
    STORE_LATENCY = 3

    compute: wiring.PureInterface
    store: wiring.PureInterface
    post: wiring.PureInterface
    load: wiring.PureInterface
    advances: Signal

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "compute": In(ActRead(config)),
            "store": In(ActRead(config)),
            "post": In(ActWrite(config)),
            "load": In(ActWrite(config)),
            "advances": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self._config
        bank_bits = ceil_log2(config.bank_words)
        lane_bytes = config.array.post_lanes

        def bank_of(addr):
            return addr[bank_bits]

        stored, store_addr = Signal(), Signal.like(self.store.addr)  # the store unit's read
        m.d.sync += stored.eq(self.store.valid)
        with m.If(self.store.valid):
            m.d.sync += store_addr.eq(self.store.addr)
        store_bank, compute_bank = bank_of(store_addr), bank_of(self.compute.addr)
        post_bank, load_bank = bank_of(self.post.addr), bank_of(self.load.addr)
        m.d.comb += [
            self.store.ready.eq(1), self.post.ready.eq(1),
            self.compute.ready.eq(~(stored & (store_bank == compute_bank))),
            self.load.ready.eq(~(self.post.valid & (post_bank == load_bank))),
        ]
        clients = (self.compute, self.store, self.post, self.load)
        m.d.comb += self.advances.eq(Cat(stored, *(c.valid for c in clients)).any())

        reads = [("compute", self.compute.valid & self.compute.ready, self.compute),
                 ("store", stored, self.store)]
        read_bank, reading = {}, {}
        for name, read, _ in reads:
            select, flag = Signal(name=f"{name}_bank"), Signal(name=f"{name}_reading")
            with m.If(read):
                m.d.sync += select.eq(store_bank if name == "store" else compute_bank)
            m.d.sync += flag.eq(read)
            read_bank[name], reading[name] = select, flag

        # Words to be written wait in registers of their own: their choice is not added to the
        # time that a block RAM takes.
        waiting = {}
        for name, client in (("post", self.post), ("load", self.load)):
            word = Signal(config.word_bits, name=f"{name}_word", reset_less=True)
            with m.If(client.valid):
                m.d.sync += word.eq(client.data)
            waiting[name] = word
        outputs = []
        for b in range(2):
            m.submodules[f"bank_{b}"] = bank = memory.Memory(
                shape=config.word_bits, depth=config.bank_words, init=[])
            read = bank.read_port()
            write = bank.write_port(granularity=8 * lane_bytes)
            by_store = stored & (store_bank == b)
            by_compute = self.compute.valid & (compute_bank == b)
            by_post = self.post.valid & (post_bank == b) & ~beyond(config, self.post.addr)
            by_load = self.load.valid & (load_bank == b) & ~beyond(config, self.load.addr)
            m.d.comb += [
                read.en.eq(by_store | by_compute),
                read.addr.eq(Mux(by_store, store_addr, self.compute.addr)[:bank_bits]),
            ]
            held_addr = Signal.like(write.addr, name=f"write_addr_{b}", reset_less=True)
            held_lanes = Signal(len(write.en), name=f"write_lanes_{b}")
            from_post = Signal(name=f"write_post_{b}")
            m.d.sync += held_lanes.eq(Mux(by_post, self.post.lanes,
                                          Mux(by_load, self.load.lanes, 0)))
            with m.If(by_post | by_load):
                m.d.sync += [
                    held_addr.eq(Mux(by_post, self.post.addr, self.load.addr)[:bank_bits]),
                    from_post.eq(by_post)]
            m.d.comb += [write.addr.eq(held_addr), write.en.eq(held_lanes),
                         write.data.eq(Mux(from_post, waiting["post"], waiting["load"]))]
            outputs.append(read.data)
        for name, _, client in reads:
            register = Signal(config.word_bits, name=f"{name}_data", reset_less=True)
            with m.If(reading[name]):
                m.d.sync += register.eq(Mux(read_bank[name], outputs[1], outputs[0]))
            m.d.comb += client.data.eq(register)
        return m
