"""Steps under a mask, and resuming."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from sw.training.fit import fit
from sw.training.recipe import FitError
from tests.support.training import RECIPE, batches

pytestmark = pytest.mark.trains


def test_masks_hold_after_every_step(task):
    net = task.make()
    torch.manual_seed(1)
    mask = (torch.rand_like(net.fc1.weight) > 0.5).float()
    seen = []

    def look(step, steps, loss):
        seen.append(bool((net.fc1.weight[mask == 0] == 0).all()))

    fit(net, batches(task), RECIPE, masks={"fc1.weight": mask}, progress=look)
    assert len(seen) >= 2 and all(seen)


def test_gradual_pruning_fades_weights_before_they_vanish(task):
    net = task.make()
    mask = torch.zeros_like(net.fc1.weight)
    size = []
    fit(net, batches(task), replace(RECIPE, gradual=1.0, epochs=2), masks={"fc1.weight": mask},
        progress=lambda *a: size.append(float(net.fc1.weight.detach().abs().mean())))
    assert 0 < size[1] < size[0] and size[-1] == 0


def test_drop_out_takes_the_share_that_the_recipe_says(task):
    def trained(**how) -> tuple[nn.Module, torch.Tensor]:
        torch.manual_seed(3)
        net = task.make()
        fit(net, batches(task), replace(RECIPE, **how), masks={})
        return net, net.fc2.weight

    own, half = trained(), trained(dropout=0.5)
    none = trained(dropout=0.0)
    assert torch.equal(own[1], half[1]) and not torch.equal(own[1], none[1])
    assert {m.p for m in none[0].modules() if isinstance(m, nn.Dropout)} == {0.0}
    with pytest.raises(FitError, match="dropout is 1"):
        trained(dropout=1.0)


def test_products_in_bfloat16_learn_nearly_the_same(task):
    def loss(precision: str) -> list[float]:
        torch.manual_seed(3)
        seen: list[float] = []
        fit(task.make(), batches(task), replace(RECIPE, precision=precision, epochs=2), masks={},
            progress=lambda step, steps, loss: seen.append(loss))
        return seen

    exact, short = loss("float32"), loss("bfloat16")
    assert exact != short and short == pytest.approx(exact, rel=0.05)
    assert short[-1] < 0.95 * short[0]
    with pytest.raises(FitError, match="precision is half"):
        loss("half")


def interrupted_in_step(net: nn.Module, step: int) -> nn.Module:
    """A network in whose forward pass of a step Ctrl-C comes, after its statistics have changed."""
    steps = iter(range(1, step + 1))

    def interrupt(module, inputs, output):
        if next(steps) == step:
            raise KeyboardInterrupt

    net.register_forward_hook(interrupt)
    return net


def test_an_interrupted_run_ends_at_the_same_weights(task, tmp_path):
    recipe = replace(RECIPE, epochs=2)

    def fresh() -> nn.Module:
        torch.manual_seed(9)
        return task.make()

    whole = fresh()
    fit(whole, batches(task), recipe, masks={})
    state = tmp_path / "x.state"
    with pytest.raises(KeyboardInterrupt) as stopped:
        fit(interrupted_in_step(fresh(), 19), batches(task), recipe, masks={}, state=state)
    assert "after step 18 of 44" in stopped.value.__notes__[0]
    assert state.is_file()
    torch.manual_seed(1234)  # what came before must not matter
    resumed = task.make()
    fit(resumed, batches(task), recipe, masks={}, state=state)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name


def test_a_state_of_another_run_or_a_broken_one_is_refused(task, tmp_path):
    state = tmp_path / "x.state"
    with pytest.raises(KeyboardInterrupt):
        fit(interrupted_in_step(task.make(), 1), batches(task), RECIPE, masks={}, state=state)
    with pytest.raises(FitError, match="another run"):
        fit(task.make(), batches(task), replace(RECIPE, rate=1e-4), masks={}, state=state)
    state.write_bytes(b"nonsense")
    with pytest.raises(FitError, match=r"x\.state: not a training state"):
        fit(task.make(), batches(task), RECIPE, masks={}, state=state)


def test_a_diverging_loss_is_said_with_a_remedy(task):
    with pytest.raises(FitError, match="lower --rate"):
        net = task.make()
        with torch.no_grad():
            net.fc3.bias[0] = float("nan")
        fit(net, batches(task), RECIPE, masks={})
