"""Tests of sw."""
