"""Fields of COMPUTE and POST at their ends, in RTL: steps by axis, padding's value, the offset."""

import pytest

from tests.support.exactness import wrong
from tests.support.recipes import Recipe

pytestmark = pytest.mark.builds

#: What each recipe is about -> its operators, on maps of 5 by 6 with 9 channels.
NETWORKS = {
    "a kernel whose taps lie beyond the map": (
        "conv kernel_h=3 kernel_w=3 dilation_h=127 dilation_w=7 pad_top=127 pad_left=7 "
        "pad_value=-128 out=7 low=-128 offset=127"),
    "a kernel of which some taps are never inside": (
        "conv kernel_h=2 kernel_w=5 dilation_h=9 dilation_w=4 pad_top=5 pad_left=16 "
        "pad_value=127 out=9 offset=-128 low=-128"),
    "strides and dilation by axis": (
        "conv kernel_h=2 kernel_w=3 stride=3 stride_w=1 dilation_w=2 pad_left=2 out=6 "
        "conv kernel_h=2 kernel_w=2 stride=1 stride_w=3 dilation_h=1 pad_left=1 pad_value=5 out=6"),
    "pooling by axis": (
        "conv kernel_w=2 out=10 pool=2 pool_w=1 pool_stride=1 pool_stride_w=3 offset=-128 "
        "conv out=4 pool=3 pool_w=2 pool_stride=3 pool_stride_w=1 pool_pad=1 low=-128 offset=127"),
    "a sum of terms that pad with different values": (
        "conv kernel_h=3 kernel_w=3 pad_top=1 pad_left=1 pad_value=-128 out=9 "
        "conv kernel_h=3 kernel_w=3 dilation_h=2 pad_top=2 pad_left=1 pad_value=3 out=9 "
        "plus kernel_h=3 kernel_w=3 pad_top=1 pad_left=1 pad_value=127 back=1 plus groups=9"),
    "stacked images of a linear layer": "fc out=13 offset=100 fc out=9 low=-128 offset=-100",
}


@pytest.mark.parametrize("name", ["2x4x4", "2x4x4-zeros", "2x5x7", "1x4x2-micro"])
def test_fields_at_their_ends(name):
    for what, text in NETWORKS.items():
        batch = "batch=3 " if what.startswith("stacked") else ""
        recipe = Recipe.parse(f"{name} seed=3 latency=4 channels=9 rows=5 columns=6 dead=50 "
                              f"{batch}{text}")
        assert recipe.exists and wrong(recipe) is None, (what, recipe)


def test_stripes_of_a_dilated_kernel_and_padding_between_none_of_them():
    recipe = Recipe.parse("2x4x4 seed=4 latency=4 channels=3 rows=17 columns=11 "
                          "conv kernel_h=3 kernel_w=3 dilation_h=4 dilation_w=2 pad_top=4 "
                          "pad_left=2 pad_value=-128 out=5 offset=-3 conv kernel_h=5 dilation_h=3 "
                          "stride=2 pad_top=6 pad_value=-3 out=4")
    assert len(recipe.program.programs) == 2 and wrong(recipe) is None
