"""Networks that many tests look at, trained once. Torch is imported where one is asked for."""

from dataclasses import replace

import pytest


@pytest.fixture(scope="session")
def task():
    """Handwritten digits."""
    from sw.training.digits import digits_task
    return digits_task(3)


@pytest.fixture(scope="session")
def dense(task, tmp_path_factory):
    """(trainer, net) of the dense network."""
    from sw.training.trainer import Trainer
    from tests.support.training import RECIPE
    trainer = Trainer(task, tmp_path_factory.mktemp("dense"))
    return trainer, trainer.dense(replace(RECIPE, epochs=3))
