"""Tiny ImageNet is decoded once; what is wrong in its folder is named."""

import numpy as np
import pytest
from PIL import Image

from sw.training.dataset import DatasetError, load_tiny_imagenet
from tests.support.training import make_tiny_imagenet


def test_tiny_imagenet_is_decoded_once(tmp_path):
    root = tmp_path / "data" / "tiny-imagenet-200"
    make_tiny_imagenet(root)
    said: list[str] = []
    for _ in range(2):
        data = load_tiny_imagenet(tmp_path / "data", cache=tmp_path / "cache", say=said.append)
    assert data.train_images.shape == (6, 3, 64, 64) and data.train_labels.tolist() == [0] * 3 + [
        1] * 3
    assert data.held_images.shape == (4, 3, 64, 64)
    assert len([s for s in said if "decoding" in s]) == 2
    with Image.open(root / "train" / "n02" / "images" / "n02_1.JPEG") as image:
        assert np.array_equal(data.train_images[4], np.asarray(image).transpose(2, 0, 1))
    small = load_tiny_imagenet(root, classes=1, per_class=2, cache=tmp_path / "cache")
    assert small.train_images.shape[0] == 2 and small.held_images.shape[0] == 2


def spoil_truncate(root, picture):
    path = root / "train" / "n02" / "images" / "n02_1.JPEG"
    path.write_bytes(path.read_bytes()[:400])


def spoil_size(root, picture):
    picture(root / "val" / "images" / "val_n01_0.JPEG", (32, 64))


def spoil_class(root, picture):
    for path in (root / "train" / "n01" / "images").iterdir():
        path.unlink()


def spoil_annotations(root, picture):
    (root / "val" / "val_annotations.txt").write_text("val_n01_0.JPEG n01\n")


def spoil_held_out(root, picture):
    (root / "val" / "images" / "val_n02_1.JPEG").unlink()


@pytest.mark.parametrize(("spoil", "message"), [
    (spoil_truncate, r"n02_1\.JPEG: cannot be decoded"),
    (spoil_size, r"val_n01_0\.JPEG: is 64x32 pixels"),
    (spoil_class, r"train/n01/images: no \.JPEG files"),
    (spoil_annotations, "line 1 is 'val_n01_0.JPEG n01'"),
    (spoil_held_out, r"val_n02_1\.JPEG: cannot be read"),
])
def test_a_spoilt_folder_is_named(tmp_path, spoil, message):
    root = tmp_path / "tiny-imagenet-200"
    spoil(root, make_tiny_imagenet(root))
    with pytest.raises(DatasetError, match=message):
        load_tiny_imagenet(root, cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").glob(".*")) if (tmp_path / "cache").exists() else True
