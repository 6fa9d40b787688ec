"""Netlists of standard cells and their library."""
