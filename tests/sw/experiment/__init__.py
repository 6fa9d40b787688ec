"""What the commands are thin over."""
