"""What joins an instance to the memory fabric and to the control registers."""

from amaranth.hdl import Cat, Const, Mux, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.config import Config, ceil_log2
from hw.isa import PROGRAM_ALIGNMENT, WINDOW_ALIGNMENT, Cause, ErrorCode
from hw.registers import LOG_WORDS, kept_bits
from hw.support.enums import Enum

from .interfaces import spared_members, write_data

__all__ = ["READERS", "SLEPT_BITS", "Channel", "ControlPort", "Core", "MemoryPort", "port_request"]

#: Of a count of cycles in which an instance slept: it is woken when all of them are set.
SLEPT_BITS = 8


class Channel(Enum, shape=2):
    """Which unit of an instance uses the memory port; also in the AXI user bits."""

    #: The program.
    PROGRAM = 0
    #: Weights and parameters.
    WEIGHTS = 1
    #: Activations, read by the load unit.
    LOAD = 2
    #: Activations, written by the store unit.
    STORE = 3


#: Channels that read.
READERS = (Channel.PROGRAM, Channel.WEIGHTS, Channel.LOAD)


def port_request(config: Config) -> data.StructLayout:
    """A checked burst at an absolute byte address. Members: `addr`, `beats`, `mask`, `several`
    (1, the mask is not 0), `layer`."""
    return data.StructLayout({
        "addr": config.port.address_bits, "beats": ceil_log2(config.port.burst_beats) + 1,
        "mask": config.instances, "several": 1, "layer": 11,
    })


class MemoryPort(wiring.Signature):
    """An instance's side of the fabric, seen from the instance.

    A request stays until its `ready`, which comes some cycles after it was made: the fabric has
    taken it in the cycle before, also where the instance has stopped meanwhile.

    Members
    -------
    rd_program, rd_weights, rd_load : streams of read bursts, one for each reading channel
    ret : returned beats in order of the bursts of each channel; `valid`, `channel`, `data`,
        `error`
    wr, wr_data : streams of write bursts and, in the same order, their beats
    wr_ret : `valid` for each acknowledged burst, `error`
    arrive, mask, release : barrier
    alive : 1, takes part in multicasts and barriers
    """

    def __init__(self, config: Config):
        super().__init__({
            **{f"rd_{c.name.lower()}": Out(stream.Signature(port_request(config)))
               for c in READERS},
            "ret_valid": In(1), "ret_channel": In(Channel), "ret_data": In(config.beat_bits),
            "ret_error": In(1),
            "wr": Out(stream.Signature(port_request(config))),
            "wr_data": Out(stream.Signature(write_data(config))),
            "wr_ret_valid": In(1), "wr_ret_error": In(1),
            "arrive": Out(1), "mask": Out(config.instances), "release": In(1), "alive": Out(1),
        })


class ControlPort(wiring.Signature):
    """An instance's side of the control registers, seen from the instance.

    Members
    -------
    start : pulse
    stop : 1 until it no longer runs
    program, window_base, window_bytes : registers, the bits that are kept
    watchdog : pulse, the instance hangs and stops
    moves : 1, something has moved a cycle or two ago; waits : 1, what comes next has to come from
        another instance, or from a memory port that it shares
    running, done, error : status; `error_code`, `error_layer`, `error_opcode` say why
    counting : 1 while any instance runs and this one is active
    log_select, log_data, log_count, log_lost, log_busy : the log, which also holds the counters
    mark_valid, mark_layer : a layer has ended (for simulation)
    spared, spared_layer : as `spared_members` (for simulation)
    dozing : 1, nothing will change until `wake`; `slept` cycles passed like that before this one
    """

    def __init__(self, config: Config):
        super().__init__({
            "start": In(1), "stop": In(1),
            **{n: In(len(kept_bits(config, n.upper())))
               for n in ("program", "window_base", "window_bytes")},
            "watchdog": In(1), "moves": Out(1), "waits": Out(1), "counting": In(1),
            "running": Out(1), "done": Out(1), "error": Out(1),
            "error_code": Out(4), "error_layer": Out(11), "error_opcode": Out(4),
            "log_select": In(ceil_log2(config.buffers.log_entries * 16)), "log_data": Out(32),
            "log_count": Out(12), "log_lost": Out(1), "log_busy": Out(1),
            "mark_valid": Out(1), "mark_layer": Out(11),
            "dozing": Out(1), "wake": In(1), "slept": In(SLEPT_BITS), **spared_members(config),
        })


class Core(wiring.Component):
    """An instance as the shell sees it, whatever it is inside.

    Members
    -------
    memory : port to the fabric
    control : registers
    """

    memory: wiring.PureInterface
    control: wiring.PureInterface

    def __init__(self, config: Config):
        self._config = config
        super().__init__({"memory": Out(MemoryPort(config)), "control": Out(ControlPort(config))})

    @property
    def window_base(self) -> Value:
        """The window's first byte address."""
        pages = Cat(Const(0, ceil_log2(WINDOW_ALIGNMENT)), self.control.window_base)
        return pages[:self._config.port.address_bits]

    @property
    def refusal(self) -> Value:
        """The `ErrorCode` with which a start is refused, NONE if it is not: the program does not
        start where one may, or the window is not within the memory that can be addressed."""
        page, control = ceil_log2(WINDOW_ALIGNMENT), self.control
        top = self._config.port.address_bits - page
        end, rest = control.window_base + control.window_bytes[page:], control.window_bytes[:page]
        beyond = Cat(control.window_base[top:], end[top + 1:],
                     end[top] & Cat(end[:top], rest).any()).any()
        return Mux(beyond, ErrorCode.BAD_WINDOW,
                   Mux(control.program[:ceil_log2(PROGRAM_ALIGNMENT)].any(), ErrorCode.BAD_FIELD,
                       ErrorCode.NONE))


assert len(LOG_WORDS) == len(Cause) + 2
