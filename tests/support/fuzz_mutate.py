"""Damages files: their bytes, and the values of JSON in them with all else kept right."""

import io
import json
import random
import re
import struct
import zipfile
from typing import Any, Protocol

__all__ = ["JSON", "NPZ", "TEXT", "Codec", "Safetensors", "mutate"]

_DEEP = "@deep@"
_TEXTS = ["", "x", "../../etc/passwd", "/dev/zero", "\0", "a" * 5000, "[red]", "$(id)", "é",
          "\ud800"]
#: What stands for a number in files of the worst intent.
_HOSTILE: list[Any] = [
    0, 1, -1, 2, 7, 255, 65536, 2**31, 2**32, 2**63 - 1, 2**63, 2**64, 10**400, -2**63, 1e308,
    -1e308, 1e-320, 0.5, float("inf"), float("-inf"), float("nan"), True, False, None, [], {},
    [[]], {"a": 1}, _DEEP, *_TEXTS]
_NUMBERS = ["0", "-1", "1e308", "inf", "nan", "1e400", str(2**31), str(2**63), str(10**30),
            "9" * 5000, "999999", "x", ""]
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")


class Codec(Protocol):
    """Takes the JSON out of a file, and puts another into it."""

    def decode(self, raw: bytes) -> Any: ...

    def encode(self, tree: Any, raw: bytes, draw: random.Random) -> bytes: ...


def _dump(tree: Any) -> bytes:
    return json.dumps(tree).replace(json.dumps(_DEEP), "[" * 50_000 + "]" * 50_000).encode()


class _Json:
    def decode(self, raw: bytes) -> Any:
        return json.loads(raw)

    def encode(self, tree: Any, raw: bytes, draw: random.Random) -> bytes:
        return _dump(tree)


class _Npz:
    """The header of a program; members are written with the checksum that they have."""

    def decode(self, raw: bytes) -> Any:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            return json.loads(archive.read("header.npy")[128:])

    def encode(self, tree: Any, raw: bytes, draw: random.Random) -> bytes:
        out = io.BytesIO()
        packing = draw.choice([zipfile.ZIP_STORED] * 9 + [zipfile.ZIP_DEFLATED])
        with zipfile.ZipFile(io.BytesIO(raw)) as archive, zipfile.ZipFile(out, "w", packing) as new:
            for info in archive.infolist():
                data = archive.read(info)
                if info.filename == "header.npy":
                    text = _dump(tree)
                    head = b"{'descr': '|u1', 'fortran_order': False, 'shape': (%d,), }" % len(text)
                    data = b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + head.ljust(117) \
                        + b"\n" + text
                if draw.randrange(8) == 0:
                    data = _damage(draw, data[:128]) + data[128:]
                if draw.randrange(30):
                    new.writestr(info.filename, data)
        return out.getvalue()


class Safetensors:
    """The header, and a description in its metadata under a name."""

    def __init__(self, name: str = ""):
        self.name = name

    def decode(self, raw: bytes) -> Any:
        size = struct.unpack("<Q", raw[:8])[0]
        header = json.loads(raw[8:8 + size])
        if self.name:
            header["__metadata__"][self.name] = json.loads(header["__metadata__"][self.name])
        return header

    def encode(self, tree: Any, raw: bytes, draw: random.Random) -> bytes:
        size = struct.unpack("<Q", raw[:8])[0]
        metadata = tree.get("__metadata__")
        if self.name and isinstance(metadata, dict) and self.name in metadata:
            metadata[self.name] = _dump(metadata[self.name]).decode()
        text = _dump(tree)
        data = bytearray(raw[8 + size:])
        if draw.randrange(4) == 0 and len(data) >= 8:  # NaN, infinity, anything
            at = draw.randrange(len(data) // 4) * 4
            data[at:at + 4] = draw.choice([b"\0\0\xc0\x7f", b"\0\0\x80\x7f", draw.randbytes(4)])
        return struct.pack("<Q", len(text)) + text + data


class _Text:
    """No JSON; numbers and words of a text."""

    def decode(self, raw: bytes) -> Any:
        return {"text": raw.decode("latin1")}

    def encode(self, tree: Any, raw: bytes, draw: random.Random) -> bytes:
        found = list(_NUMBER.finditer(raw))
        if not found or draw.randrange(4) == 0:
            words = raw.split(b" ")
            at = draw.randrange(len(words))
            words[at] = draw.choice([b"", words[draw.randrange(len(words))], b"{" * 30_000,
                                     b"/*" * 30_000, b'"', b"(" * 1000, b"\\", b"\xff"])
            return b" ".join(words)
        hit = draw.choice(found)
        return raw[:hit.start()] + draw.choice(_NUMBERS).encode() + raw[hit.end():]


JSON, NPZ, TEXT = _Json(), _Npz(), _Text()


def mutate(draw: random.Random, raw: bytes, codec: Codec | None) -> bytes:
    """Return a damaged copy of a file."""
    if codec is None or draw.randrange(3) == 0:
        for _ in range(draw.choice([1, 1, 1, 2, 5])):
            raw = _damage(draw, raw)
        return raw
    tree = codec.decode(raw)
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        _change(draw, tree)
    return codec.encode(tree, raw, draw)


def _damage(draw: random.Random, raw: bytes) -> bytes:
    """Change some bytes."""
    if not raw:
        return draw.randbytes(draw.randrange(100))
    data, at = bytearray(raw), draw.randrange(len(raw))
    size = draw.choice([1, 1, 2, 4, 8, 64, 1024])
    what = draw.randrange(6)
    if what == 0:
        data[at] ^= 1 << draw.randrange(8)
    elif what == 1:
        del data[at:]
    elif what == 2:
        data[at:at] = draw.randbytes(size)
    elif what == 3:
        data[at:at + size] = draw.choice([b"\0", b"\xff", b"\x7f"]) * len(data[at:at + size])
    elif what == 4:
        data[at:at] = data[:at][-size:]
    else:
        del data[at:at + size]
    return bytes(data)


def _change(draw: random.Random, tree: Any) -> None:
    """Replace, remove or repeat one value somewhere in JSON."""
    places: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        inner = node.items() if isinstance(node, dict) else \
            enumerate(node) if isinstance(node, list) else ()
        for key, value in inner:
            places.append((node, key))
            walk(value)

    walk(tree)
    if not places:
        return
    node, key = draw.choice(places)
    what = draw.randrange(8)
    if what == 0:
        del node[key]
    elif what == 1 and isinstance(node, list):
        node.insert(key, node[key])
    elif what == 2:
        other, its = draw.choice(places)
        node[key] = json.loads(json.dumps(other[its]))
    elif what == 3 and isinstance(node, dict):
        node[draw.choice(_TEXTS)] = node.pop(key)
    elif what == 4 and type(node[key]) is int:
        node[key] += draw.choice([-1, 1, 64, -64])
    else:
        value = draw.choice(_HOSTILE)
        node[key] = json.loads(json.dumps(value)) if isinstance(value, list | dict) else value
