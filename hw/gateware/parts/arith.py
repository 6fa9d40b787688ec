"""Where bits are dropped: the integer specification's rounding and saturation, and exact sums."""

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed

__all__ = [
    "ACC_BITS",
    "COARSE_BITS",
    "HALF_BITS",
    "MULT_BITS",
    "PRODUCT_BITS",
    "SHIFT_BITS",
    "add_tree",
    "count_ones",
    "nearest_half",
    "round_half_up",
    "saturate",
    "shift_coarse",
    "shift_fine",
    "times",
]

#: Accumulator: the compiler proves that sum |w| * 128 + |bias| stays below 2^31.
ACC_BITS = 32
#: Requantisation multiplier, unsigned.
MULT_BITS = 16
#: (acc + bias) * mult.
PRODUCT_BITS = ACC_BITS + MULT_BITS
#: Shift amounts 0 to 47.
SHIFT_BITS = 6
#: Halves of what an offset of int8 can bring into int8's range.
HALF_BITS = 10
#: Halves before they are shifted by less than 16, with a sign and whether they are out of range.
COARSE_BITS = HALF_BITS + 15 + 2


def add_tree(terms: list[Value]) -> Value:
    """Sum terms in a balanced tree: one bit of growth per level, not per term."""
    terms = list(terms)
    while len(terms) > 1:
        terms = [a + b for a, b in zip(terms[::2], terms[1::2], strict=False)] + (
            [terms[-1]] if len(terms) % 2 else [])
    return terms[0]


def times(value: Value, factor: Value) -> Value:
    """Product as a balanced sum of shifted masks, so that no DSP block is spent on it."""
    return add_tree([Mux(factor[k], value << k, 0) for k in range(len(factor))])


def count_ones(m: Module, name: str, bits: list[Value]) -> Value:
    """Number of ones, from full adders of single bits: no carry chains for so few."""
    columns: list[list[Value]] = [list(bits)]
    total: list[Value] = []
    for column in columns:
        carries: list[Value] = []
        while len(column) > 1:
            a, b, c, *column = [*column, *[Const(0)] * (len(column) == 2)]
            different, one = (Signal(name=f"{name}_{len(total)}_{len(carries)}_{n}")
                              for n in ("different", "sum"))
            m.d.comb += [different.eq(a ^ b), one.eq(different ^ c)]
            carries.append((a & b) | (c & different))
            column.append(one)
        total.append(column[0])
        if carries:
            columns.append(carries)
    return Cat(total)


def shift_coarse(m: Module, product: Value, shift: Value) -> Value:
    """The first step of a right shift, by multiples of 16; `shift_fine` does the rest.

    The two, one after the other, shift arithmetically, keeping one bit below the point for
    `round_half_up`. What is beyond -256..255.5 becomes the nearest of these, which `saturate`
    clamps alike. So each step keeps only the bits that the shifts after it can still move into
    the result, which is far less than a shifter of the whole product. A step is a signal of its
    own: an expression would be written out, and simulated, anew for each of its bits.

    signed(PRODUCT_BITS) -> unsigned(COARSE_BITS): the sign, 1 if the result is beyond, and bits
    """
    value, lost = _shift_step(m, Cat(0, product).as_signed(), product[-1], shift, 4, SHIFT_BITS)
    return Cat(product[-1], lost, value)


def shift_fine(m: Module, coarse: Value, shift: Value) -> Value:
    """The other steps, by less than 16.

    unsigned(COARSE_BITS) -> unsigned(HALF_BITS + 2), for `nearest_half`
    """
    sign, beyond, value = coarse[0], coarse[1], coarse[2:].as_signed()
    for low, high in ((2, 4), (0, 2)):
        value, lost = _shift_step(m, value, sign, shift, low, high)
        beyond = beyond | lost
    return Cat(sign, beyond, value)


def nearest_half(fine: Value) -> Value:
    """What `shift_fine` found, or if that is beyond the limits the nearer one; signed(HALF_BITS)"""
    sign, beyond, value = fine[0], fine[1], fine[2:].as_signed()
    limit = Cat((~sign).replicate(HALF_BITS - 1), sign).as_signed()
    return Mux(beyond, limit, value)


def _shift_step(m: Module, value: Value, sign: Value, shift: Value, low: int,
                high: int) -> tuple[Value, Value]:
    """Shift by the amount that the bits low..high of `shift` tell; return also 1 if bits are lost
    that are not the sign's."""
    kept = HALF_BITS + (1 << low) - 1  # the sign's bit is the highest of these
    amounts = [k << low for k in range(1 << (high - low)) if k << low < PRODUCT_BITS]
    choice, shifted = shift[low:high], [value.shift_right(k) for k in amounts]
    dropped = [x[kept - 1:] for x in shifted]
    lost = Array((x ^ sign.replicate(len(x))).any() if len(x) else Const(0) for x in dropped)
    result = Signal(signed(kept), name=f"shifted_{low}")
    m.d.comb += result.eq(Array(shifted)[choice])
    return result, lost[choice]


def round_half_up(halves: Value, offset: Value) -> Value:
    """Round a number of halves to whole ones, a half up, and add another number; in one adder:
    floor(x / 2 + 1 / 2) + offset = floor((x + 2 * offset + 1) / 2)."""
    return (halves + Cat(1, offset).as_signed()) >> 1


def saturate(value: Value, low: Value, high: Value) -> Value:
    """Clamp to low..high, both signed(8); returns signed(8)."""
    small = value[:8].as_signed()
    outside = value[7:]  # all equal if the value is in the range of int8
    negative = value[-1]
    fits = ~outside.any() | outside.all()
    return Mux(Mux(fits, small < low, negative), low,
               Mux(Mux(fits, high < small, ~negative), high, small))[:8].as_signed()

