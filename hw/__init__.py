"""Hardware generator: configuration, instruction format and gateware."""
