"""Carries a value beside a pipeline."""

from amaranth.hdl import Module, Signal, Value

__all__ = ["delay"]


def delay(m: Module, value: Value, valid: Value, cycles: int, *, names: tuple[str, str],
          reset_less: bool = False) -> list[tuple[Value, Value]]:
    """Return (value, valid) in this cycle and in each of as many after it; of the value as
    unsigned bits, in registers that hold still where it is not valid.

    Parameters
    ----------
    names : of the registers of the value and of valid; {} is their number
    """
    stages = [(value, valid)]
    for n in range(cycles):
        register = Signal(len(value), name=names[0].format(n), reset_less=reset_less)
        flag = Signal(name=names[1].format(n))
        m.d.sync += flag.eq(valid)
        with m.If(valid):
            m.d.sync += register.eq(value)
        value, valid = register, flag
        stages.append((value, valid))
    return stages
