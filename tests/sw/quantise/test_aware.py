"""Fake quantisation computes what the integers compute, and can be trained."""

from dataclasses import replace

import pytest
import torch

from sw.quantise.aware import FakeQuantised
from sw.quantise.post_training import calibrate, quantise_with
from sw.reference.batched import run_integer
from sw.training.fit import fit
from tests.support.floating import run_float
from tests.support.training import RECIPE, batches


def test_fake_quantisation_is_what_the_integers_compute_to_a_step(dense, task):
    trainer, net = dense
    graph = trainer.graph(net)
    images = task.plain(torch.from_numpy(task.data.held_images[:64]))
    scales = calibrate(graph, images.numpy())
    fake = FakeQuantised(graph, scales)
    steps = fake(images).detach() / scales[-1]
    integer = run_integer(quantise_with(graph, scales), images).flatten(1)
    # multipliers have 16 bits, so a rounding may fall the other way, and spread
    assert float((steps - integer).abs().max()) <= 3
    assert float((steps - integer).abs().mean()) < 0.2
    exact = run_float(graph, images)[-1].flatten(1) / scales[-1]
    assert float((exact - integer).abs().mean()) > 0.2  # rounding is felt


@pytest.mark.trains
def test_quantisation_aware_tuning_recovers_what_coarse_steps_lose(dense, task):
    trainer, net = dense
    graph = trainer.graph(net)
    images = task.plain(torch.from_numpy(task.data.train_images))
    scales = [60 * s for s in calibrate(graph, images[:256].numpy())]
    before = trainer.accuracy_integer(quantise_with(graph, scales)).top1
    fake = FakeQuantised(graph, scales)
    fit(fake, batches(task), replace(RECIPE, epochs=2), masks={})
    after = trainer.accuracy_integer(quantise_with(fake.folded(), scales)).top1
    assert after > before + 0.02
