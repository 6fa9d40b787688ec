"""Verilog of a configuration: shell and core once each, the top around N cores."""

import re
from pathlib import Path

from hw.config import Config

from .convert import to_verilog
from .top import CORE_NAME, GATE_NAME, SHELL_NAME, TOP_NAME, Shell, Top, make_core

__all__ = ["generate", "top_ports", "write_verilog"]

_CLOCK_GATE = f"""// A clock that runs while `enable` was high as it rose; cell libraries have one.
module {GATE_NAME}(
  input wire clk,
  input wire enable,
  output wire gated
);
  reg open;
  always @* if (!clk) open = enable;
  assign gated = clk & open;
endmodule
"""


def top_ports(top) -> dict:
    """Port name -> (signal, None) of the top or of an interface like it: `s_axil_*`,
    `m0_axi_*`, ... as bus tools expect them."""
    ports = {}
    for path, _, value in top.signature.flatten(top):
        name = "_".join(str(p) for p in path)
        ports[re.sub(r"^m_axi_(\d+)_", r"m\1_axi_", name)] = (value, None)
    return ports


def generate(config: Config, *, clock_gates: bool = False) -> dict[str, str]:
    """Return the Verilog text of the modules `core`, `shell` and `partita`.

    A module's submodules are named after it, so the texts share no name. With `clock_gates`, as
    for an ASIC or a simulation of energy, there is `clock_gate`, too, through which each core has
    its clock. Without, as for an FPGA, whose clocks logic should not drive, all flip-flops are on
    one clock and have enables; cores that are not active or wait idle.
    """
    top = Top(config, verilog=True, clock_gates=clock_gates)
    return {
        **({GATE_NAME: _CLOCK_GATE} if clock_gates else {}),
        CORE_NAME: to_verilog(make_core(config), CORE_NAME),
        SHELL_NAME: to_verilog(Shell(config), SHELL_NAME),
        TOP_NAME: to_verilog(top, TOP_NAME, ports=top_ports(top)),
    }


def write_verilog(folder: Path, config: Config) -> list[str]:
    """Write a configuration's modules into a folder, without clock gates, as for an FPGA; return
    the files' names."""
    texts = generate(config)
    for module, text in texts.items():
        (folder / f"{module}.v").write_text(text)
    return [f"{module}.v" for module in texts]
