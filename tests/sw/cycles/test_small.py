"""Small networks, of which all is fetched at once: predictions against RTL."""

import pytest

from hw.config import PRESETS, Config
from tests.support.accelerators import CONFIGS
from tests.support.networks import NETWORKS

from .test_transfers import check

DEFAULT = PRESETS["default"]


def check_network(config: Config, name: str) -> None:
    make, shape = NETWORKS[name]
    check(config, make(), shape)


@pytest.mark.builds
@pytest.mark.parametrize(("config", "name"), [
    ("2x4x4", "waveform"), ("2x4x4", "shufflenet"), ("2x4x4", "mobilenet_v2"),
    ("8x1x1", "waveform"), ("1x32x1", "waveform"), ("3x9x3", "crnn"), ("3x9x3", "shufflenet"),
    ("3x9x3", "inception"), ("2x5x7", "waveform"), ("2x5x7", "shufflenet"),
    ("4x6x9", "mobilenet_v2"), ("2x1x32", "waveform"), ("2x1x32", "mobilenet_v2")])
def test_predictions_are_those_of_the_rtl(config, name):
    check_network(CONFIGS[config], name)


@pytest.mark.slow
@pytest.mark.builds
@pytest.mark.filterwarnings("ignore:.*softmax at the end")
@pytest.mark.parametrize("instances", [1, 8])
@pytest.mark.parametrize("name", sorted(set(NETWORKS) - {"aspp", "resnet8"}))
def test_predictions_of_large_arrays_are_those_of_the_rtl(instances, name):
    check_network(DEFAULT.replace(instances=instances), name)
