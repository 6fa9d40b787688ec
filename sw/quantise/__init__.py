"""From real numbers to integers."""
