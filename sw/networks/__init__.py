"""Architectures that come with the product, and weights and images for them."""
