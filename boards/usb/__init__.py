"""What is plugged in at USB."""
