"""What a model says of its images is done, where options do not say otherwise, and told."""

from dataclasses import replace

import onnx
import pytest

from sw.experiment.choice import Choice
from sw.experiment.described import Described, described
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
    assert described(choice, graph) == Described(
        Preparation(mean=(0.5,), deviation=(0.5,), order="bgr"),
        ("the model's Image.BitmapPixelFormat is Bgr8: --channels bgr",
         "the model's Image.NominalPixelRange is Normalized_1_1: --mean 0.5 --deviation 0.5"),
        (-1, 1))
    mine = Preparation(mean=(0.4,), order="rgb")
    choice = replace(choice, preparation=mine, asked=frozenset({"mean", "order"}))
    assert described(choice, graph) == Described(
        replace(mine, deviation=(0.5,)),
        ("the model's Image.NominalPixelRange is Normalized_1_1: --deviation 0.5",), (-0.8, 1.2))
    mine = replace(mine, deviation=(0.25, 0.5, 1.0))
    choice = replace(choice, preparation=mine, asked=frozenset({"mean", "deviation", "order"}))
    assert described(choice, graph) == Described(mine, (), (-1.6, 2.4))


@pytest.mark.parametrize(("key", "value", "told"), [
    ("BitmapPixelFormat", "Yuv\n", r"is 'Yuv\n', which is not known, and changes nothing: say --"),
    ("BitmapPixelFormat", "Gray8", "is Gray8, but it takes 3 channels, so that changes nothing"),
    ("NominalPixelRange", "0..1", "is '0..1', which is not known, and changes nothing: say --mean"),
    ("ColorSpaceGamma", "Linear", "Image.ColorSpaceGamma is 'Linear', which changes nothing"),
    ("ColorSpaceGamma", "SRGB", None)])
def test_what_a_model_says_that_is_not_done_is_told(tmp_path, key, value, told):
    own = write_own(tmp_path)
    model = onnx.load(own.onnx)
    model.metadata_props.add(key=f"Image.{key}", value=value)
    onnx.save(model, own.onnx)
    choice = Choice(origin_of(str(own.onnx)))
    found = described(choice, opened(choice.origin).graph)
    assert found.preparation == Preparation() and found.limits is None
    assert len(found.notes) == (told is not None) and all(told in note for note in found.notes)


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
    found = described(choice, graph)
    (note,), how = found.notes, found.preparation
    assert (how.mean, how.deviation) == ((mean,), (deviation,)) and told in note
    assert found.limits == ((-128 - zero) * scale, (127 - zero) * scale)
