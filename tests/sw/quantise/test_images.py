"""What a quantised network takes for an image of its own."""

from typing import Any

import numpy as np
import pytest
import torch

from sw.quantise.post_training import quantise
from sw.reference.batched import run_integer
from tests.sw.quantise.test_post_training import NET


@pytest.mark.parametrize(("image", "message"), [
    (np.full((3, 1, 1), np.nan), "image of net holds NaN or infinity"),
    (np.ones((1, 3, 1, 1)), r"image is \[1, 3, 1, 1\]; net takes one of \[3, 1, 1\]"),
    (np.ones((3, 1, 1), complex), "image is complex128; it must be real numbers"),
    ("abc", "image is <U3; it must be real numbers"), (None, "image is object"),
])
def test_an_image_that_is_none_of_the_networks_is_refused(image, message):
    integer = quantise(NET, np.ones((1, 3, 1, 1)))
    with pytest.raises(ValueError, match=message):
        integer.quantise_input(image)


def test_an_image_may_be_a_tensor():
    integer = quantise(NET, np.ones((1, 3, 1, 1)))
    image: Any = torch.rand(3, 1, 1, requires_grad=True)
    plain = image.detach().numpy()
    assert np.array_equal(integer.quantise_input(image), integer.quantise_input(plain))


@pytest.mark.parametrize(("images", "message"), [
    (torch.ones(2, 3, 1, 2), r"images are \[2, 3, 1, 2\]; net takes \[N, 3, 1, 1\]"),
    (torch.full((1, 3, 1, 1), float("nan")), "images of net hold NaN or infinity"),
])
def test_images_that_would_be_padded_or_lost_are_refused(images, message):
    graph = quantise(NET, np.ones((1, 3, 1, 1)))
    with pytest.raises(ValueError, match=message):
        run_integer(graph, images)
