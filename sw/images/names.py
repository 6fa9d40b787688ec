"""Ways to prepare an image, by name."""

__all__ = ["CROPS", "ORDERS"]

#: What is done to an image of other proportions than the network's.
CROPS = ("centre", "none")
#: Of an image's channels.
ORDERS = ("rgb", "bgr", "grey")
