"""Finds the smallest recipe that still fails."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from .operators import OPERATORS
from .recipes import RUN, LayerRecipe, Recipe

__all__ = ["shrink", "smaller"]


def shrink(recipe: Recipe, wrong: Callable[[Recipe], str | None], *,
           most: int = 1000) -> Recipe:
    """Take the first simpler recipe that fails as long as there is one.

    Parameters
    ----------
    wrong : what is wrong with a recipe, or None
    most : recipes that are tried
    """
    tried: set[str] = set()
    while len(tried) < most:
        for simpler in smaller(recipe):
            if str(simpler) in tried or len(tried) >= most:
                continue
            tried.add(str(simpler))
            if simpler.exists and wrong(simpler):
                recipe = simpler
                break
        else:
            break
    return recipe


def smaller(recipe: Recipe) -> Iterator[Recipe]:
    """Recipes that are simpler in one thing, the boldest first: fewer layers, then each number at
    its simplest, half way there, and a step nearer."""
    layers = recipe.layers
    for k in range(1, len(layers)):
        yield replace(recipe, layers=layers[:k])
    for k in range(len(layers)):
        yield replace(recipe, layers=layers[:k] + layers[k + 1:])
    for numbers in _simpler(recipe.run, RUN):
        yield replace(recipe, run=numbers)
    for k, layer in enumerate(layers):
        for numbers in _simpler(layer.numbers, OPERATORS[layer.operator].simplest):
            yield replace(recipe, layers=(
                *layers[:k], LayerRecipe(layer.operator, numbers), *layers[k + 1:]))


def _simpler(numbers, simplest) -> Iterator[dict[str, int]]:
    for name, least in simplest.items():
        value = numbers[name]
        away = abs(value - least)
        sign = 1 if value > least else -1
        for step in dict.fromkeys((away, away - away // 2, 1)):
            if 0 < step <= away:
                yield {**numbers, name: value - sign * step}
