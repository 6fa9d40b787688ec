"""What the hardware did to a rule of its bus, as a simulation tells it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hw.config import Config
from hw.gateware.signatures.ports import Channel
from hw.isa import INSN_BYTES, Opcode, decode

__all__ = ["BusBreach", "Place", "SimulationFault", "find_instruction", "layer_name"]

#: Whose transfers cross the port on a channel.
_OPCODES = {Channel.WEIGHTS: Opcode.WEIGHTS, Channel.LOAD: Opcode.LOAD,
            Channel.STORE: Opcode.STORE}
_MOST_INSTRUCTIONS = 1 << 16


class SimulationFault(RuntimeError):
    """The hardware broke a rule of its bus; a bug in the RTL, never in a user's network."""

    exit_code = 1


@dataclass(frozen=True)
class Place:
    """Where a breach was: `cycle` of the simulation, `address` of the burst or beat, and of its
    bus tag the `instance`, the `channel` and the `layer`."""

    cycle: int
    address: int
    instance: int
    channel: Channel
    layer: int

    @classmethod
    def of_tag(cls, cycle: int, address: int, user: int) -> "Place":
        """By the bus tag of `hw.gateware.signatures.axi.user_bits`."""
        return cls(cycle, address, user & 31, Channel(user >> 5 & 3), user >> 7 & 0x7FF)


class BusBreach(SimulationFault):
    """A rule of the memory port was broken.

    Members
    -------
    rule : str
    place : Place
    instruction : int or None
        Number in its program, if one was found that transfers this.
    """

    def __init__(self, rule: str, place: Place, layer: str, instruction: int | None):
        self.rule, self.place, self.instruction = rule, place, instruction
        where = "" if instruction is None else f" at instruction {instruction}"
        super().__init__(
            f"{rule}: broken in cycle {place.cycle} by instance {place.instance}, channel "
            f"{place.channel.name}, in layer {layer}{where}, address 0x{place.address:x}")


def layer_name(names: Sequence[str], layer: int) -> str:
    """A layer's name, where it is known."""
    return names[layer] if layer < len(names) else f"number {layer}"


def find_instruction(config: Config, channel: Channel, layer: int, offset: int, start: int,
                     read: Callable[[int, int], bytes]) -> int | None:
    """Number of the instruction of a program that transfers a byte on a channel, or else of the
    first that the layer has there.

    Parameters
    ----------
    offset, start : of the byte, and of the program, from the window's base
    read : returns so many bytes from an offset on, fewer at the memory's end
    """
    if channel is Channel.PROGRAM:
        return (offset - start) // INSN_BYTES
    first = None
    for number in range(_MOST_INSTRUCTIONS):
        try:
            opcode, fields = decode(read(start + number * INSN_BYTES, INSN_BYTES))
        except ValueError:
            break
        if opcode is _OPCODES[channel] and fields["layer"] == layer:
            if first is None:
                first = number
            if _transfers(config, opcode, fields, offset):
                return number
        if opcode is Opcode.END:
            break
    return first


def _transfers(config: Config, opcode: Opcode, fields: dict[str, int], offset: int) -> bool:
    """An instruction reads or writes the byte."""
    beyond = offset - fields["ext_addr"]
    if beyond < 0:
        return False
    if opcode is Opcode.WEIGHTS:
        return beyond < fields["chunks"] * config.chunk_bytes
    stride = fields["ext_stride"]
    run = min(beyond // stride, fields["runs"] - 1) if stride else 0
    return beyond - run * stride < fields["run_words"] * config.word_pitch_bytes
