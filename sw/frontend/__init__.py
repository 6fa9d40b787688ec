"""Networks from other programs."""
