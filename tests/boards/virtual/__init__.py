"""Tests of boards/virtual."""
