"""What was measured, as people and programs read it."""
