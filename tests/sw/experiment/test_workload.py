"""What the networks that come with the package are, as what can be compared."""

import re

import pytest

from sw.experiment.workload import load_workload
from sw.prune.plan import PartitionError


@pytest.mark.parametrize(("partitions", "prune"), [(1, "fc"), (4, "fc"), (8, "all")])
def test_a_network_that_comes_trained_has_the_pruned_form_that_it_was_trained_in(
        partitions, prune):
    with pytest.raises(PartitionError, match=re.escape(
            "tinyvgg16-slim was trained with --partitions 8 --prune fc; asked for "
            f"{partitions} and {prune}: train another with sw.train")):
        load_workload("tinyvgg16-slim", partitions=partitions, prune=prune, seed=1)
