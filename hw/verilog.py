"""Verilog of a configuration: shell and core once each, the top around N cores."""

import re

from amaranth.back import verilog

from .config import Config
from .fuse import fuse_clocked
from .instance import Instance
from .top import CORE_NAME, SHELL_NAME, TOP_NAME, Shell, Top

__all__ = ["generate", "top_ports"]

# A memory's contents are undefined until written; listing zeros for every word says nothing.
_ZERO_MEMORY = re.compile(
    r"^  initial begin\n(?:    \S+ ?\[\d+\] = \d+'[hd]0+;\n)+  end\n", re.MULTILINE)


def top_ports(top) -> dict:
    """Port name -> (signal, None) of the top or of an interface like it: `s_axil_*`,
    `m0_axi_*`, ... as bus tools expect them."""
    ports = {}
    for path, _, value in top.signature.flatten(top):
        name = "_".join(str(p) for p in path)
        ports[re.sub(r"^m_axi_(\d+)_", r"m\1_axi_", name)] = (value, None)
    return ports


def _convert(elaboratable, name: str, **options) -> str:
    text = verilog.convert(elaboratable, name=name, emit_src=False, **options)
    return fuse_clocked(_ZERO_MEMORY.sub("", text))


def generate(config: Config) -> dict[str, str]:
    """Return the Verilog text of each of the modules `core`, `shell` and `partita`.

    A module's submodules are named after it, so the texts share no name.
    """
    top = Top(config, verilog=True)
    return {
        CORE_NAME: _convert(Instance(config), CORE_NAME),
        SHELL_NAME: _convert(Shell(config), SHELL_NAME),
        TOP_NAME: _convert(top, TOP_NAME, ports=top_ports(top)),
    }
