"""Which tables there are."""

from collections.abc import Callable
from functools import partial

from .clocks import clocks_table
from .fitted import calibration_table, coefficients_table, macros_table
from .levels import levels_table, ranges_table
from .limits import limits_table
from .measured import (
    ablation_table,
    energy_table,
    headline_table,
    scaling_table,
    scenarios_table,
    zeros_table,
)
from .small import small_table
from .spread import spread_table
from .trained import training_table

__all__ = ["TABLES"]

#: Marker -> what renders its table.
TABLES: dict[str, Callable[[], str]] = {
    "headline": headline_table, "energy": energy_table, "scaling": scaling_table,
    "limits": limits_table, "ablation": ablation_table, "zeros": zeros_table,
    "small": small_table, "clocks": clocks_table, "spread": spread_table, "levels": levels_table,
    "ranges": ranges_table, "scenarios": scenarios_table, "macros": macros_table,
    "coefficients": coefficients_table, "calibration": calibration_table,
    "training-quarter": partial(
        training_table, "training-quarter.json", "training-quarter-all.json",
        "training-narrow.json"),
    "training-digits": partial(training_table, "training-digits.json")}
