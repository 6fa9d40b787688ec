"""Tests of sw/compiler."""
