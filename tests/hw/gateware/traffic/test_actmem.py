"""Two banks, two readers and two writers: none is lost, and none waits for another bank's."""

from hw.config import PRESETS
from hw.gateware.traffic.actmem import ActMemory
from tests.support.blocks import simulate
from tests.support.seeds import draws

CONFIG = PRESETS["tiny"]
WORDS, BANK = CONFIG.buffers.act_words, CONFIG.bank_words
#: A few places in either bank, and beyond both.
PLACES = [*range(3), *range(BANK, BANK + 3)]
BEYOND = [WORDS, WORDS + BANK + 1]


def test_each_word_is_what_was_written_last():
    dut, rng = ActMemory(CONFIG), draws("actmem")
    lanes = (1 << len(dut.post.lanes)) - 1
    held = dict.fromkeys(PLACES, 0)
    written: list[tuple[int, int]] = []  # a cycle ago
    waiting: list[tuple[int, int]] = []  # of the load unit
    due: dict[str, list] = {"compute": [], "store": []}
    waits = {"compute": 0, "load": 0}

    async def bench(ctx):
        for port in (dut.post, dut.load):
            ctx.set(port.lanes, lanes)
        stored = None  # the store unit's address of a cycle ago
        for cycle in range(1200):
            at = {name: rng.choice(PLACES) for name in ("compute", "store", "post")}
            at["load"] = rng.choice(PLACES + BEYOND)
            valid = {name: rng.random() < 0.6 for name in at}
            words = {name: rng.getrandbits(CONFIG.word_bits) for name in ("post", "load")}
            if waiting:  # what is offered stays
                valid["load"] = True
                at["load"], words["load"] = waiting.pop()
            for name, address in at.items():
                port = getattr(dut, name)
                ctx.set(port.valid, int(valid[name]))
                ctx.set(port.addr, address)
                if name in words:
                    ctx.set(port.data, words[name])
            same = valid["post"] and (at["post"] ^ at["load"]) // BANK % 2 == 0
            assert ctx.get(dut.post.ready) and ctx.get(dut.store.ready)
            assert ctx.get(dut.load.ready) == (not same), "who writes where post-processing does"
            crosses = stored is not None and (stored ^ at["compute"]) // BANK == 0
            assert ctx.get(dut.compute.ready) == (not crosses)
            if valid["load"] and same:
                waiting.append((at["load"], words["load"]))
                waits["load"] += 1
            waits["compute"] += valid["compute"] and crosses
            for name, reads in due.items():
                if reads and reads[0][0] == cycle:
                    assert ctx.get(getattr(dut, name).data) == reads.pop(0)[1]
            # Words are read as the cycle of the read finds them; a write is there a cycle later.
            if stored is not None:
                due["store"].append((cycle + ActMemory.STORE_LATENCY - 1, held[stored]))
            if valid["compute"] and not crosses:
                due["compute"].append((cycle + ActMemory.LATENCY, held[at["compute"]]))
            stored = at["store"] if valid["store"] else None
            held.update(written)
            written[:] = [(at[name], words[name]) for name in ("post", "load")
                       if valid[name] and at[name] < WORDS and not (name == "load" and same)]
            await ctx.tick()

    simulate(dut, bench)
    assert min(waits.values()) > 50
