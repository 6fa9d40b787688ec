"""Why a board may be silent, the likeliest first."""

from boards.catalogue import Board

__all__ = ["silence"]


def silence(board: Board, port: str, asked_for: str) -> str:
    """What to look at when a board does not answer at a port, in order; `asked_for` is what was
    given as --port."""
    causes = []
    light = "the light for memory" if "ready" in board.lights else "a light"
    if "ram" in board.modes:
        causes.append(f"nothing is loaded, or it is gone with the power: {light} is dark then; "
                      f"python -m boards flash {board.name}")
    else:
        causes.append(f"the FPGA has not started from its flash memory: {light} is dark then; "
                      f"python -m boards flash {board.name}, and plug it in again")
    if board.usb.uart is None:
        causes.append(f"wires: the link is {board.link}; the adapter's TX goes to the board's "
                      "input, its RX to the output, ground to ground, and it must be one for 3.3 V")
    elif asked_for != "auto":
        causes.append(f"{port} is another port, or the board's one for programming: --port auto "
                      "takes the right one")
    causes.append("another program holds or probes the port (a terminal, ModemManager): "
                  "python -m boards doctor")
    if board.held_high:
        causes.append("an ESP32 with a firmware of its own has loaded another design: flash, and "
                      "run at once; then hold it off, as the README says")
    if "-" in board.name:  # one of several of its kind
        causes.append(f"the bitstream is for another FPGA than the board's: {board.name} is for an "
                      f"{board.device.name}, as printed on it")
    causes.append(f"the clock is another: python -m boards check {board.name} tries other rates")
    return "; ".join(f"({k}) {cause}" for k, cause in enumerate(causes, 1))
