"""What a model says of its images is done, where options do not say otherwise, and told."""

from dataclasses import replace

import onnx
import pytest

from sw.experiment.choice import Choice
from sw.experiment.described import described
from sw.graph.quantisation import Quantisation
from sw.images.preparation import Preparation
from sw.networks.naming import origin_of
from sw.networks.opening import opened
from tests.support.own import write_own


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    own = write_own(tmp_path_factory.mktemp("described"))
    model = onnx.load(own.onnx)
    for key, value in (("Image.BitmapPixelFormat", "Bgr8"),
                       ("Image.NominalPixelRange", "Normalized_1_1")):
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, own.onnx)
    return own.onnx


def test_metadata_is_done_and_told(place):
    choice = Choice(origin_of(str(place)))
    graph = opened(choice.origin).graph
    assert described(choice, graph) == (
        Preparation(mean=(0.5,), deviation=(0.5,), order="bgr"),
        ("the model's Image.BitmapPixelFormat is Bgr8: --channels bgr",
         "the model's Image.NominalPixelRange is Normalized_1_1: --mean 0.5 --deviation 0.5"))
    mine = Preparation(mean=(0.4,), order="rgb")
    assert described(replace(choice, preparation=mine, asked=frozenset({"mean", "order"})),
                     graph) == (mine, ())


@pytest.mark.parametrize(("scale", "zero", "mean", "deviation", "told"), [
    (1 / 255, -128, 0.0, 1.0, "quantised for 0 to 1: --mean 0 --deviation 1"),
    (2 / 255, 0, 0.0, 1.0, "quantised for -1 to 0.996: where that is not how"),
    (2 / 255, -1, 0.5, 0.5, "--mean 0.5 --deviation 0.5"),
    (1.0, -128, 0.0, 1 / 255, "quantised for 0 to 255: --mean 0 --deviation 0.00392157"),
    (2.0, 0, 0.0, 1 / 255, "--mean 0 --deviation 0.00392157"),
    (0.0187, -14, 0.0, 1.0, "say how it was trained with --mean and --deviation")])
def test_the_range_of_a_quantised_input_tells(tmp_path, scale, zero, mean, deviation, told):
    own = write_own(tmp_path)
    choice = Choice(origin_of(str(own.onnx)))
    graph = replace(opened(choice.origin).graph, given=Quantisation(scale, zero))
    found, (note,) = described(choice, graph)
    assert (found.mean, found.deviation) == ((mean,), (deviation,)) and told in note
