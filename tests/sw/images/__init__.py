"""Images as users have them."""
