"""A user's images: from folders, arrays and callables, prepared as a network takes them."""
