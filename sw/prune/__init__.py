"""Which weights stay."""
