"""From activity to energy."""
