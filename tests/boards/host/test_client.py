"""A serial port is opened as fast as the system lets it be."""

import pytest
import serial

from boards.host.client import open_port


class Port:
    """A serial port of a system that `can` have low latency, or not."""

    can = True
    asked: list

    def __init__(self, path, baud, **options):
        Port.asked = []

    def set_low_latency_mode(self, on: bool) -> None:
        Port.asked.append(on)
        if not Port.can:
            raise ValueError("Failed to update ASYNC_LOW_LATENCY")


@pytest.mark.parametrize("can", [True, False])
def test_low_latency_is_asked_for_and_done_without_where_there_is_none(can, monkeypatch):
    monkeypatch.setattr(serial, "Serial", Port)
    monkeypatch.setattr(Port, "can", can)
    open_port("/dev/ttyUSB7", 2_000_000)
    assert Port.asked == [True]
