"""Tests of sw/fuse."""
