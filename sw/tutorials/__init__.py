"""Notebooks that run: from torch to RTL, pruning three ways, onto a board."""
