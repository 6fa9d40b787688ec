"""Tests of sim/activity."""
