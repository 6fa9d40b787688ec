"""Images from folders, arrays and callables, prepared as a network takes them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sw.images.dataset import load_images, read_labels
from sw.images.errors import ImageError
from sw.images.preparation import Preparation
from sw.networks.callables import CallableError
from tests.support.own import SHAPE, write_own


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return write_own(tmp_path_factory.mktemp("images"))


def load(place, shape=SHAPE, preparation=None, count=None, outputs=5, names=None):
    return load_images(Path(place), shape, preparation or Preparation(), count, outputs=outputs,
                       names=names)


def test_a_folder_of_class_folders_has_labels(own):
    found = load(own.images)
    assert found.images.shape == (15, *SHAPE) and found.images.dtype == np.float32
    assert found.names == tuple("abcde") and sorted(found.labels) == sorted([*range(5)] * 3)
    assert found.source.startswith("15 of 15 images of")
    named = load(own.images, names=tuple("edcba"))
    assert sorted(found.labels + named.labels) == [4] * 15
    few = load(own.images, count=4)
    np.testing.assert_array_equal(few.images, found.images[:4])


def test_images_without_folders_have_none(own):
    found = load(own.images / "a")
    assert len(found) == 3 and found.labels is None


def test_a_crop_is_of_the_centre_and_values_are_normalised(tmp_path):
    pixels = np.zeros((10, 20, 3), np.uint8)
    pixels[:, 5:15] = (255, 0, 51)
    Image.fromarray(pixels).save(tmp_path / "x.png")
    plain = load(tmp_path, (3, 10, 10))
    np.testing.assert_allclose(plain.images[0][:, 4, 4], [1, 0, 0.2])
    assert plain.images[0][0].min() == 1  # nothing of the border
    bgr = load(tmp_path, (3, 10, 10), Preparation(mean=(0.5,), deviation=(0.5, 1.0, 0.25),
                                                  order="bgr"))
    np.testing.assert_allclose(bgr.images[0][:, 4, 4], [-0.6, -0.5, 2.0], atol=1e-6)
    whole = load(tmp_path, (3, 10, 10), Preparation(crop="none"))
    assert whole.images[0][0].min() < 0.5
    grey = load(tmp_path, (1, 10, 10))
    assert grey.images.shape == (1, 1, 10, 10)


def test_pixels_of_sixteen_bits_are_scaled_as_those_of_eight(tmp_path):
    pixels = np.arange(0, 256, 4, dtype=np.uint16).reshape(8, 8)
    for name, image in (("deep", pixels * 257), ("plain", pixels.astype(np.uint8))):
        (tmp_path / name).mkdir()
        Image.fromarray(image).save(tmp_path / name / "x.png")
    deep, plain = (load(tmp_path / name, (1, 8, 8)).images for name in ("deep", "plain"))
    np.testing.assert_array_equal(deep, plain)
    (tmp_path / "real").mkdir()
    Image.fromarray(pixels.astype(np.float32)).save(tmp_path / "real" / "x.tiff")
    with pytest.raises(ImageError, match=r"x\.tiff: its pixels are real .* PNG or TIFF of 8 or"):
        load(tmp_path / "real", (1, 8, 8))


def test_arrays_of_real_numbers_are_taken_as_they_are_and_bytes_as_pixels(own, tmp_path):
    with np.load(own.npz) as stored:
        images, labels = stored["images"], stored["labels"]
    found = load(own.npz)
    order = [int(np.flatnonzero((images == x).all((1, 2, 3)))[0]) for x in found.images]
    np.testing.assert_array_equal(labels[order], found.labels)
    for shape in ((2, 16, 16, 3), (2, 3, 16, 16)):
        np.savez(tmp_path / "b.npz", images=np.full(shape, 51, np.uint8))
        np.testing.assert_allclose(load(tmp_path / "b.npz").images, 0.2)


def test_a_callable_gives_images_and_labels(own):
    found = load(f"{own.source}:images")
    assert sorted(found.labels) == [0, 1, 2, 3] and (found.images == 1).all()
    with pytest.raises(CallableError, match="no such thing"):
        load(f"{own.source}:broken")
    with pytest.raises(ImageError, match="images are int64"):
        load(f"{own.source}:nothing")


@pytest.mark.parametrize(("given", "message"), [
    ({"images": np.zeros((2, 3, 8, 8), np.float32)}, r"images are \[3, 8, 8\]; the network takes"),
    ({"images": np.full((2, *SHAPE), np.nan, np.float32)}, "hold NaN or infinity"),
    ({"images": np.zeros((0, *SHAPE))}, "N of 1 or more"),
    ({"images": np.array(["a", "b"])}, "must be numbers"),
    ({"pictures": np.zeros(3)}, "has no array 'images'; it has 'pictures'"),
    ({"images": np.zeros((2, *SHAPE)), "labels": np.zeros(3, int)}, r"must be whole numbers \[2\]"),
    ({"images": np.zeros((2, *SHAPE)), "labels": np.array([0.5, 1])}, "must be whole numbers"),
    ({"images": np.zeros((2, *SHAPE)), "labels": np.array([0, 5])}, "gives 5 outputs, from 0"),
    ({"images": np.array([{}, {}])}, "is no .npz file of arrays"),
    ({"images": np.zeros((2, 16, 16, 4), np.uint8)}, "of 1 or 3 channels")])
def test_arrays_that_are_not_for_a_network(tmp_path, given, message):
    np.savez(tmp_path / "x.npz", **given)
    with pytest.raises(ImageError, match=message):
        load(tmp_path / "x.npz")


def test_files_that_are_no_images(own, tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(ImageError, match="holds no image"):
        load(tmp_path)
    (tmp_path / "a" / "x.png").write_bytes(b"\x89PNG no image")
    with pytest.raises(ImageError, match=r"a/x.png: is no image that can be read"):
        load(tmp_path, outputs=1)
    (tmp_path / "x.npz").write_bytes(b"no archive")
    with pytest.raises(ImageError, match=r"is no .npz file"):
        load(tmp_path / "x.npz")
    with pytest.raises(ImageError, match=r"is no folder of images, no .npz file"):
        load(tmp_path / "a" / "x.png")
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")


@pytest.mark.parametrize(("preparation", "shape", "message"), [
    (Preparation(mean=(0.1, 0.2)), SHAPE, "--mean has 2 numbers; the network takes 3 channels"),
    (Preparation(order="grey"), SHAPE, "--channels is grey; the network takes 3 channels"),
    (Preparation(size=8), SHAPE, "--size is 8; the network takes 16x16"),
    (Preparation(size=32, crop="none"), SHAPE, "--size is 32; with --crop none"),
    (Preparation(), (4, 16, 16), "takes 4 channels; an image has 1 or 3")])
def test_a_preparation_must_go_with_the_network(own, preparation, shape, message):
    with pytest.raises(ImageError, match=message):
        load(own.images, shape, preparation)


def test_names_of_outputs(own, tmp_path):
    (tmp_path / "names.txt").write_text("cat\ndog\n\n")
    assert read_labels(str(tmp_path / "names.txt")) == ("cat", "dog")
    assert read_labels("cat, dog") == ("cat", "dog")
    for text, message in (("cat", "must be a file with a name a line"),
                          ("a,,b", "has an empty name")):
        with pytest.raises(ImageError, match=message):
            read_labels(text)
    with pytest.raises(ImageError, match="--labels has 2 names; the network gives 5 outputs"):
        load(own.images, names=("a", "b"))
    with pytest.raises(ImageError, match=r"images/a: is no output of the network by --labels; did"):
        load(own.images, names=("aa", "b", "c", "d", "e"))
    assert read_labels("crane,crane") == ("crane", "crane")  # as ImageNet has it
    with pytest.raises(ImageError, match="images/b: is the name of 2 outputs by --labels; give"):
        load(own.images, names=("a", "b", "b", "c", "d"))


def test_folders_of_some_classes_alone_need_names(own):
    """As the numbers of the others would be guessed."""
    with pytest.raises(ImageError, match="images: has folders of 5 classes; the network gives 9 "
                       "outputs: say which is which by --labels"):
        load(own.images, outputs=9)
    assert load(own.images, outputs=9, names=tuple("zyxwedcba")).labels is not None
