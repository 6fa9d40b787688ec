"""Runs a network by its recipe in RTL, and shrinks it to the smallest that is wrong.

    python -m tests.random_networks RECIPE
    python -m tests.random_networks CONFIGURATION --count 2000 --seed 5

A recipe is a line as `tests.support.recipes` tells. A configuration's name alone runs random
networks on it, and shows each that is wrong with its recipe.
"""

import argparse
import random
import sys

from tests.support import exactness
from tests.support.accelerators import CONFIGS
from tests.support.drawn import draw_recipe
from tests.support.recipes import Recipe
from tests.support.shrink import shrink

__all__ = ["explore", "main", "parser"]


def explore(name: str, count: int, seed: int, first: int = 0) -> list[str]:
    """Run random networks on a configuration; returns what is wrong, each with the command that
    repeats it."""
    failures = []
    for number in range(first, first + count):
        recipe = draw_recipe(name, random.Random(f"{name}/{seed}/{number}"))
        if (found := exactness.wrong(recipe)) is not None:
            failures.append(f"{found}\n  python -m tests.random_networks {recipe}")
    return failures


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", nargs="+", metavar="RECIPE",
                        help=f"begins with a configuration, one of {', '.join(CONFIGS)}")
    parser.add_argument("--count", type=int, default=100, help="of random networks")
    parser.add_argument("--seed", type=int, default=1, help="that they are drawn from")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    args = parser().parse_args(argv)
    if len(args.recipe) == 1 and args.recipe[0] in CONFIGS:
        failures = explore(args.recipe[0], args.count, args.seed)
        print(f"{len(failures)} of {args.count} are wrong (seed {args.seed})",
              *failures[:20], sep="\n")
        return int(bool(failures))
    try:
        recipe = Recipe.parse(" ".join(args.recipe))
        if not recipe.exists:  # the error says why
            _ = recipe.program
    except ValueError as error:
        parser().error(str(error))
    found = exactness.wrong(recipe)
    print(found or "exact", flush=True)
    if found is None:
        return 0
    least = shrink(recipe, exactness.wrong)
    print(f"smallest: {least}\n{exactness.wrong(least)}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
