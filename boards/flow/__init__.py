"""Bitstreams: platforms, builds, what is installed, results."""
