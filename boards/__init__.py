"""Board definitions and flows."""
