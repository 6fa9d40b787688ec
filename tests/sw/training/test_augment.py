"""Training images vary within bounds."""

import torch

from sw.training.augment import random_changes, random_crops


def test_crops_stay_inside_and_are_mirrored():
    picture = torch.arange(8 * 8, dtype=torch.uint8).reshape(1, 1, 8, 8).expand(64, 1, 8, 8)
    augment, plain = random_crops(6, (0.0,), (1.0,))
    crops = (augment(picture, torch.Generator().manual_seed(1)) * 255).round().long()
    assert crops.shape == (64, 1, 6, 6)
    steps = crops[:, 0, :, 1:] - crops[:, 0, :, :-1]
    assert {int(s) for s in steps.unique()} == {-1, 1}
    assert len({tuple(c.flatten().tolist()) for c in crops}) > 10
    assert (plain(picture)[0, 0, 0, 0] * 255).round() == 9


def test_inputs_are_mirrored_and_moved_as_asked():
    picture = torch.arange(16 * 16, dtype=torch.float).reshape(1, 1, 16, 16).expand(64, 2, 16, 16)

    def changed(*names: str) -> torch.Tensor:
        return random_changes(names)(picture, torch.Generator().manual_seed(1))

    assert torch.equal(changed(), picture)
    flipped = changed("flip")
    assert torch.equal(flipped, changed("flip"))
    mirrored = [torch.equal(x, picture[0].flip(2)) for x in flipped]
    assert 16 < sum(mirrored) < 48
    assert all(m or torch.equal(x, picture[0]) for m, x in zip(mirrored, flipped, strict=True))
    moved = changed("crop")
    steps = {(int(x[0, 8, 8]) // 16 - 8, int(x[0, 8, 8]) % 16 - 8) for x in moved}
    assert steps <= {(y, x) for y in range(-2, 3) for x in range(-2, 3)} and len(steps) > 10
    assert torch.equal(moved[:, 0], moved[:, 1]) and moved.min() >= 0
