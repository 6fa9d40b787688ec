"""PaddleOCR's networks from their ONNX files, in RTL: which way up a line of text is."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from sw import compare
from tests.clients.test_mobilenet_v2 import folder_of

#: PP-OCR's files, in the package's wheel, as they are.
WHEEL = "rapidocr_onnxruntime"
ANGLE = "ch_ppocr_mobile_v2.0_cls_infer.onnx"
WAYS = 0, 1  # upright, upside down
#: What the accelerator is given of pixels.
PREPARATION = ["--mean", "0.5,0.5,0.5", "--deviation", "0.5,0.5,0.5"]
_BLOCK = 16


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
    assert report["accuracy"]["RTL dense-8"] >= right - 1 / len(images), report["accuracy"]
