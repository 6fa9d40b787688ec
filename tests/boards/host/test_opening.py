"""Opening a board's link: which port, which build, and what may be wrong where nobody answers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from boards.__main__ import main
from boards.catalogue import BOARDS
from boards.flow.held import built_here
from boards.host import opening
from boards.host.causes import silence
from boards.host.errors import BoardMismatch
from boards.host.opening import open_board
from boards.usb.devices import UsbDevice
from hw.support.reading import FileFormatError
from tests.support.fakeboard import FakeBoard
from tests.support.fakeusb import written

ROOT = Path(__file__).parents[3]
ULX3S = UsbDevice("0403:6015", 1, 7, "D1", "ULX3S FPGA 25K v3.0.8", "", {0: "/dev/ttyUSB7"})


def test_a_silent_board_has_its_causes_in_order(monkeypatch, tmp_path, capsys):
    opened = []

    def silent(path, baud):
        opened.append((path, baud))
        return FakeBoard(BOARDS["ulx3s-25f"].config, baud=100)

    monkeypatch.setattr("boards.usb.devices.usb_devices", lambda: [ULX3S])
    monkeypatch.setattr(opening, "open_port", silent)
    monkeypatch.setattr(opening, "SerialBackend", lambda *args, **options: _fast(*args, **options))
    assert main(["run", "ulx3s-25f", "--port", "auto", "--out", str(tmp_path)]) == 1
    assert opened == [("/dev/ttyUSB7", 2_000_000)]
    said = capsys.readouterr().err
    assert "the ULX3S-25F does not answer at /dev/ttyUSB7. The likeliest first: (1) nothing is " \
        "loaded" in said
    assert said.index("(1)") < said.index("ModemManager") < said.index("ESP32") < said.index(
        "for another FPGA") < said.index("the clock is another")


def _fast(config, transport, **options):
    from boards.host.client import SerialBackend
    transport.close = lambda: None
    return SerialBackend(config, transport, timeout_s=1e-4, clock=transport.clock, **options)


def test_causes_are_those_of_the_board():
    def told(name: str, asked: str) -> str:
        return silence(BOARDS[name], "/dev/ttyUSB0", asked)

    assert "has not started from its flash memory" in told("icebreaker", "auto")
    assert "ESP32" not in told("icebreaker", "auto")
    assert "--port auto takes the right one" in told("icebreaker", "/dev/ttyUSB0")
    assert "TX goes to the board's input" in told("orangecrab-85f", "/dev/ttyUSB0")


def test_a_link_on_an_adapter_of_its_own_has_no_automatic_port(capsys):
    assert main(["run", "orangecrab-85f", "--port", "auto"]) == 2
    assert "3.3 V serial on GPIO 0 (in) and 1 (out), behind an adapter" in capsys.readouterr().err


def test_an_older_build_of_the_same_configuration_is_refused(monkeypatch, tmp_path):
    board = BOARDS["ulx3s-25f"]

    def port(path, baud):
        fake = FakeBoard(board.config, build=b"olderone")
        monkeypatch.setattr(fake, "close", lambda: None, raising=False)
        return fake

    monkeypatch.setattr(opening, "open_port", port)
    with open_board(board, board.config, "/dev/x", build=b"olderone") as (link, path):
        assert path == "/dev/x" and link.build == b"olderone"
    with pytest.raises(BoardMismatch, match="holds build 6f6c6465726f6e65 of this configuration"), \
            open_board(board, board.config, "/dev/x", build=b"newerone"):
        pass
    assert built_here(tmp_path, board) is None
    written(board, tmp_path)
    assert built_here(tmp_path, board) == (board.config, None)
    manifest = tmp_path / "board.json"
    values: tuple = (("0123456789abcdef", True), ("xyz", False), (7, False), ([], False))
    for value, good in values:
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"build": value}))
        if good:
            assert built_here(tmp_path, board) == (board.config, bytes.fromhex(value))
        else:
            with pytest.raises(FileFormatError, match="must be 16 hexadecimal digits"):
                built_here(tmp_path, board)


def test_all_but_a_simulated_board_works_without_pseudo_terminals():
    """As on Windows, which has none."""
    code = ("import sys; sys.modules.update(dict.fromkeys(('pty', 'tty', 'fcntl', 'grp')))\n"
            "import boards.api, boards.deploy.command, boards.flow.commands\n"
            "import boards.host.command, boards.host.checking\n"
            "from boards.virtual.board import VirtualPort\n"
            "try: VirtualPort(None)\n"
            "except RuntimeError as error: print(error.exit_code, error)\n")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.startswith("3 a virtual board needs a pseudo-terminal"), done.stderr
