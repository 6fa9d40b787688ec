"""Tests of boards/flow."""
