"""Training, and what it needs."""
