"""The `partita` command: the same programs as the `python -m` forms.

    partita build     generate the RTL            (python -m hw.build)
    partita compare   measure a network in RTL    (python -m sw.compare)
    partita train     train, partition, fine-tune   (python -m sw.train)
    partita explore   cycles of many configurations (python -m sw.explore)
    partita scale     accuracy, time and energy of fewer partitions (python -m sw.scale)
    partita trace     waveforms and a timeline      (python -m sw.trace)
    partita ablation  cycles without each of the compiler's optimisations (python -m sw.ablation)
    partita calibrate fit energy to gates           (python -m sw.calibrate)
    partita measure   measure the README's tables again (python -m sw.measure)
    partita tables    write the README's tables     (python -m sw.tables)
    partita demo      the whole demonstration       (python -m sw.demo)
    partita boards    bitstreams, flashing, running on boards  (python -m boards)

`partita COMMAND --help` explains each; `partita --version` says which version this is.
"""

import importlib
import sys
from importlib import metadata

from hw.support.arguments import nearest
from hw.support.errors import exit_code
from hw.support.interrupts import end_while_starting

__all__ = ["COMMANDS", "main", "version"]

#: Command -> module with a `main(argv) -> exit code`.
COMMANDS = {"build": "hw.build", "compare": "sw.compare", "demo": "sw.demo",
            "train": "sw.train", "explore": "sw.explore", "scale": "sw.scale", "trace": "sw.trace",
            "ablation": "sw.ablation", "calibrate": "sw.calibrate", "measure": "sw.measure",
            "tables": "sw.tables", "boards": "boards.__main__"}


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    if argv is None:
        end_while_starting()
        argv = sys.argv[1:]
    if argv and argv[0] in COMMANDS:
        return importlib.import_module(COMMANDS[argv[0]]).main(argv[1:])
    return exit_code(_about, argv, "partita")


def _about(argv: list[str]) -> int:
    if argv and argv[0] == "--version":
        print(f"partita {version()}")
    elif not argv or argv[0] in ("-h", "--help"):
        print(__doc__.strip())
    else:
        raise ValueError(f"no command {argv[0]!r}; there are {', '.join(COMMANDS)}"
                         + nearest(argv[0], COMMANDS))
    return 0 if argv else 2


def version() -> str:
    """This package's version, or that it runs from a folder without being installed."""
    try:
        return metadata.version("partita")
    except metadata.PackageNotFoundError:
        return "not installed"


if __name__ == "__main__":
    sys.exit(main())
