"""Bundles: a network compiled for a board, and what runs it from C."""
