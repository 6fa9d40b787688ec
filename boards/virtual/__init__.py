"""Boards that are simulations."""
