"""Finds the smallest recipe that still fails."""

from collections.abc import Callable, Iterator
from dataclasses import replace

from .operators import OPERATORS
from .recipes import RUN, LayerRecipe, Recipe

__all__ = ["shrink", "smaller"]

#: Numbers that say how far back the value is that is read.
_READS = ("back", "a", "b")


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
        yield replace(recipe, layers=_without(layers, k))
    for numbers in _simpler(recipe.run, RUN):
        yield replace(recipe, run=numbers)
    for k, layer in enumerate(layers):
        for numbers in _simpler(layer.numbers, OPERATORS[layer.operator].simplest):
            yield replace(recipe, layers=(
                *layers[:k], LayerRecipe(layer.operator, numbers), *layers[k + 1:]))


def _without(layers: tuple[LayerRecipe, ...], k: int) -> tuple[LayerRecipe, ...]:
    """All but one, and its terms; what reads it reads what it has read."""
    past = k + 1
    while past < len(layers) and layers[past].operator == "plus":
        past += 1
    if layers[k].operator == "plus":
        return layers[:k] + layers[k + 1:]
    gone = sum(x.operator != "plus" for x in layers[:k]) + 1  # number of the value; 0 is the input
    instead = gone - 1 - next(layers[k].numbers[n] for n in _READS if n in layers[k].numbers)
    kept, last = list(layers[:k]), gone
    for layer in layers[past:]:
        numbers, term = dict(layer.numbers), layer.operator == "plus"
        for name in _READS:
            if name in numbers:
                read = last - numbers[name] - term
                read = instead if read == gone else read - (read > gone)
                numbers[name] = last - 1 - read - term
        kept.append(LayerRecipe(layer.operator, numbers))
        last += not term
    return tuple(kept)


def _simpler(numbers, simplest) -> Iterator[dict[str, int]]:
    for name, least in simplest.items():
        value = numbers[name]
        away = abs(value - least)
        sign = 1 if value > least else -1
        for step in dict.fromkeys((away, away - away // 2, 1)):
            if 0 < step <= away:
                yield {**numbers, name: value - sign * step}
