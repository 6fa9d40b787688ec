"""Words in runs: what a transfer goes through, on each of its sides."""

from collections.abc import Sequence

from amaranth.hdl import Module, Signal, Value

from hw.gateware.parts.countdown import Countdown

__all__ = ["step_runs"]


def step_runs(m: Module, words: Countdown, run_words: Value, runs: Countdown, active: Signal,
              places: Sequence[tuple[Signal, Signal, int, Value]]) -> None:
    """At the next edge, go on to the next word, which may be another run's; after the last one,
    be no longer `active`.

    Parameters
    ----------
    words, runs : of the run under way, and of all
    run_words : words of each run
    places : where the word under way is, where its run began, and how far the next word and the
        next run are from there
    """
    words.step()
    m.d.sync += [at.eq(at + step) for at, _, step, _ in places]
    with m.If(words.last):
        words.again(run_words)
        runs.step()
        m.d.sync += [place.eq(began + stride) for at, began, _, stride in places
                     for place in (at, began)]
        with m.If(runs.last):
            m.d.sync += active.eq(0)
