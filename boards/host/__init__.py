"""The host's end of a board's link."""
