"""Tests, by the paths of what they test."""
