"""The accelerator as files: Verilog, a JSON manifest, and what to know before using them."""

from pathlib import Path

from amaranth.hdl import Value
from amaranth.lib import wiring

from hw.config import Config
from hw.gateware.manifest import manifest
from hw.gateware.signatures.ports import Channel
from hw.gateware.top import outer_members
from hw.gateware.verilog import generate, top_ports
from hw.support.folders import FolderKind

__all__ = ["build"]

BUILD = FolderKind("manifest.json", "partita.build", "build of this program")

_README = """# partita: {shape}

The top module is `partita`; compile {files}. `manifest.json` tells ports'
widths, registers and formats.

{clocks}

Ports:

- `clk`, `rst`: in; the clock, and a reset, active high, seen at its rising edge
- `s_axil_*`: AXI4-Lite slave, the control registers
- `m0_axi_*`, ...: AXI4 masters, external memory. Bursts of full beats, INCR, within 4,096 bytes;
  one ID, so answers come in order. `awuser` and `aruser` tell for whom: bits 4:0 the instance, 6:5
  the channel ({channels}), 17:7 the layer; a memory may
  leave them alone
- `irq`: out; every instance that was started has ended; stays until the next START
- `running`: out; a bit for each instance, as the register
- `mark_valid`, `mark_layer`: out; for one cycle, a bit for each instance, a layer has ended there,
  and 11 bits each, which; for whoever watches, else left open
"""
#: By whether there are clock gates.
_CLOCKS = {
    False: "Clock enables: every flip-flop is on the one clock `clk` and has an enable where it "
           "keeps\nits value, as an FPGA wants it. An instance that waits or is dropped idles.",
    True: "Clock gates: each instance has its clock through `clock_gate`, a latch and a gate, for "
          "an ASIC,\nwhose library has a cell to put in its place, or for a simulation of energy. "
          "Not for an FPGA:\nit would make latches and clocks of LUTs. An instance that waits or "
          "is dropped has no clock.",
}


def build(config: Config, out: Path | str, *, clock_gates: bool = False) -> dict:
    """Write `core.v`, `shell.v`, `partita.v`, `manifest.json` and `README.md` into a folder; with
    `clock_gates`, for an ASIC or a simulation of energy, `clock_gate.v`, too.

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
    out = Path(out)
    BUILD.check(out)
    texts = generate(config, clock_gates=clock_gates)
    ports = {"clk": 1, "rst": 1, **{
        n: len(Value.cast(v)) for n, (v, _) in
        top_ports(wiring.Signature(outer_members(config)).create()).items()}}
    data = {**manifest(config, {name: f"{name}.v" for name in texts}, ports),
            "clock_gates": clock_gates}
    files = {f"{name}.v": text.encode() for name, text in texts.items()}
    readme = _README.format(shape=config.shape, clocks=_CLOCKS[clock_gates],
                            channels=", ".join(f"{x.value} {x.name}" for x in Channel),
                            files=", ".join(f"`{name}`" for name in files))
    return BUILD.write(out, data, {**files, "README.md": readme.encode()})
