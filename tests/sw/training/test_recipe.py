"""What a recipe takes."""

from dataclasses import replace

import pytest

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
