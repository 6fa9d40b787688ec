"""When signals are at a chip and at the FPGA, and what is left of the time: the clock's phase."""

from dataclasses import dataclass

from .chips import SdramTiming

__all__ = ["ECP5_PADS", "PadDelays", "Window", "margins", "windows"]


@dataclass(frozen=True, kw_only=True)
class PadDelays:
    """Nanoseconds, (least, most), of an FPGA and its board.

    Members
    -------
    out : from a clock's edge in the FPGA until a register's value is at the chip; the chip's clock
        takes the same way
    skew : by which two such ways differ
    back : from the chip until a value is at the register that takes it
    setup, hold : which that register needs
    """

    out: tuple[float, float]
    skew: float
    back: tuple[float, float]
    setup: float
    hold: float


#: ECP5 of speed grade 6, LVCMOS33, outputs from registers at the pads, inputs to registers in the
#: fabric, some centimetres of board. Bounds that are assumed, not measured; a build whose way into
#: the fabric is longer is refused.
ECP5_PADS = PadDelays(out=(1.6, 5.0), skew=0.5, back=(1.8, 9.5), setup=0.5, hold=0.0)


def margins(chip: SdramTiming, clock_mhz: float, shift_ns: float,
            pads: PadDelays = ECP5_PADS) -> dict[str, float]:
    """What is left, in nanoseconds, where the chip's clock comes `shift_ns` after the FPGA's: of
    the time before and after the chip's edge, and the FPGA's edge that takes what it drives.

    A word that the chip drives after its edge in one cycle is taken at the FPGA's edge at that
    cycle's second end, as `boards.gateware.words` counts it.
    """
    period = 1000 / clock_mhz
    taken = 2 * period
    return {
        "command setup": shift_ns - pads.skew - chip.t_is,
        "command hold": period - shift_ns - pads.skew - chip.t_ih,
        "data setup": taken - (shift_ns + pads.out[1] + chip.t_ac + pads.back[1] + pads.setup),
        "data hold": (shift_ns + pads.out[0] + period + chip.t_oh + pads.back[0]) - taken
        - pads.hold}


@dataclass(frozen=True, kw_only=True)
class Window:
    """Nanoseconds of a delay: (least, most) `assumed`, and for which what is around it `works`,
    whatever the others are as far as they are assumed."""

    assumed: tuple[float, float]
    works: tuple[float, float]

    @property
    def margin(self) -> float:
        """By how much the assumed lies inside; negative if it does not."""
        return min(self.assumed[0] - self.works[0], self.works[1] - self.assumed[1])


def windows(chip: SdramTiming, clock_mhz: float, shift_ns: float,
            pads: PadDelays = ECP5_PADS) -> dict[str, Window]:
    """For which of each delay every margin is left, the others as they are assumed."""
    left = margins(chip, clock_mhz, shift_ns, pads)
    before, after = left["command setup"], left["command hold"]
    late, early = left["data setup"], left["data hold"]
    out, back = pads.out, pads.back
    return {
        "phase of the chip's clock": Window(
            assumed=(shift_ns, shift_ns),
            works=(shift_ns - min(before, early), shift_ns + min(after, late))),
        "clock and pins out, alike": Window(assumed=out, works=(out[0] - early, out[1] + late)),
        "pins out behind the clock": Window(
            assumed=(-pads.skew, pads.skew), works=(-pads.skew - after, pads.skew + before)),
        "data back, to the register": Window(assumed=back,
                                             works=(back[0] - early, back[1] + late))}
