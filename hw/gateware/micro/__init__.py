"""The microcoded core: one instance for the smallest devices, which does one thing at a time."""
