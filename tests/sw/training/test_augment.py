"""Training images vary within bounds."""

import torch

from sw.training.augment import random_crops


def test_crops_stay_inside_and_are_mirrored():
    picture = torch.arange(8 * 8, dtype=torch.uint8).reshape(1, 1, 8, 8).expand(64, 1, 8, 8)
    augment, plain = random_crops(6, (0.0,), (1.0,))
    crops = (augment(picture, torch.Generator().manual_seed(1)) * 255).round().long()
    assert crops.shape == (64, 1, 6, 6)
    steps = crops[:, 0, :, 1:] - crops[:, 0, :, :-1]
    assert {int(s) for s in steps.unique()} == {-1, 1}
    assert len({tuple(c.flatten().tolist()) for c in crops}) > 10
    assert (plain(picture)[0, 0, 0, 0] * 255).round() == 9
