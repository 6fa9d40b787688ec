"""What a recipe takes, and what else weights depend on."""

import ast
import hashlib
import inspect
from dataclasses import replace
from typing import Any

import pytest

from sw.networks import architectures
from sw.training import augment, digits, fit, incremental, modules, trainer
from sw.training.recipe import FitError
from tests.support.training import RECIPE


@pytest.mark.parametrize(("change", "message"), [
    ({"epochs": -1}, "epochs is -1"), ({"batch": 1}, "batch is 1"), ({"rate": 0.0}, "rate is 0"),
    ({"gradual": 1.5}, "gradual is 1.5"), ({"distil": -0.1}, "distil is -0.1")])
def test_a_bad_recipe_names_the_field(change, message):
    with pytest.raises(FitError, match=message):
        replace(RECIPE, **change).validate()


@pytest.mark.parametrize("rate", [10.0, 1e-9])
def test_a_rate_that_the_option_takes_is_one_that_a_recipe_takes(rate):
    replace(RECIPE, rate=rate).validate()


#: What decides the weights that are cached, beside what their keys hold: a recipe's values and, of
#: pruned ones, the plan and the dense weights.
DECIDING = (
    (architectures, ("_convolutions", "_classifier", "slim_digits", "digits_partition")),
    (augment, ("random_shifts",)),
    (fit, ("Batches", "_rate", "_fade", "_fade_masked", "_step_seed", "_optimiser", "_Drawn",
           "_loss", "fit")),
    (modules, ("weight_masks",)),
    (trainer, ("Trainer._fresh", "Trainer.dense", "Trainer.pruned")),
    (digits, ("digits_task",)), (incremental, ("train_partition",)))
#: `RECIPE_VERSION`, and the digest of `DECIDING` as it is under it.
RECORDED = (1, "24192364faed1a24")


class _Bare(ast.NodeTransformer):
    """Leaves out what people read: docstrings and messages."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if text else self.generic_visit(node)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return ast.Constant("")


def bare(text: str, name: str = "") -> str:
    """A definition of a text, such as "Class.method", or all of it, without what people read."""
    tree: Any = ast.parse(text)
    for part in name.split(".") if name else ():
        tree = next(n for n in tree.body if getattr(n, "name", "") == part)
    return ast.unparse(_Bare().visit(tree))


def test_weights_from_a_cache_are_those_that_would_be_trained():
    texts = [bare(inspect.getsource(module), name) for module, names in DECIDING for name in names]
    now = digits.RECIPE_VERSION, hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
    assert now == RECORDED, (
        "what trains networks for the cache has changed: if their weights may differ, raise "
        f"RECIPE_VERSION in sw/training/digits.py; then record {now} here")


def test_words_decide_no_weights_and_numbers_do():
    text = 'def f(x):\n    "Doc."\n    if x:\n        raise ValueError(f"{x} of 3")\n    return 1\n'
    assert bare(text, "f") == bare(text.replace("Doc.", "Text.").replace("of 3", "of 4") + "# 5")
    assert bare(text) != bare(text.replace("return 1", "return 2"))
