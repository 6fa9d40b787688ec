"""Runs programs on the hardware, simulated or on a board."""
