"""Arms of a comparison and optimisations of the compiler, by name."""

from dataclasses import fields

from sw.lowering.switches import Switches

__all__ = ["ARMS", "BIG", "SWITCHES"]

ARMS = ("dense-1", "dense-N", "pruned-1", "pruned-N")
#: One array with the MACs of all N, beside those.
BIG = "dense-big"
#: In the order in which a run meets them.
SWITCHES = tuple(f.name for f in fields(Switches))
