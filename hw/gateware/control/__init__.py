"""From programs to instructions, and what is counted of them."""
