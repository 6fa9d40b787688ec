"""What can be pruned, and by which partitioner, by name."""

__all__ = ["PARTITIONERS", "PRUNINGS"]

#: The linear layers but the classifier, or all layers but the first and the classifier.
PRUNINGS = ("fc", "all")
PARTITIONERS = ("identity", "random", "optimised")
