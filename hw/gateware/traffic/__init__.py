"""Data in and out: loads, stores, weights, and the activation memory."""
