"""Traffic through the fabric: every beat and acknowledgement is its own, a multicast's all."""

from collections import deque
from typing import Any

import pytest

from hw.config import PRESETS
from hw.gateware.shell.fabric import Fabric
from hw.gateware.signatures.ports import READERS
from tests.support.blocks import simulate
from tests.support.gaps import Gaps
from tests.support.seeds import draws

COUNT = 3
CONFIG = PRESETS["tiny"].replace(instances=COUNT)
PORT = CONFIG.port.bytes
Read = tuple[int, int, int]  # address, beats, mask


def answer(addr: int, beat: int) -> tuple[int, bool]:
    """A beat's data, and whether it comes with an error."""
    return addr * 64 + beat, (addr // 64 + beat) % 7 == 0


class Reader:
    """An instance's requests on a channel, and the beats that it is to get."""

    def __init__(self, gap):
        self.queue: deque[Read] = deque()
        self.due: deque[tuple[int, bool]] = deque()
        self.gap, self.offers = gap, False


def make_reads(rng, gaps) -> tuple[list[list[Reader]], int]:
    """Readers by channel and instance, with requests of their own and multicasts; and the number
    of bursts that the port is asked for."""
    readers = [[Reader(gaps.another()) for _ in range(COUNT)] for _ in READERS]
    masks = [rng.choice([0b011, 0b101, 0b110, 0b111]) for _ in READERS]  # of a channel's multicasts
    bursts = 40
    for k in range(bursts):
        channel, members, mask = rng.randrange(len(READERS)), [rng.randrange(COUNT)], 0
        own = readers[channel]
        if rng.random() < 0.4:
            mask = masks[channel]
            members = [i for i in range(COUNT) if mask >> i & 1]
        beats = rng.choice([1, 1, 2, 3])
        for i in members:
            # A multicast is read where the first of its members asks for it.
            own[i].queue.append((64 * k + (i - members[0] << 16), beats, mask))
            own[i].due.extend(answer(64 * k, b) for b in range(beats))
    return readers, bursts


def offer_reads(ctx, dut, readers) -> list[tuple[Any, Any]]:
    """Offer what is next; a request stays until it is taken."""
    offered = []
    for channel, own in zip(READERS, readers, strict=True):
        for reader, port in zip(own, dut.instances, strict=True):
            stream = getattr(port, f"rd_{channel.name.lower()}")
            reader.offers = bool(reader.queue) and (reader.offers or reader.gap.go())
            if reader.offers and not ctx.get(stream.valid):
                addr, beats, mask = reader.queue[0]
                ctx.set(stream.payload, {"addr": addr, "beats": beats, "mask": mask,
                                         "several": int(mask != 0)})
            if reader.offers != ctx.get(stream.valid):
                ctx.set(stream.valid, int(reader.offers))
            if reader.offers:
                offered.append((reader, stream))
    return offered


@pytest.mark.parametrize("pattern", ["open", "alone"])
def test_every_beat_comes_to_whom_it_is_for_and_a_multicast_is_asked_for_once(pattern):
    dut, rng = Fabric(CONFIG, list(range(COUNT))), draws("fabric reads", pattern)
    gaps, axi = Gaps(pattern, rng), dut.axi
    readers, bursts = make_reads(rng, gaps)
    takes, returns = gaps.another(), gaps.another()
    owed: deque[tuple[int, int, bool]] = deque()  # not before a cycle: data, error
    asked: list[int] = []

    async def bench(ctx):
        for port in dut.instances:
            ctx.set(port.alive, 1)
        await ctx.tick().repeat(3)
        for cycle in range(2000):
            if not any(reader.due for own in readers for reader in own):
                break
            gaps.begin(cycle)
            offered = offer_reads(ctx, dut, readers)
            ctx.set(axi.arready, int(takes.go()))
            comes = bool(owed) and owed[0][0] <= cycle and returns.go()
            ctx.set(axi.rvalid, int(comes))
            _, data, error = owed[0] if comes else (0, 0, False)
            ctx.set(axi.rdata, data)
            ctx.set(axi.rresp, 2 * error + 1 - error)
            assert not comes or ctx.get(axi.rready), "there is room for what was asked for"
            for i, port in enumerate(dut.instances):
                if ctx.get(port.ret_valid):
                    due = readers[list(READERS).index(ctx.get(port.ret_channel))][i].due
                    assert due, "data comes that nobody asked for"
                    assert due.popleft() == (ctx.get(port.ret_data), ctx.get(port.ret_error))
            new = []
            if ctx.get(axi.arvalid) and ctx.get(axi.arready):
                asked.append(ctx.get(axi.araddr))
                new = [(cycle + 4, *answer(asked[-1], b)) for b in range(ctx.get(axi.arlen) + 1)]
            told = [(reader, stream) for reader, stream in offered if ctx.get(stream.ready)]
            await ctx.tick()
            if comes:
                owed.popleft()
            owed.extend(new)
            for reader, stream in told:
                assert reader.queue, "a request is taken that is not offered"
                reader.queue.popleft()
                reader.offers = False
                ctx.set(stream.valid, 0)

    simulate(dut, bench)
    assert not any(reader.due for own in readers for reader in own), "all has come"
    assert sorted(asked) == [64 * k for k in range(bursts)], "each was asked for once"


class Writer:
    """An instance's bursts, the beats that it has to send of them, and what it is told."""

    def __init__(self, rng, gaps, number: int):
        bursts = [(number << 16 | 64 * k, rng.choice([1, 2, 4])) for k in range(8)]
        self.queue = deque(bursts)
        self.beats = deque(addr * 8 + b for addr, beats in bursts for b in range(beats))
        self.due = deque(addr // 64 % 3 == 0 for addr, _ in bursts)
        self.asks, self.sends, self.offers = gaps.another(), gaps.another(), False


@pytest.mark.parametrize("pattern", ["open", "alone"])
def test_every_acknowledgement_is_of_ones_own_burst(pattern):
    dut, rng = Fabric(CONFIG, list(range(COUNT))), draws("fabric writes", pattern)
    gaps, axi = Gaps(pattern, rng), dut.axi
    writers = [Writer(rng, gaps, i) for i in range(COUNT)]
    takes, taken, answers = gaps.another(), gaps.another(), gaps.another()
    addressed: deque = deque()
    written: deque = deque()
    owed: deque[bool] = deque()

    async def bench(ctx):
        for port in dut.instances:
            ctx.set(port.alive, 1)
        for cycle in range(2000):
            if not any(writer.due for writer in writers):
                break
            gaps.begin(cycle)
            for writer, port in zip(writers, dut.instances, strict=True):
                writer.offers = bool(writer.queue) and (writer.offers or writer.asks.go())
                ctx.set(port.wr.valid, int(writer.offers))
                if writer.offers:
                    ctx.set(port.wr.payload, dict(zip(("addr", "beats"), writer.queue[0],
                                                      strict=True)))
                sends = bool(writer.beats) and writer.sends.go()
                ctx.set(port.wr_data.valid, int(sends))
                ctx.set(port.wr_data.payload.data, writer.beats[0] if sends else 0)
            ctx.set(axi.awready, int(takes.go()))
            ctx.set(axi.wready, int(taken.go()))
            comes = bool(owed) and answers.go()
            ctx.set(axi.bvalid, int(comes))
            ctx.set(axi.bresp, 2 if comes and owed[0] else 1)
            for writer, port in zip(writers, dut.instances, strict=True):
                if ctx.get(port.wr_ret_valid):
                    assert comes and writer.due, "an acknowledgement of nothing"
                    assert writer.due.popleft() == ctx.get(port.wr_ret_error)
                if ctx.get(port.wr.ready):
                    assert writer.queue, "a request is taken that is not offered"
                    writer.queue.popleft()
                    writer.offers = False
                if ctx.get(port.wr_data.valid) and ctx.get(port.wr_data.ready):
                    assert writer.beats, "data is taken that is not offered"
                    writer.beats.popleft()
            if ctx.get(axi.awvalid) and ctx.get(axi.awready):
                addressed.append((ctx.get(axi.awaddr), ctx.get(axi.awlen) + 1))
            if ctx.get(axi.wvalid) and ctx.get(axi.wready):
                written.append((ctx.get(axi.wdata), ctx.get(axi.wlast)))
            await ctx.tick()
            if comes:
                owed.popleft()
            while addressed and len(written) >= addressed[0][1]:
                addr, beats = addressed.popleft()
                for b in range(beats):
                    assert written.popleft() == (addr * 8 + b, b == beats - 1)
                owed.append(addr // 64 % 3 == 0)

    simulate(dut, bench)
    assert not any(writer.due for writer in writers), "all were acknowledged"
