"""Requantises accumulators: bias, multiplication, rounding shift, offset, clamp."""

from amaranth.hdl import Module, Signal, Value, signed

from hw.gateware.parts.arith import (
    ACC_BITS,
    COARSE_BITS,
    HALF_BITS,
    PRODUCT_BITS,
    nearest_half,
    round_half_up,
    saturate,
    shift_coarse,
    shift_fine,
)

__all__ = ["LATENCY", "LIMITS_AT", "OFFSET_AT", "requantise"]

#: Cycles from an accumulator to its result.
LATENCY = 7
#: Cycles from an accumulator to the limits of its clamp, which the cycle after needs.
LIMITS_AT = LATENCY - 1
#: The same to the offset.
OFFSET_AT = LIMITS_AT - 1


def requantise(m: Module, lane: int, value: Value, param: Value, valids: list[Value],
               offset: Value, low: Value, high: Value) -> Signal:
    """Return the result of a lane, `LATENCY` cycles after `value`.

    Parameters
    ----------
    value : accumulator, signed(ACC_BITS)
    param : bias, mult, shift from the lowest bit on, with `value`
    valids : 1, `value` is there, in this cycle and as many after it as there are entries
    offset : signed(8), `OFFSET_AT` cycles after `value`
    low, high : limits, signed(8), `LIMITS_AT` cycles after `value`

    Timing
    ------
    One value per cycle::

        cycle  0       1         2         3        4        5         6         7
               value   + bias    partial   product  coarse   fine      + offset  result
               param             products           shift    shift     limits
                                                             offset

    Resources
    ---------
    Two multipliers of 16 x 16 bits.
    """
    biased = Signal(signed(ACC_BITS), name=f"biased_{lane}", reset_less=True)
    mult = Signal(16, name=f"mult_{lane}", reset_less=True)
    shift_1 = Signal(6, name=f"shift_1_{lane}", reset_less=True)
    shift_2 = Signal(6, name=f"shift_2_{lane}", reset_less=True)
    product = Signal(signed(PRODUCT_BITS), name=f"scaled_{lane}", reset_less=True)
    coarse = Signal(COARSE_BITS, name=f"coarse_{lane}", reset_less=True)
    fine = Signal(HALF_BITS + 2, name=f"fine_{lane}", reset_less=True)
    result = Signal(signed(8), name=f"result_{lane}", reset_less=True)
    with m.If(valids[0]):
        m.d.sync += [biased.eq(value + param[:32].as_signed()), mult.eq(param[32:48]),
                     shift_1.eq(param[48:54])]
    # 32 x 16 bits as two products of 16 x 16, each in a register of its own
    low_part = Signal(32, name=f"low_part_{lane}", reset_less=True)
    high_part = Signal(signed(32), name=f"high_part_{lane}", reset_less=True)
    rounded = Signal(signed(HALF_BITS), name=f"rounded_{lane}", reset_less=True)
    shift_3 = Signal(6, name=f"shift_3_{lane}", reset_less=True)
    shift_4 = Signal(4, name=f"shift_4_{lane}", reset_less=True)
    with m.If(valids[1]):
        m.d.sync += [low_part.eq(biased[:16] * mult),
                     high_part.eq(biased[16:].as_signed() * mult), shift_2.eq(shift_1)]
    with m.If(valids[2]):
        m.d.sync += [product.eq(low_part + (high_part << 16)), shift_3.eq(shift_2)]
    with m.If(valids[3]):
        m.d.sync += [coarse.eq(shift_coarse(m, product, shift_3)), shift_4.eq(shift_3)]
    with m.If(valids[4]):
        m.d.sync += fine.eq(shift_fine(m, coarse, shift_4))
    with m.If(valids[5]):
        m.d.sync += rounded.eq(round_half_up(nearest_half(fine), offset))
    with m.If(valids[6]):
        m.d.sync += result.eq(saturate(rounded, low, high))
    return result
