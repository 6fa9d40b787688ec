"""The monitor of a memory port: it takes no offence at what is right, and catches each rule's
breach, where and when it happens."""

from typing import Any

import pytest

from tests.support.monitor import Bench, build_bench, tag

pytestmark = pytest.mark.builds

READ, WRITE = tag(0, 2), tag(0, 3)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return build_bench(tmp_path_factory.mktemp("monitor"))


@pytest.fixture
def bench(library):
    made = Bench(library)
    yield made
    made.close()


def run(bench: Bench, cycles: list[dict]) -> None:
    for signals in cycles:
        bench.cycle(**signals)


RIGHT: list[dict] = [
    # a read of two beats, waited for; its second beat waits
    {"ar": {"len": 1}, "arready": 0}, {"ar": {"len": 1}},
    {"rvalid": 1, "rdata": 7}, {"rvalid": 1, "rlast": 1, "rdata": 8, "rready": 0},
    {"rvalid": 1, "rlast": 1, "rdata": 8},
    # a write whose beats go before its address is taken, acknowledged late
    {"aw": {"len": 1}, "awready": 0, "wvalid": 1, "wdata": 1, "wstrb": 15, "wready": 0},
    {"aw": {"len": 1}, "awready": 0, "wvalid": 1, "wdata": 1, "wstrb": 15},
    {"aw": {"len": 1}, "wvalid": 1, "wlast": 1, "wdata": 2, "wstrb": 3},
    {}, {"bvalid": 1, "bready": 0}, {"bvalid": 1},
    # bursts at both ends of both windows, of 4096 bytes up to the end of a page
    {"ar": {"addr": 0x4ffc}}, {"ar": {"addr": 0x8000, "user": tag(1, 0)}},
    {"ar": {"addr": 0x9ffc, "user": tag(1, 1), "len": 0}}, {"ar": {"addr": 0x2000, "len": 255}},
    # a multicast of one that ends meanwhile
    {"ar": {}}, {"running": 2}, {"running": 2, "ar": {}}, {},
    # others send what they will, a halted instance what has left it, and beats without strobes
    {"data": 3, "taken": 3}, {"alive": 2, "data": 3, "taken": 3}, {"alive": 0, "data": 2},
    {"alive": 0, "taken": 3}, {"alive": 0, "data": 3, "taken": 3}, {"alive": 0, "data": 1},
    {"alive": 0, "data": 1, "taken": 1, "blank": 1},
    # a multicast of two beats to both, another's own in between, an acknowledgement
    {"told": 3, "channel": 2, "beats": 2}, {"gets": 3, "channel": 2},
    {"told": 2, "channel": 1, "beats": 1}, {"gets": 3, "channel": 2}, {"gets": 2, "channel": 1},
    {"told": 1, "channel": 2, "beats": 1, "gets": 1}, {"alive": 2, "told": 1, "unasked": 1},
    {"told": 1, "channel": 3, "beats": 5}, {"told": 1, "channel": 3, "gets": 1},
    {"gets": 1, "channel": 3}, {"running": 2},
    {"running": 2, "told": 2, "channel": 0, "beats": 1}, {"running": 2, "gets": 2}, {"running": 1},
]


def test_what_is_right_passes(bench):
    run(bench, RIGHT)
    assert bench.breach() is None


def test_a_window_counts_from_the_start_of_a_run_on(bench):
    run(bench, [{}, {}, {"running": 0b10}, {"running": 0b10}])
    bench.write("WINDOW_BASE", 0, 0x20000)  # not now
    run(bench, [{"running": 0}, {"running": 0}])
    for response, base in ((2, 0x30000), (0, 0x40000)):  # that, but one is refused
        bench.write("WINDOW_BASE", 0, base + 0x123, response)
    run(bench, [{}, {}, {"ar": {"addr": 0x40000}}, {"ar": {"addr": 0x43ffc}}])
    assert bench.breach() is None
    bench.cycle(ar={"addr": 0x1000})
    assert bench.breach() == ("an instance stays within its window", 10, 0x1000, READ)


WITHDRAWN = "what is offered stays as it is until it is taken"
ANSWER = "an answer of the memory stays as it is until it is taken"
ENDED = "an instance that does not run writes nothing and is owed no acknowledgement"
HALTED = "an instance that halts writes nothing but the beats that have left it"
REST = "where no instance runs nothing is read and nothing is owed"
LAST = "WLAST comes with a burst's last beat, and with no other"
READ_LAST = "RLAST comes with a burst's last beat, and with no other"
KIND = "bursts are of id 0, count upwards, and have beats of the port's width"
TAG = "the bus tag names a channel of this direction and an instance of this port"
WINDOW = "an instance stays within its window"
UNASKED = "the memory answers what it was asked, and nothing else"
NO_BURST = "a beat is written after its burst has been asked for"
TOLD = "an instance is told that a burst was taken only where it asks for one"
OWED = "what comes for an instance is owed to it, on that channel"
LEFT = "an instance that does not run is owed nothing"
#: What is done -> its cycles, the rule that the last of them breaks, its address and bus tag.
BREACHES: dict[str, Any] = {
    "a read is withdrawn": ([{"ar": {}, "arready": 0}, {}], WITHDRAWN, 0x1000, READ),
    "a read's address changes": ([{"ar": {}, "arready": 0}, {"ar": {"addr": 0x1004}}], WITHDRAWN,
                                 0x1000, READ),
    "a read's tag changes": ([{"ar": {}, "arready": 0}, {"ar": {"user": tag(0, 1)}}], WITHDRAWN,
                             0x1000, READ),
    "a write is withdrawn": ([{"aw": {}, "awready": 0}, {}], WITHDRAWN, 0x1000, WRITE),
    "a write's length changes": ([{"aw": {}, "awready": 0}, {"aw": {"len": 1}}], WITHDRAWN, 0x1000,
                                 WRITE),
    "a beat is withdrawn": ([{"aw": {}, "wvalid": 1, "wready": 0}, {}], WITHDRAWN, 0x1000, WRITE),
    "a beat's data changes": ([{"aw": {}, "wvalid": 1, "wready": 0},
                               {"wvalid": 1, "wdata": 1}], WITHDRAWN, 0x1000, WRITE),
    "a beat's strobes change": ([{"aw": {}, "wvalid": 1, "wready": 0},
                                 {"wvalid": 1, "wstrb": 1}], WITHDRAWN, 0x1000, WRITE),
    "a beat becomes the last": ([{"aw": {}, "wvalid": 1, "wready": 0},
                                 {"wvalid": 1, "wlast": 1}], WITHDRAWN, 0x1000, WRITE),
    "an instance that is not there": ([{"ar": {"user": tag(2, 0)}}], TAG, 0x1000, tag(2, 0)),
    "a read of the store unit": ([{"ar": {"user": WRITE}}], TAG, 0x1000, WRITE),
    "a write of the load unit": ([{"aw": {"user": READ}}], TAG, 0x1000, READ),
    "another id": ([{"ar": {"id": 1}}], KIND, 0x1000, READ),
    "a burst that does not count": ([{"aw": {"burst": 0}}], KIND, 0x1000, WRITE),
    "narrow beats": ([{"ar": {"size": 1}}], KIND, 0x1000, READ),
    "between two beats": ([{"ar": {"addr": 0x1002}}], "an address is a multiple of the port's "
                          "bytes", 0x1002, READ),
    "a long burst": ([{"ar": {"len": 1024}}], "a burst has at most 4096 bytes", 0x1000, READ),
    "across a page": ([{"aw": {"addr": 0x1ffc, "len": 1}}], "a burst does not cross a multiple of "
                      "4096", 0x1ffc, WRITE),
    "a write of who does not run": ([{"running": 2, "aw": {}}], ENDED, 0x1000, WRITE),
    "a write is owed as it ends": ([{"aw": {}, "wvalid": 1, "wlast": 1}, {"running": 2}], ENDED, 0,
                                   WRITE),
    "a read where nobody runs": ([{"running": 0, "ar": {}}], REST, 0x1000, READ),
    "a read is owed as all have ended": ([{"ar": {"len": 1}}, {"running": 2, "rvalid": 1},
                                          {"running": 0}], REST, 0x1004, READ),
    "a read before the window": ([{"ar": {"addr": 0xffc}}], WINDOW, 0xffc, READ),
    "a read behind the window": ([{"ar": {"addr": 0x5000}}], WINDOW, 0x5000, READ),
    "a write of another's": ([{"aw": {"addr": 0x8000}}], WINDOW, 0x8000, WRITE),
    "a burst out of the window": ([{"ar": {"addr": 0x9ffc, "len": 1, "user": tag(1, 2)}}],
                                  "a burst does not cross a multiple of 4096", 0x9ffc, tag(1, 2)),
    "a beat without a burst": ([{"wvalid": 1}], NO_BURST, 0, 0),
    "a beat before its burst": ([{"wvalid": 1, "wlast": 1, "wready": 0},
                                 {"wvalid": 1, "wlast": 1}], NO_BURST, 0, 0),
    "a beat beyond its burst": ([{"aw": {}, "wvalid": 1, "wlast": 1}, {"wvalid": 1, "wlast": 1}],
                                NO_BURST, 0, 0),
    "no last beat": ([{"aw": {}, "wvalid": 1}], LAST, 0x1000, WRITE),
    "a last beat too early": ([{"aw": {"len": 1}, "wvalid": 1, "wlast": 1}], LAST, 0x1000, WRITE),
    "a last beat too late": ([{"aw": {"len": 1}, "wvalid": 1}, {"wvalid": 1}], LAST, 0x1004, WRITE),
    "strobes of a halted instance": ([{}, {"alive": 2}, {"alive": 2, "data": 1, "taken": 1}],
                                     HALTED, 0, WRITE),
    "more strobes than had left it": ([{}, *[{"alive": 2, "data": 1, "taken": 1}] * 3], HALTED, 0,
                                      WRITE),
    "strobes of who has not begun": ([{"alive": 2, "data": 1, "taken": 1}], HALTED, 0, WRITE),
    "data that nobody asked for": ([{"rvalid": 1, "rlast": 1}], UNASKED, 0, 0),
    "data beyond what was asked for": ([{"ar": {}}, {"rvalid": 1, "rlast": 1},
                                        {"rvalid": 1, "rlast": 1}], UNASKED, 0, 0),
    "data before its address is taken": ([{"ar": {}, "arready": 0, "rvalid": 1, "rlast": 1}],
                                         UNASKED, 0, 0),
    "an acknowledgement of nothing": ([{"bvalid": 1}], UNASKED, 0, 0),
    "an acknowledgement too many": ([{"aw": {}, "wvalid": 1, "wlast": 1}, {"bvalid": 1},
                                     {"bvalid": 1}], UNASKED, 0, 0),
    "who asks for nothing is told of a burst": ([{"told": 3, "unasked": 2, "channel": 1,
                                                  "beats": 4}], TOLD, 0, tag(1, 1)),
    "a beat for who asked for nothing": ([{"told": 1, "channel": 2, "beats": 1},
                                          {"gets": 2, "channel": 2}], OWED, 0, tag(1, 2)),
    "a beat on another channel": ([{"told": 1, "channel": 2, "beats": 1},
                                   {"gets": 1, "channel": 1}], OWED, 0, tag(0, 1)),
    "a beat more than an instance asked for": (
        [{"told": 1, "channel": 2, "beats": 1}, {"gets": 1, "channel": 2},
         {"gets": 1, "channel": 2}], OWED, 0, tag(0, 2)),
    "an acknowledgement for another": ([{"told": 1, "channel": 3, "beats": 1},
                                        {"gets": 2, "channel": 3}], OWED, 0, tag(1, 3)),
    "a beat is owed to one of two as it ends": (
        [{"told": 3, "channel": 2, "beats": 2}, {"gets": 3, "channel": 2},
         {"gets": 2, "channel": 2}, {"running": 2}], LEFT, 0, tag(0, 2)),
    "an acknowledgement before the last beat": ([{"aw": {}}, {"bvalid": 1}], UNASKED, 0, 0),
    "an acknowledgement before the address": (
        [{"aw": {}, "awready": 0, "wvalid": 1, "wlast": 1},
         {"aw": {}, "awready": 0, "bvalid": 1}], UNASKED, 0, 0),
    "no last beat of a read": ([{"ar": {}}, {"rvalid": 1}], READ_LAST, 0x1000, READ),
    "a last beat of a read too early": ([{"ar": {"len": 1}}, {"rvalid": 1, "rlast": 1}], READ_LAST,
                                        0x1000, READ),
    "an answer that changes": ([{"ar": {}}, {"rvalid": 1, "rlast": 1, "rready": 0},
                                {"rvalid": 1, "rlast": 1, "rdata": 1}], ANSWER, 0, 0),
    "an answer that is withdrawn": ([{"ar": {}}, {"rvalid": 1, "rlast": 1, "rready": 0}, {}],
                                    ANSWER, 0, 0),
    "an acknowledgement that is withdrawn": (
        [{"aw": {}, "wvalid": 1, "wlast": 1}, {"bvalid": 1, "bready": 0}, {}], ANSWER, 0, 0),
    "an acknowledgement that becomes an error": (
        [{"aw": {}, "wvalid": 1, "wlast": 1}, {"bvalid": 1, "bready": 0},
         {"bvalid": 1, "bresp": 2}], ANSWER, 0, 0),
}


@pytest.mark.parametrize("what", BREACHES)
def test_each_breach_is_caught_in_its_cycle(bench, what):
    cycles, rule, addr, user = BREACHES[what]
    run(bench, cycles[:-1])
    assert bench.breach() is None
    bench.cycle(**cycles[-1])
    assert bench.breach() == (rule, len(cycles) - 1, addr, user)


def test_only_the_first_breach_is_told(bench):
    run(bench, [{"ar": {"addr": 0x5000}}, {"ar": {"addr": 0x1002}}])
    assert bench.breach() == (WINDOW, 0, 0x5000, READ)


def test_a_private_port_serves_its_own_instance(library):
    bench = Bench(library, own=1)
    bench.cycle(ar={"addr": 0x8000, "user": tag(1, 0)})
    assert bench.breach() is None
    bench.cycle(ar={})
    assert bench.breach() == (TAG, 1, 0x1000, READ)
    bench.close()


PLACES = {1: (0x1010, 0x1020)}
PLACE = "a program writes nothing but its layers' outputs"


@pytest.mark.parametrize(("addr", "strobes", "layer", "wrong"), [
    (0x1010, 15, 1, None), (0x101c, 15, 1, None), (0x100c, 0, 1, None), (0x1020, 0, 1, None),
    (0x100c, 8, 1, 0x100f), (0x1020, 1, 1, 0x1020), (0x1010, 15, 0, 0x1010),
    (0x1010, 15, 2, 0x1010), (0x1010, 0, 2, None)])
def test_strobes_lie_in_the_output_of_their_layer(bench, addr, strobes, layer, wrong):
    bench.guard(PLACES)
    user = tag(0, 3, layer)
    bench.cycle(aw={"addr": addr, "user": user}, wvalid=1, wlast=1, wstrb=strobes)
    assert bench.breach() == (None if wrong is None else (PLACE, 0, wrong, user))


def test_a_burst_runs_out_of_an_output(bench):
    bench.guard(PLACES)
    user = tag(0, 3, 1)
    bench.cycle(aw={"addr": 0x1018, "len": 2, "user": user}, wvalid=1, wstrb=15)
    bench.cycle(wvalid=1, wstrb=15)
    assert bench.breach() is None
    bench.cycle(wvalid=1, wstrb=1, wlast=1)
    assert bench.breach() == (PLACE, 2, 0x1020, user)


def test_an_instance_that_is_given_another_program_may_write_its_window(bench):
    bench.guard(PLACES)
    bench.write("PROGRAM", 1, 0x40)
    bench.cycle(aw={"addr": 0x8000, "user": tag(1, 3)}, wvalid=1, wlast=1, wstrb=15)
    assert bench.breach() is None
    bench.cycle(aw={"addr": 0x1000}, wvalid=1, wlast=1, wstrb=15)
    assert bench.breach() == (PLACE, 1, 0x1000, WRITE)
