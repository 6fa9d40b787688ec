"""What a core's units show, of which the harness finds what each cycle went to."""

import re
from collections.abc import Mapping

from hw.config import Config

__all__ = ["keep_shown", "shown_function"]

#: Member of `Shown` in harness/causes.h -> the block and the output of it that shows it.
_UNITS = {"fires": ("path", "fire"), "starves": ("path", "starved"), "bank": ("path", "acc_wait"),
          "computes": ("path", "compute_busy"), "posts": ("path", "post_busy"),
          "loads": ("loader", "busy"), "stores": ("storer", "busy")}
_READS = ("program", "weights", "load")


def keep_shown(verilog: str) -> str:
    """Ask Verilator to keep what units show, under its own name, readable but not writable."""
    for block, name in _UNITS.values():
        verilog = re.sub(
            rf"(^module \\core\.{block} (?:(?!^endmodule).)*?^  wire {name});",
            r"\1 /*verilator public_flat_rd*/;", verilog, count=1, flags=re.MULTILINE | re.DOTALL)
    return verilog


def shown_function(config: Config, ports: Mapping[str, str]) -> str:
    """C++ text of `kShows`, and of a function that returns what a core shows.

    Parameters
    ----------
    ports : plain name of each of a core's ports -> its C++ name
    """
    if config.core != "pipelined":  # one thing at a time, which only the microprogram knows
        return "static constexpr bool kShows = false;\n" \
               "inline Shown shown(CoreState &) { return {}; }"
    asks = " || ".join(f"(c.{ports[f'memory__rd_{r}__valid']} && !c."
                       f"{ports[f'memory__rd_{r}__ready']})" for r in _READS)
    members = {"alive": f"c.{ports['memory__alive']}", "meets": f"c.{ports['memory__arrive']}",
               "asks": asks, **{member: f"c.core__DOT__{block}__DOT__{name}"
                                for member, (block, name) in _UNITS.items()}}
    lines = "\n".join(f"    s.{member} = {value};" for member, value in members.items())
    return "static constexpr bool kShows = true;\n" \
           f"inline Shown shown(CoreState &c) {{\n    Shown s;\n{lines}\n    return s;\n}}"
