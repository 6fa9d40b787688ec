"""A multiplexer whose choice is one-hot."""

from collections.abc import Sequence

from amaranth.hdl import Module, Mux, Signal, Value

__all__ = ["select"]


def select(m: Module, one_hot: Value, values: Sequence[Value], like: Signal) -> Signal:
    """AND-OR multiplexer: the value whose bit is set, 0 if none is."""
    chosen = Signal.like(like)
    terms = [Mux(one_hot[k], v, 0) for k, v in enumerate(values)]
    while len(terms) > 1:
        terms = [a | b for a, b in zip(terms[::2], terms[1::2], strict=False)] + (
            [terms[-1]] if len(terms) % 2 else [])
    m.d.comb += chosen.eq(terms[0])
    return chosen
