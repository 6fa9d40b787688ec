"""Arms of a comparison and optimisations of the compiler, by name."""

from dataclasses import fields

from sw.lowering.switches import Switches

__all__ = ["ARMS", "BIG", "DEMO_ARMS", "SWITCHES"]

ARMS = ("dense-1", "dense-N", "pruned-1", "pruned-N")
#: One array with the MACs of all N, behind the same port.
BIG = ("dense-big", "pruned-big")
#: What a demonstration compares: each form on one instance, on N and on one array of equal size.
DEMO_ARMS = ("dense-1", "dense-N", "dense-big", "pruned-1", "pruned-N", "pruned-big")
#: In the order in which a run meets them.
SWITCHES = tuple(f.name for f in fields(Switches))
