"""What is shown of a network's layers."""

from typing import Any

__all__ = ["layer_rows"]


def layer_rows(graph: Any) -> list[dict[str, Any]]:
    """For each layer of a graph what it reads and gives, its weights and its multiplications."""
    return [{"layer": layer.name, "reads": ", ".join(graph.inputs(k)), "in": _by(layer.in_shape),
             "kernel": _by(layer.kernel), "out": _by(layer.out_shape), "groups": layer.groups,
             "weights": sum(x.weight.size for x in (layer, *layer.terms)), "macs": layer.macs}
            for k, layer in enumerate(graph.layers)]


def _by(sizes: tuple[int, ...]) -> str:
    return "x".join(map(str, sizes))
