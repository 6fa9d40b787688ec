"""Tests of boards/usb."""
