"""The `partita` command: the same programs as the `python -m` forms.

    partita build     generate the RTL            (python -m hw.build)
    partita compare   measure a network in RTL    (python -m sw.compare)
    partita train     train, partition, fine-tune   (python -m sw.train)
    partita explore   cycles of many configurations (python -m sw.explore)
    partita scale     accuracy, time and energy of fewer partitions (python -m sw.scale)
    partita trace     waveforms and a timeline      (python -m sw.trace)
    partita calibrate fit energy to gates           (python -m sim.calibrate)
    partita demo      the whole demonstration     (python -m sw.demo)
    partita boards    bitstreams, flashing, running on boards  (python -m boards)

`partita COMMAND --help` explains each.
"""

import importlib
import sys

from hw.interrupts import end_while_starting

__all__ = ["COMMANDS", "main"]

#: Command -> module with a `main(argv) -> exit code`.
COMMANDS = {"build": "hw.build", "compare": "sw.compare", "demo": "sw.demo",
            "train": "sw.train", "explore": "sw.explore", "scale": "sw.scale", "trace": "sw.trace",
            "calibrate": "sim.calibrate", "boards": "boards.__main__"}


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    if argv is None:
        end_while_starting()
        argv = sys.argv[1:]
    if not argv or argv[0] in ("-h", "--help"):
        print(__doc__.strip())
        return 0 if argv else 2
    if argv[0] not in COMMANDS:
        print(f"partita: error: no command {argv[0]!r}; there are {', '.join(COMMANDS)}",
              file=sys.stderr)
        return 2
    return importlib.import_module(COMMANDS[argv[0]]).main(argv[1:])


if __name__ == "__main__":
    sys.exit(main())
