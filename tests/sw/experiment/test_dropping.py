"""What `sw.scale` says of its accuracies."""

from argparse import Namespace

import numpy as np
import pytest

from hw.config import PRESETS
from sw.energy.levels import Level
from sw.energy.model import CATEGORIES, EnergyModel
from sw.experiment import dropping
from sw.training.incremental import Grown
from tests.support.bundles import GRAPH


@pytest.mark.parametrize(("source", "guessed", "said"), [
    ("360 held-out scans", False, "int8: right first guesses, on 360 held-out scans; RTL: on 2 of"),
    ("256 of 600 images of data.npz", False,
     "int8: right first guesses, on 256 of 600 images of data.npz; RTL: on 2 of them."),
    ("16 seeded images", True, "int8: first guesses that are the dense network's in floating "
     "point, on 16 seeded images; RTL: on 2 of them.")])
def test_it_is_told_what_accuracy_is_of(source, guessed, said, capsys):
    images = np.zeros((3, *GRAPH.in_shape), np.float32)
    grown = Grown(GRAPH, images, np.zeros(3, np.int64), source, guessed)
    measured = [dropping.Measured(n, 0.5, 0.5, 100.0 * n, dict.fromkeys(CATEGORIES, 1.0), True)
                for n in (1, 2)]
    levels = [Level(1, 1)]
    points = dropping.points_of(measured, levels, EnergyModel())
    dropping._print(grown, measured, points, points, PRESETS["tiny"],
                    Namespace(network="net", levels=levels, images=2))
    assert said in " ".join(capsys.readouterr().out.split())
