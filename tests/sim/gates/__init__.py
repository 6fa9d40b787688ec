"""Tests of sim/gates."""
