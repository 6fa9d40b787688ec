"""The accelerator as files: Verilog and a JSON manifest."""

from pathlib import Path

from amaranth.hdl import Value
from amaranth.lib import wiring

from hw.config import Config
from hw.gateware.manifest import manifest
from hw.gateware.top import outer_members
from hw.gateware.verilog import generate, top_ports
from hw.support.folders import FolderKind

__all__ = ["build"]

BUILD = FolderKind("manifest.json", "partita.build", "build of this program")


def build(config: Config, out: Path) -> dict:
    """Write `core.v`, `shell.v`, `partita.v` and `manifest.json` into a folder.

    All of them appear or none; the files of an earlier build are replaced.

    Returns
    -------
    dict
        The manifest.

    Raises
    ------
    OutputError
        If `out` cannot be written.
    ForeignFilesError
        If it holds files of others.
    """
    BUILD.check(out)
    texts = generate(config)
    ports = {"clk": 1, "rst": 1, **{
        n: len(Value.cast(v)) for n, (v, _) in
        top_ports(wiring.Signature(outer_members(config)).create()).items()}}
    data = manifest(config, {name: f"{name}.v" for name in texts}, ports)
    return BUILD.write(out, data, {f"{name}.v": text.encode() for name, text in texts.items()})
