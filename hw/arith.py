"""Where bits are dropped: the integer specification's rounding and saturation, and exact sums."""

from amaranth.hdl import Mux, Shape, Value

__all__ = [
    "ACC_BITS",
    "MULT_BITS",
    "PRODUCT_BITS",
    "SHIFT_BITS",
    "add_tree",
    "round_half_up",
    "saturate",
    "shift_keep_half",
]

#: Accumulator: the compiler proves that sum |w| * 128 + |bias| stays below 2^31.
ACC_BITS = 32
#: Requantisation multiplier, unsigned.
MULT_BITS = 16
#: (acc + bias) * mult.
PRODUCT_BITS = ACC_BITS + MULT_BITS
#: Shift amounts 0 to 47.
SHIFT_BITS = 6


def add_tree(terms: list[Value]) -> Value:
    """Sum signed terms in a balanced tree: one bit of growth per level, not per term."""
    terms = list(terms)
    while len(terms) > 1:
        terms = [a + b for a, b in zip(terms[::2], terms[1::2], strict=False)] + (
            [terms[-1]] if len(terms) % 2 else [])
    return terms[0]


def shift_keep_half(product: Value, shift: Value) -> Value:
    """Shift right arithmetically, keeping one bit below the point for `round_half_up`.

    signed(PRODUCT_BITS) -> signed(PRODUCT_BITS + 1)
    """
    doubled = (product << 1).as_signed() if Shape.cast(product.shape()).signed else product << 1
    return doubled >> shift


def round_half_up(halves: Value) -> Value:
    """Round a number of halves to whole ones, a half up: floor(x / 2 + 1 / 2)."""
    return (halves >> 1) + halves[0]


def saturate(value: Value, low: Value, high: Value) -> Value:
    """Clamp to low..high, both signed(8); returns signed(8)."""
    small = value[:8].as_signed()
    outside = Value.cast(value)[7:]  # all equal if the value is in the range of int8
    negative = value[-1]
    fits = ~outside.any() | outside.all()
    return Mux(Mux(fits, small < low, negative), low,
               Mux(Mux(fits, small > high, ~negative), high, small))[:8].as_signed()

