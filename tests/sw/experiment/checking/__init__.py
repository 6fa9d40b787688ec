"""Checking a network before anything is built."""
