"""Mutants of the gateware: faults that a designer might make, each with the test that tells.

    python -m tests.mutants [NAME...] [--list] [--jobs N] [--resume FILE] [--json]

Each mutant is one line of gateware changed. It is killed if its test, which passes without it,
fails in an assertion or as a simulation does; it is alive if the test passes; it is broken, which
is no mutant, if the test does not come so far. The exit code is 1 if one is not killed. Faults
that need a simulation of the whole accelerator say so by the mark `builds` of their tests.
"""
