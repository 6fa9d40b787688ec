"""Waveform files."""
