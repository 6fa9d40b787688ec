"""Runs programs by the meaning of their instructions."""
