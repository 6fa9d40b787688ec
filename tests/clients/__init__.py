"""What others have made, from their own packages, by the commands alone."""
