"""What an ONNX file says of the images that it takes: ONNX's properties of images."""

from pathlib import Path

from hw.support.errors import ToolMissingError

__all__ = ["FORMATS", "RANGES", "image_properties"]

#: Image.BitmapPixelFormat -> the order of channels.
FORMATS = {"Gray8": "grey", "Rgb8": "rgb", "Bgr8": "bgr", "Rgba8": "rgb", "Bgra8": "bgr"}
#: Image.NominalPixelRange -> mean and deviation of pixels from 0 to 1.
RANGES = {"NominalRange_0_255": (0.0, 1 / 255), "Normalized_0_1": (0.0, 1.0),
          "Normalized_1_1": (0.5, 0.5), "NominalRange_16_235": (-16 / 219, 1 / 219)}


def image_properties(path: Path) -> dict[str, str]:
    """The properties `Image.*` among a file's metadata; raises ToolMissingError."""
    try:
        import onnx
    except ImportError:
        raise ToolMissingError("onnx is missing: pip install 'partita[onnx]'") from None
    model = onnx.load(path, load_external_data=False)
    return {x.key: x.value for x in model.metadata_props if x.key.startswith("Image.")}
