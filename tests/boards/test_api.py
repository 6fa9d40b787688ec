"""A network is measured on a board from Python as it is in the golden model."""

import numpy as np
import pytest
from torch import nn

from boards.api import board
from boards.catalogue import Board
from boards.host import client
from boards.host.errors import LinkError
from boards.virtual.board import VIRTUAL_TIMEOUT_S, VirtualBoard, VirtualPort
from hw.config import PRESETS
from sw.api import accuracy, capture, quantise
from sw.lowering.errors import DoesNotFit
from tests.support.systems import CONFIG, SDRAM

SHAPE = (1, 8, 8)


def measured():
    """A network, an image and its label."""
    rng = np.random.default_rng(3)
    images = rng.normal(size=(1, *SHAPE)).astype(np.float32)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 5)).eval()
    return quantise(capture(net, SHAPE), images), images, rng.integers(0, 5, 1)


@pytest.mark.builds
def test_an_accuracy_is_that_of_the_golden_model_on_a_board_and_through_a_named_port(
        monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # where no board has been built
    monkeypatch.setattr(Board, "system", lambda self, config=None, **changes: SDRAM)
    net = measured()
    said: list[str] = []
    seen: list[tuple[int, int]] = []
    golden = accuracy(*net)
    virtual = accuracy(*net, on=board("ulx3s-85f", virtual=True, config=CONFIG, say=said.append),
                       progress=lambda done, count: seen.append((done, count)))
    assert virtual.on == "virtual ULX3S-85F" and virtual.bit_exact and virtual.cycles
    assert virtual.accuracy == golden.accuracy and seen == [(1, 1)]
    assert any(line.startswith("virtual ULX3S-85F at /dev/") for line in said)
    slow = {"timeout_s": VIRTUAL_TIMEOUT_S}
    monkeypatch.setattr(client.SerialBackend.__init__, "__kwdefaults__",
                        (client.SerialBackend.__init__.__kwdefaults__ or {}) | slow)
    with VirtualBoard(SDRAM) as chip, VirtualPort(chip) as port:
        real = accuracy(*net, on=board("ulx3s-85f", port=port.path, config=CONFIG))
    assert (real.on, real.cycles) == ("ULX3S-85F", virtual.cycles) and real.bit_exact


def test_what_does_not_go_together_is_refused(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    net = measured()
    for name, options, message in (
            ("ulx3s-12f", {}, r"name the board's serial port, port=\"auto\" or its path"),
            ("ulx3s-12f", {"port": ""}, "port is empty"),
            ("ulx3s-12f", {"virtual": True, "port": "auto"}, "port is 'auto', .* leave one out"),
            ("ulx3s-12f", {"virtual": True, "serial": "D1"}, "serial and build go with a port"),
            ("ulx3s-12f", {"port": "auto", "build": "here"}, "here holds no build; make it: python "
             "-m boards build ulx3s-12f --out here"),
            ("ulx3s-13f", {"virtual": True}, "ulx3s-12f")):
        with pytest.raises(ValueError, match=message):
            board(name, **options)
    with pytest.raises(ValueError, match=r"config goes with .* virtual ULX3S-12F has its own"):
        accuracy(*net, on=board("ulx3s-12f", virtual=True), config=PRESETS["tiny"])
    with pytest.raises(LinkError, match="/dev/nothing"):
        accuracy(*net, on=board("ulx3s-12f", port="/dev/nothing"))
    large = nn.Sequential(nn.Flatten(), nn.Linear(64, 4096)).eval()
    with pytest.raises(DoesNotFit, match="bytes"):
        accuracy(quantise(capture(large, SHAPE), net[1]), *net[1:],
                 on=board("icebreaker", virtual=True))
