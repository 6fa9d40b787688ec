"""Activation memory: two banks, so that reading one layer and writing the next do not meet."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from .config import Config, ceil_log2
from .interfaces import ActRead, ActWrite

__all__ = ["ActMemory"]


class ActMemory(wiring.Component):
    """Serve two readers and two writers from two banks with one port each way.

    The upper half of the address space is bank 1. Clients of different banks never wait for
    each other; on the same bank the store unit goes before compute and post-processing before
    the load unit.

    Members
    -------
    compute, store : read clients
    post, load : write clients; `post` is always ready
    range_error : 1, an access taken a cycle ago was beyond the memory (and had no effect)

    A word is written a cycle after it was taken, from a register: none that waits for a write's
    end can read it earlier, and a word may come straight out of a block RAM.

    Resources: act_words x rows bytes.
    """

    #: Cycles from a taken read to its data.
    LATENCY = 2

    def __init__(self, config: Config):
        self._config = config
        super().__init__({
            "compute": In(ActRead(config)),
            "store": In(ActRead(config)),
            "post": In(ActWrite(config)),
            "load": In(ActWrite(config)),
            "range_error": Out(1),
        })

    def elaborate(self, platform):
        m = Module()
        config = self._config
        bank_bits = ceil_log2(config.bank_words)
        lane_bytes = config.array.post_lanes

        def bank_of(addr):
            return addr[bank_bits]

        def beyond(addr):
            return addr[bank_bits + 1:].any()

        store_bank, compute_bank = bank_of(self.store.addr), bank_of(self.compute.addr)
        post_bank, load_bank = bank_of(self.post.addr), bank_of(self.load.addr)
        m.d.comb += [
            self.store.ready.eq(1), self.post.ready.eq(1),
            self.compute.ready.eq(~(self.store.valid & (store_bank == compute_bank))),
            self.load.ready.eq(~(self.post.valid & (post_bank == load_bank))),
        ]
        taken = [(c, c.valid & c.ready) for c in (self.compute, self.store, self.post, self.load)]
        m.d.sync += self.range_error.eq(Cat(t & beyond(c.addr) for c, t in taken).any())

        read_bank = {}
        for name, client in (("compute", self.compute), ("store", self.store)):
            select = Signal(name=f"{name}_bank")
            with m.If(client.valid & client.ready):
                m.d.sync += select.eq(bank_of(client.addr))
            read_bank[name] = select
        reading = {}
        for name, client in (("compute", self.compute), ("store", self.store)):
            flag = Signal(name=f"{name}_reading")
            m.d.sync += flag.eq(client.valid & client.ready)
            reading[name] = flag

        outputs = []
        for b in range(2):
            m.submodules[f"bank_{b}"] = bank = memory.Memory(
                shape=config.word_bits, depth=config.bank_words, init=[])
            read = bank.read_port()
            write = bank.write_port(granularity=8 * lane_bytes)
            by_store = self.store.valid & (store_bank == b)
            by_compute = self.compute.valid & (compute_bank == b)
            by_post = self.post.valid & (post_bank == b) & ~beyond(self.post.addr)
            by_load = self.load.valid & (load_bank == b) & ~beyond(self.load.addr)
            m.d.comb += [
                read.en.eq(by_store | by_compute),
                read.addr.eq(Mux(by_store, self.store.addr, self.compute.addr)[:bank_bits]),
            ]
            held_addr, held_data, held_lanes = (
                Signal(len(x), name=f"write_{part}_{b}", reset_less=part != "lanes")
                for part, x in (("addr", write.addr), ("data", write.data), ("lanes", write.en)))
            m.d.sync += held_lanes.eq(Mux(by_post, self.post.lanes,
                                          Mux(by_load, self.load.lanes, 0)))
            with m.If(by_post | by_load):
                m.d.sync += [
                    held_addr.eq(Mux(by_post, self.post.addr, self.load.addr)[:bank_bits]),
                    held_data.eq(Mux(by_post, self.post.data, self.load.data))]
            m.d.comb += [write.addr.eq(held_addr), write.data.eq(held_data),
                         write.en.eq(held_lanes)]
            outputs.append(read.data)
        for name, client in (("compute", self.compute), ("store", self.store)):
            register = Signal(config.word_bits, name=f"{name}_data", reset_less=True)
            with m.If(reading[name]):
                m.d.sync += register.eq(Mux(read_bank[name], outputs[1], outputs[0]))
            m.d.comb += client.data.eq(register)
        return m
