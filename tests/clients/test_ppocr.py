"""PaddleOCR's networks from their ONNX files, in RTL: where a page has lines of text, and which way
up a line is."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from sw import api, compare
from tests.clients.test_mobilenet_v2 import folder_of

#: PP-OCR's files, in the package's wheel, as they are.
WHEEL = "rapidocr_onnxruntime"
ANGLE = "ch_ppocr_mobile_v2.0_cls_infer.onnx"
LINES = "ch_PP-OCRv4_det_infer.onnx"
WAYS = 0, 1  # upright, upside down
#: What the accelerator is given of pixels.
PREPARATION = ["--mean", "0.5,0.5,0.5", "--deviation", "0.5,0.5,0.5"]
_BLOCK = 16
#: Of a page that the network for lines takes: its sides are multiples of 32.
HIGH, WIDE = 192, 384
#: The least value of its map that is text, as PaddleOCR has it, and the area that is a line.
TEXT, AREA = 0.3, 20


def models() -> Path:
    return folder_of(WHEEL) / "models"


def page() -> tuple[np.ndarray, np.ndarray]:
    """scikit-image's photograph of a page, uint8[191, 384], and where its ink is."""
    with Image.open(folder_of("skimage") / "data" / "page.png") as image:
        grey = np.asarray(image.convert("L"))
    high, wide = (size // _BLOCK for size in grey.shape)
    blocks = grey[:high * _BLOCK, :wide * _BLOCK].reshape(high, _BLOCK, wide, _BLOCK)
    paper = np.percentile(blocks.swapaxes(1, 2).reshape(high, wide, -1), 90, axis=2)
    light = Image.fromarray(paper.astype(np.float32)).resize(
        grey.shape[::-1], Image.Resampling.BILINEAR)
    return grey, grey < 0.65 * np.asarray(light)


def pieces_of_lines() -> np.ndarray:
    """Pieces of the page's lines of text, uint8[n, 48, 192, 3]."""
    grey, ink = page()
    edges = np.flatnonzero(np.diff(ink.mean(1) > 0.03, prepend=False, append=False))
    found = []
    for top, below in edges.reshape(-1, 2):
        if not 10 <= below - top <= 17:
            continue
        line = slice(top - 2, below + 2)
        width = 4 * (below - top + 4)
        for left in range(4, grey.shape[1] - width, width):
            if ink[line, left:left + width].mean() > 0.08:
                piece = Image.fromarray(grey[line, left:left + width]).convert("RGB")
                found.append(np.asarray(piece.resize((192, 48), Image.Resampling.BILINEAR)))
    return np.stack(found)


def told_by(path: Path, images: np.ndarray) -> np.ndarray:
    """What onnxruntime gives for pixels uint8[n, H, W, 3]."""
    session = onnxruntime.InferenceSession(str(path))
    x = ((images / 255 - 0.5) / 0.5).astype(np.float32).transpose(0, 3, 1, 2)
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def compared(capsys: pytest.CaptureFixture[str], *options: str) -> dict:
    code = compare.main([*options, *PREPARATION, "--tables", "--log-entries", "128", "--arms",
                         "dense-N", "--no-toggles", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert code == 0 and report["bit_exact"]
    return report


@pytest.mark.slow
@pytest.mark.builds
@pytest.mark.filterwarnings("ignore:.*softmax at the end")
def test_which_way_up_lines_are(tmp_path, capsys):
    upright = pieces_of_lines()
    images = np.concatenate([upright, upright[:, ::-1, ::-1]])
    labels = np.repeat(WAYS, len(upright))
    assert len(upright) >= 20
    right = (told_by(models() / ANGLE, images).argmax(1) == labels).mean()
    assert right > 0.95
    np.savez(tmp_path / "lines.npz", images=images, labels=labels)
    report = compared(
        capsys, "--network", str(models() / ANGLE), "--input-shape", "3x48x192",
        "--data", str(tmp_path / "lines.npz"), "--images", str(len(images)))
    assert report["accuracy"]["RTL dense-8"] >= right - 3 / len(images), report["accuracy"]


def drawn_pages(n: int) -> np.ndarray:
    """Pages of words in the font of Pillow, unevenly lit, uint8[n, HIGH, WIDE, 3]."""
    rng = np.random.default_rng(0)
    words = ["the", "of", "image", "threshold", "region", "value", "marker", "map", "background"]
    pages = []
    for _ in range(n):
        page = Image.new("L", (WIDE, HIGH), int(rng.integers(150, 250)))
        size = int(rng.integers(10, 20))
        for y in range(4, HIGH - 12, int(size * 1.4)):
            ImageDraw.Draw(page).text(
                (int(rng.integers(2, 20)), y), " ".join(rng.choice(words, 12)),
                fill=int(rng.integers(80)), font=ImageFont.load_default(size))
        light = np.linspace(rng.uniform(0.6, 1), rng.uniform(0.6, 1), WIDE)
        pages.append(np.clip(np.asarray(page) * light + rng.normal(0, 4, (HIGH, WIDE)), 0, 255))
    return np.repeat(np.stack(pages).astype(np.uint8)[..., None], 3, axis=-1)


def pixels_for_lines(pages: np.ndarray) -> np.ndarray:
    """Of uint8[n, H, W, 3], what the network for lines takes, float32[n, 3, H, W]."""
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    return ((pages / 255 - mean) / deviation).astype(np.float32).transpose(0, 3, 1, 2)


def lines_in(text: np.ndarray) -> list[tuple[slice, slice]]:
    """Rectangles around what is text in a map of it, [H, W]."""
    found = ndimage.find_objects(ndimage.label(text > TEXT)[0])
    return [box for box in found if area(box) > AREA]


def area(box: tuple[slice, ...]) -> int:
    return int(np.prod([max(side.stop - side.start, 0) for side in box]))


def overlap(a: tuple[slice, slice], b: tuple[slice, slice]) -> float:
    """Of two rectangles, the area in both by the area in either."""
    both = area(tuple(slice(max(s.start, t.start), min(s.stop, t.stop))
                      for s, t in zip(a, b, strict=True)))
    return both / (area(a) + area(b) - both)


@pytest.mark.slow
@pytest.mark.builds
def test_where_a_page_has_lines():
    grey = np.pad(page()[0], ((0, 1), (0, 0)), mode="edge")
    x = pixels_for_lines(np.repeat(grey[None, ..., None], 3, axis=-1))
    session = onnxruntime.InferenceSession(str(models() / LINES))
    wanted = lines_in(session.run(None, {session.get_inputs()[0].name: x})[0][0, 0])
    assert len(wanted) == 7
    network = api.quantise(api.capture_onnx(models() / LINES, (3, HIGH, WIDE)),
                           pixels_for_lines(drawn_pages(12)), symmetric=False)
    config = api.PRESETS["default"].replace(array__tables=True, buffers__log_entries=128)
    image = network.quantise_input(x[0])
    outputs = api.run(api.compile_graph(network, config), image).outputs
    expected = api.run_golden(network, image)
    for layer, y, right in zip(network.layers, outputs, expected, strict=True):
        assert y is not None and np.array_equal(y, right), layer.name
    found = lines_in(network.real_output(expected[-1])[0])
    assert len(found) == len(wanted)
    assert all(max(overlap(line, other) for other in found) > 0.7 for line in wanted)
