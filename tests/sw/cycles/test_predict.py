"""The cycle model's shortcuts; its predictions against RTL are in test_explore.py."""

import pytest

from hw.config import PRESETS
from hw.isa import Opcode
from sw.compiler.compile import lower
from sw.compiler.predict import predict
from sw.cycles.clock import TINY, Clock
from sw.cycles.fifo import Fifo
from sw.cycles.flow import LOAD, PROGRAM, STORE, WEIGHTS, Flow
from sw.cycles.machine import Machine
from sw.cycles.memory import SIMULATED
from sw.cycles.port import ASKING, Port
from sw.cycles.shares import TURN
from sw.cycles.work import READS_APART, Worker
from sw.lowering.ops import ACT, Op, Region
from tests.support.accelerators import PREDICTED
from tests.support.programs import random_network
from tests.support.recipes import Recipe

#: Of `random_network`, those that take the model of eight instances the fewest events.
SEEDS = 4000, 4002, 4003, 4008


@pytest.mark.parametrize("name", PREDICTED)
def test_shares_that_are_kept_are_those_found_anew_at_each_event(name, monkeypatch):
    """All but the order of additions, which may round the end of a layer to another cycle."""
    graphs = [random_network(seed) for seed in SEEDS]
    kept = [predict(graph, PREDICTED[name]) for graph in graphs]
    divide, divided = Port.divide, 0

    def always(port):
        nonlocal divided
        divided += 1
        divide(port)
        port.stale = -1.0

    monkeypatch.setattr(Port, "divide", always)
    for graph, before in zip(graphs, kept, strict=True):
        after = predict(graph, PREDICTED[name])
        assert before.cycles == pytest.approx(after.cycles, abs=1)
        assert before.layer_cycles == pytest.approx(after.layer_cycles, abs=1)
    assert divided > 1000


@pytest.mark.parametrize("name", PREDICTED)
def test_rounding_late_in_a_long_run_loses_nothing(name, monkeypatch):
    """A double counts cycles beyond 2^33 in steps of more than the model takes for nothing."""
    graphs = [random_network(seed) for seed in SEEDS[1:]]
    early = [predict(graph, PREDICTED[name]) for graph in graphs]
    monkeypatch.setattr("sw.cycles.program._START", (1 << 33) + 10)
    for graph, before in zip(graphs, early, strict=True):
        after = predict(graph, PREDICTED[name])
        assert after.cycles - (1 << 33) == pytest.approx(before.cycles, rel=0.001)


def test_a_prediction_leaves_nothing_for_the_next():
    graph, config = random_network(3000), PRESETS["tiny"]
    assert predict(graph, config) == predict(graph, config)


def test_a_fifo_gives_nothing_between_the_end_of_a_phase_and_the_next():
    """Other events of the same moment may come a little later than the one that ends it."""
    clock = Clock()
    settling: list = []
    taken: list = []
    fifo = Fifo(clock, 8, 1, 40, lambda: taken.append(clock.now), settling)
    fifo.credit(6)
    fifo.begin(4, 1.0)
    fifo.settle()
    clock.at(4 + TINY / 2, lambda _: None)
    assert clock.step() and taken == [4] and clock.now > 4
    fifo.settle()
    assert fifo.level == 2


def test_a_fifo_that_starves_is_emptied_the_slower():
    clock = Clock()
    taken: list = []
    fifo = Fifo(clock, 8, 1, 40, lambda: taken.append(clock.now), [])
    fifo.credit(6)
    fifo.begin(6, 1.0)
    fifo.starve(0.25)
    fifo.settle()
    assert clock.step() and taken == [8]


def test_requests_are_taken_in_turn():
    port = Port(PRESETS["tiny"], Clock())
    assert [port.ask(), port.ask()] == [TURN, 2 * TURN]
    port.clock.now = 50.0
    assert [port.ask(), port.ask()] == [50, 50 + TURN]


@pytest.mark.parametrize("written", [0.0, 0.5])
def test_what_is_to_be_read_waits_for_what_is_written(written):
    port = Port(PRESETS["tiny"], Clock())
    for kind, left, rate in ((PROGRAM, 64.0, 0.5), (STORE, 100.0, written)):
        flow = Flow(kind, None, left, 1.0, 8.0, 0.0)
        flow.port, flow.rate, flow.room = port, rate, left
        port.active.append(flow)
    assert port.queue() == 64 / (1 - written) - ASKING - SIMULATED.latency


def test_a_request_waits_for_what_was_asked_for_before_it_and_has_not_come():
    """Of weights that are asked for a LOAD waits for as many bursts as it finds in front of it."""
    lowered = lower(random_network(4000), PRESETS["tiny"])
    first, *_ = instances = Machine(lowered)._instances
    for x in instances:
        x.program.fetching = False
    weights = next(work for work in first.works if work.unit == WEIGHTS)
    weights.mask, weights.beats = 0, 64.0
    first.clock.now = 100.0
    assert first.port.queue() == 0
    assert first._weights(weights)
    comes = first.flows[WEIGHTS][0].ready
    first.clock.now = 105.0  # two bursts have been asked for
    assert first.port.queue() == pytest.approx(
        comes + 2 * weights.burst - 105 - ASKING - SIMULATED.latency)


def test_weights_are_asked_for_stream_by_stream():
    """The next is taken up once there is room for all bursts but the last of the one before."""
    lowered = lower(random_network(4000), PRESETS["tiny"])
    first, *_ = Machine(lowered)._instances
    fifo, clock, size = first.array.fifo, first.clock, PRESETS["tiny"].buffers.weight_fifo_beats
    work = next(work for work in first.works if work.unit == WEIGHTS)
    work.mask, work.beats = 0, size + work.burst + 8
    assert first._weights(work) and not first._weights(work)
    fifo.credit(size)
    fifo.begin(8 * fifo.beat_chunks, 1.0)
    fifo.settle()
    first.todo, clock.now = 0, 8.0 * fifo.beat_chunks
    fifo.fire()
    assert first.todo & 1 << WEIGHTS


def test_loads_are_asked_for_one_after_the_other():
    first, *_ = Machine(lower(random_network(4000), PRESETS["tiny"]))._instances
    work = next(work for work in first.works if work.unit == LOAD and not work.barrier)
    first.clock.now = 100.0
    assert [first.loader.turn(work) for _ in range(2)] == [100, 100 + work.asks]
    bursts = round(work.beats / work.burst)
    assert work.asks == (READS_APART + 1) * bursts  # of two instances on a port


def test_nothing_is_asked_for_after_the_end_of_a_program():
    first = Machine(lower(random_network(4000), PRESETS["tiny"]))._instances[0]
    program = first.program
    first.port.add(program.flow, [first])
    program.flow.share = program.flow.burst
    program.take(last=True)
    assert program.flow.left == program.insn_beats + program.flow.burst


@pytest.mark.parametrize(("words", "lag"), [(8, 16 + 4), (16, 16 + 8), (18, 16 + 1 + 13), (32, 24)])
def test_the_last_burst_of_a_store_is_written_after_the_one_before_it(words, lag):
    """Two words of tiny are a beat, eight beats a burst, which takes 7 cycles more."""
    op = Op(Opcode.STORE, (0, 0), {"ext_addr": 0, "runs": 1, "run_words": words, "ext_stride": 0},
            reads=(Region(ACT, 0, 1, 0, words),))
    assert Worker(PRESETS["tiny"]).work(op).lag == lag


@pytest.mark.parametrize(("beats", "address", "burst"), [(16, 0, 8), (20, 0, 20 / 3), (8, 32, 4)])
def test_the_mean_burst_of_weights_counts_short_ones(beats, address, burst):
    """Bursts of tiny have eight beats of eight bytes at most, and end at multiples of that."""
    op = Op(Opcode.WEIGHTS, (0, 0), {"ext_addr": address, "chunks": beats, "mask": 0})
    assert Worker(PRESETS["tiny"]).work(op).burst == burst


def test_a_queue_holds_its_oldest_instruction_besides():
    lowered = lower(random_network(4000), PRESETS["tiny"])
    first = Machine(lowered)._instances[0]
    depth = PRESETS["tiny"].buffers.queue_depth
    first.works = [first.works[0]] * (depth + 3)
    first.port.add(first.program.flow, [first])
    first.program.missing = -1e9
    for _ in range(depth + 3):
        first.dispatch_at = 0.0
        first._dispatch()
    assert first.at == len(first.queues[first.works[0].unit]) == depth + 1


def test_what_is_left_of_a_beat_takes_no_place():
    recipe = Recipe.parse("8x1x1 channels=1 rows=60 columns=60 conv conv conv")
    assert predict(recipe.graph, recipe.config).cycles > 3600


def test_a_load_may_begin_while_no_word_of_it_can_be_put():
    """A POST writes into its bank alone, in every cycle."""
    recipe = Recipe.parse("2x16x16-zeros channels=38 rows=3 columns=28 conv kernel_h=2 pad_top=2 "
                          "dilation_h=2 out=2 groups=2")
    assert predict(recipe.graph, recipe.config).cycles > 0


def test_a_microcoded_core_is_not_predicted():
    with pytest.raises(ValueError, match="core is 'microcoded'; the cycle model is of the pipe"):
        predict(random_network(4000), PRESETS["ice40up5k"].replace(port__address_bits=25))


def test_a_model_that_comes_to_a_stop_says_so(monkeypatch):
    monkeypatch.setattr(Fifo, "settle", lambda fifo: False)  # no weight is ever taken
    with pytest.raises(RuntimeError, match=r"came to a stop with \d+ operations of instance 0"):
        predict(random_network(4000), PRESETS["tiny"])
