"""Builds the RTL and the harness into a library."""
