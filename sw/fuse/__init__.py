"""From an imported network's operators to layers."""
