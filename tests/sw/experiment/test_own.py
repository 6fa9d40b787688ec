"""How images are prepared is told where any are, and options for it are refused where none are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sw.experiment.choice import Choice
from sw.experiment.own import is_cut, pixels_of, silence
from sw.experiment.parted import load_parted
from sw.images.errors import ImageError
from sw.images.preparation import Preparation
from sw.networks.naming import origin_of
from sw.networks.opening import opened
from sw.prune.partition import partition
from tests.support.own import write_own


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return write_own(tmp_path_factory.mktemp("own"))


def notes_of(own, data: Path | None, calibration: Path | None = None, *asked: str) -> str:
    choice = Choice(origin_of(str(own.onnx)), data, calibration, None, Preparation(mean=(0.5,)),
                    frozenset(asked))
    found = pixels_of(choice, opened(choice.origin).graph, count=2, seed=1)
    return "; ".join(found.notes)


def test_pixels_are_prepared_and_real_numbers_are_not(own, tmp_path):
    whole = tmp_path / "bytes.npz"
    np.savez(whole, images=np.zeros((4, 20, 20, 3), np.uint8))
    for pixels in (own.images, whole):
        assert "images prepared: shorter side" in notes_of(own, pixels)
        assert "(pixel / 255 - 0.5) / 1" in notes_of(own, pixels, None, "mean")
        mixed = notes_of(own, pixels, own.npz, "mean")
        assert f"(not those of {own.npz}: real numbers" in mixed
    assert "prepared" not in notes_of(own, own.npz)


def test_options_for_pixels_are_refused_where_there_are_none(own):
    for names, options in ((("mean",), "--mean"), (("order", "crop"), "--crop, --channels"),
                           (("deviation", "size"), "--deviation, --size")):
        with pytest.raises(ImageError, match=f"^{options}: would change nothing, as of .*images.npz"
                           " real numbers are taken as they are: leave it out"):
            notes_of(own, own.npz, None, *names)
    with pytest.raises(ImageError, match=r"^--crop: would change nothing, as no images"):
        notes_of(own, None, None, "crop", "mean")
    assert "seeded" in notes_of(own, None, None, "mean")  # of which noise is drawn


def test_what_accuracy_is_measured_on_is_known(own):
    def load(data: Path | None):
        return load_parted(Choice(origin_of(str(own.onnx)), data), 2, prune="all", plan=None,
                           images=1, seed=1, say=lambda text: None)

    labelled, seeded = load(own.images), load(None)
    assert (labelled.source, labelled.guessed) == (f"15 of 15 images of {own.images}", False)
    assert seeded.source == f"{len(seeded.images)} seeded images" and seeded.guessed
    assert labelled.notes[0].startswith("n7 pruned in 2 parts, without training")
    assert any(note.startswith("no labels: ") for note in seeded.notes)


def test_a_network_of_zeros_is_told_and_is_nobodys_fine_tuning(own):
    graph = opened(origin_of(str(own.onnx))).graph
    assert silence(graph) == []
    first, *rest = graph.layers
    zeros = replace(graph, layers=(first, *(replace(x, weight=0 * x.weight) for x in rest)))
    names = ", ".join(x.name for x in rest)
    assert silence(zeros) == [f"all weights are zero in {names}: what comes out there is the same "
                              "for every image"]
    name = rest[0].name
    assert not is_cut(zeros, partition(zeros, [name], 2, "identity", seed=1))
    plan = partition(graph, [name], 2, "identity", seed=1)
    assert not is_cut(graph, plan)
    layers = [replace(x, weight=np.where(plan.mask(0)[..., None, None], x.weight, 0))
              if x.name == name else x for x in graph.layers]
    assert is_cut(replace(graph, layers=tuple(layers)), plan)
    layers[0] = replace(first, weight=0 * first.weight)  # which is none of the plan's
    assert is_cut(replace(graph, layers=tuple(layers)), plan)
