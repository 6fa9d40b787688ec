"""A board is found by vendor, product and interface, and by its name where those are alike."""

import pytest

from boards.catalogue import BOARDS
from boards.usb.devices import NoBoard, UsbDevice, find_device, serial_port, usb_devices
from tests.support.fakeusb import plug
from tests.support.present import present

ULX3S, ICEBREAKER, TANG = BOARDS["ulx3s-25f"], BOARDS["icebreaker"], BOARDS["tangnano20k"]


def test_a_tree_of_devices_is_read_with_its_serial_ports(tmp_path):
    plug(tmp_path, "1-0", "1d6b:0002", product="xHCI Host Controller", interfaces=0)
    plug(tmp_path, "1-2", "0403:6010", product="iCEBreaker V1.0e", serial="ib1",
         ports={0: "ttyUSB0", 1: "ttyUSB1"}, interfaces=2)
    plug(tmp_path, "2-1.4", "1209:5BF0", ports={0: "ttyACM3"})
    (tmp_path / "usb1").mkdir()
    hub, ice, crab = present(usb_devices(tmp_path))
    assert hub.ids == "1d6b:0002" and hub.ports == {}
    assert ice.ports == {0: "/dev/ttyUSB0", 1: "/dev/ttyUSB1"}
    assert (ice.bus, ice.serial) == (1, "ib1")
    assert str(ice.node).startswith("/dev/bus/usb/001/0")
    assert crab.ids == "1209:5bf0" and crab.ports == {0: "/dev/ttyACM3"} and crab.bus == 2
    assert str(ice) == "0403:6010 'iCEBreaker V1.0e' serial number ib1"


def test_the_link_is_at_the_boards_own_interface(tmp_path):
    plug(tmp_path, "1-2", "0403:6010", product="iCEBreaker V1.0e",
         ports={0: "ttyUSB0", 1: "ttyUSB1"}, interfaces=2)
    plug(tmp_path, "1-3", "0403:6015", product="ULX3S FPGA 25K v3.0.8", ports={0: "ttyUSB2"})
    found = present(usb_devices(tmp_path))
    assert serial_port(ICEBREAKER, find_device(ICEBREAKER, found)) == "/dev/ttyUSB1"
    assert serial_port(ULX3S, find_device(ULX3S, found)) == "/dev/ttyUSB2"


def test_a_link_that_the_system_has_not_made_a_port_of_is_told(tmp_path):
    plug(tmp_path, "1-2", "0403:6010", product="iCEBreaker V1.0e", ports={0: "ttyUSB0"},
         interfaces=2)
    [ice] = present(usb_devices(tmp_path))
    with pytest.raises(NoBoard, match="no serial port at its interface 1; there are /dev/ttyUSB0"):
        serial_port(ICEBREAKER, ice)


def test_boards_with_the_same_ids_are_told_apart_by_name():
    ice = UsbDevice("0403:6010", 1, 4, "ib1", "iCEBreaker V1.0e")
    tang = UsbDevice("0403:6010", 1, 5, "t1", "USB Debugger")
    other = UsbDevice("0403:6010", 1, 6, "x1", "Dual RS232-HS")
    assert find_device(ICEBREAKER, [other, tang, ice]) is ice
    assert find_device(TANG, [other, ice, tang]) is tang
    assert find_device(ICEBREAKER, [other]) is other  # nothing else may be it
    with pytest.raises(NoBoard, match=r"more than one .* say which with --serial NUMBER"):
        find_device(ICEBREAKER, [other, tang])
    assert find_device(ICEBREAKER, [other, tang], "x1") is other
    with pytest.raises(NoBoard, match=r"--serial is y1: no device 0403:6010 has it; .*x1"):
        find_device(ICEBREAKER, [other, tang], "y1")


def test_two_boards_alike_are_asked_for_by_serial_number():
    two = [UsbDevice("0403:6015", 1, n, f"D{n}", "ULX3S FPGA 85K v3.0.8") for n in (4, 5)]
    with pytest.raises(NoBoard, match=r"serial number D4, .*serial number D5; say which"):
        find_device(ULX3S, two)
    assert find_device(ULX3S, two, "D5") is two[1]
    with pytest.raises(NoBoard, match="their serial numbers are alike: unplug the others"):
        find_device(ULX3S, [two[0], two[0]])


def test_nothing_plugged_in_says_where_to_plug_and_what_is_there():
    with pytest.raises(NoBoard, match="no ULX3S-25F is plugged in: there is no USB device "
                       "0403:6015, and there is 046d:c077 'Mouse'; plug it in at the micro-USB "
                       "port marked US1"):
        find_device(ULX3S, [UsbDevice("1d6b:0002"), UsbDevice("046d:c077", 1, 2, "", "Mouse")])


def test_other_systems_tell_ports_through_pyserial(tmp_path, monkeypatch):
    """macOS has /dev/cu.usbserial-..., and no numbers of bus and device."""
    from serial.tools import list_ports
    from serial.tools.list_ports_common import ListPortInfo
    ports = []
    for path in ("/dev/cu.usbserial-ib12341", "/dev/cu.usbserial-ib12340", "/dev/cu.Bluetooth"):
        port = ListPortInfo(path, skip_link_detection=True)
        if "ib" in path:
            port.vid, port.pid, port.product, port.serial_number = 0x403, 0x6010, "iCEBreaker", "ib"
        ports.append(port)
    monkeypatch.setattr(list_ports, "comports", lambda: ports)
    monkeypatch.setattr("sys.platform", "darwin")
    found = present(usb_devices(tmp_path / "none"))
    device = find_device(ICEBREAKER, found)
    assert device.node is None
    assert serial_port(ICEBREAKER, device) == "/dev/cu.usbserial-ib12341"
