"""Networks by name, and as users have them."""
