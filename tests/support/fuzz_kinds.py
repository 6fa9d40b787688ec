"""The kinds of files that are read: how a good one is made, and how it is loaded."""

import gzip
import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from boards.catalogue import BOARDS
from boards.deploy.bundle import BUNDLE, read_bundle, write_bundle
from boards.deploy.task import Task
from boards.flow.build import MANIFEST, load_manifest
from boards.gateware.system import identity
from boards.host.client import SerialBackend
from boards.host.errors import LinkError
from boards.protocol import ANSWER, Op, body, frame
from hw.config import PRESETS
from hw.fpga.devices import DEVICES
from hw.fpga.floorplan import Site
from hw.fpga.planfile import kept_floorplan, write_floorplan
from hw.support.reading import FileFormatError, read_config, read_json
from sim.gates.liberty import LibertyError, read_liberty
from sim.waves.vcd import VcdError, read_vcd
from sw.compiler import compile_graph
from sw.compiler.program import Program
from sw.compiler.programfile import ProgramError
from sw.graph.artefact import load_integer, save_integer
from sw.graph.integer import GraphError, IntegerGraph, Join, Layer, Pool, Term
from sw.prune.plan import PartitionError, PartitionPlan
from sw.training import fit
from sw.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from sw.training.dataset import DatasetError, load_tiny_imagenet

from .fuzz_mutate import JSON, NPZ, TEXT, Codec, Safetensors

__all__ = ["KINDS", "Kind"]

_CONFIG = PRESETS["tiny"]
_BOARD = BOARDS["ulx3s-85f"]


@dataclass(frozen=True)
class Kind:
    """Members: `make` writes a good file into a folder, `load` reads one, `error` is all that
    it may raise, `codec` finds the values of JSON in it, and `names_file`: errors name it."""

    make: Callable[[Path], Path]
    load: Callable[[Path], object]
    error: type[Exception]
    codec: Codec | None = None
    names_file: bool = True


def _graph() -> IntegerGraph:
    rng = np.random.default_rng(0)

    def layer(name, in_shape, out, kernel, conv, **more) -> Layer:
        shape = (out, *conv)
        return Layer(name, rng.integers(-128, 128, (out, in_shape[0], *kernel), np.int8),
                     rng.integers(-9, 9, out, np.int32), np.full(out, 500, np.uint16),
                     np.full(out, 14, np.uint8), 0, 127, (1, 1), (kernel[0] // 2, kernel[1] // 2)
                     if kernel != conv else (0, 0), 1, in_shape, shape,
                     more.pop("out_shape", shape), **more)

    return IntegerGraph("fuzz", (
        layer("conv", (3, 8, 8), 8, (3, 3), (8, 8), out_shape=(8, 4, 4),
              pool=Pool((2, 2), (2, 2), (0, 0), (4, 4))),
        layer("more", (8, 4, 4), 8, (3, 3), (4, 4)),
        Layer("fc", rng.integers(-128, 128, (5, 8, 4, 4), np.int8), np.zeros(5, np.int32),
              np.full(5, 500, np.uint16), np.full(5, 14, np.uint8), -128, 127, (1, 1), (0, 0), 1,
              (8, 4, 4), (5, 1, 1), (5, 1, 1))), 0.01, 0.1)


def _branches() -> IntegerGraph:
    """The network with a sum and a join in it."""
    chain = _graph()
    conv, more, fc = chain.layers
    skip = Term("conv", np.full((8, 1, 1, 1), 99, np.int8), (1, 1), (0, 0), 8, (8, 4, 4),
                (8, 4, 4))
    weight = np.concatenate([fc.weight, fc.weight], axis=1)
    return replace(chain, joins=(Join("both", ("conv", "more")),), layers=(
        conv, replace(more, terms=(skip,)),
        replace(fc, source="both", weight=weight, in_shape=(16, 4, 4))))


def _net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))


def _program(folder: Path) -> Path:
    compile_graph(_graph(), _CONFIG, batch=2).save(folder / "net.npz")
    return folder / "net.npz"


def _plan(folder: Path) -> Path:
    PartitionPlan(2, ("a", "b"), tuple(np.array([0, 1, 1, 0] * k) for k in (1, 2, 3)), (0.5, 0.75),
         (1.0, 1.25), "optimised", 1).save(folder / "plan.json")
    return folder / "plan.json"


def _integer(folder: Path) -> Path:
    save_integer(_branches(), folder / "net.safetensors")
    return folder / "net.safetensors"


def _checkpoint(folder: Path) -> Path:
    save_checkpoint(_net(), folder / "net.safetensors", {"identity": "fuzz"})
    return folder / "net.safetensors"


def _training() -> tuple[nn.Module, torch.optim.Optimizer]:
    net = _net()
    return net, torch.optim.AdamW(net.parameters())


def _state(folder: Path) -> Path:
    net, optimiser = _training()
    net(torch.ones(2, 3)).sum().backward()
    optimiser.step()
    fit._save_state(folder / "net.state", net, optimiser, "fuzz", 7)
    return folder / "net.state"


_LIBERTY = """library ("toy") { /* a comment */
  capacitive_load_unit (1.0, "pf"); nom_voltage : 1.8;
  operating_conditions ("tt") { voltage : 2.0; }
  cell ("inv") { area : 1; cell_leakage_power : 0.5;
    pin ("A") { direction : "input"; capacitance : 0.01; }
    pin ("Y") { direction : "output"; function : "!A";
      internal_power () { related_pin : "A";
        rise_power ("t") { index_1 ("0.0, 0.1"); index_2 ("0.0, 0.1");
          values ("0.10, 0.20", \\
                  "0.20, 0.30"); }
        fall_power ("t") { index_1 ("0.0, 0.1"); values ("0.10, 0.20"); }
        power (scalar) { values ("0.10"); } } } }
  cell ("dff") { area : 4; ff ("IQ", "IQ_N") { clocked_on : "CLK"; next_state : "D"; }
    pin ("Q") { direction : "output"; function : "IQ"; } }
}
"""


def _liberty(folder: Path) -> Path:
    (folder / "toy.lib").write_text(_LIBERTY)
    return folder / "toy.lib"


def _liberty_gz(folder: Path) -> Path:
    (folder / "toy.lib.gz").write_bytes(gzip.compress(_LIBERTY.encode()))
    return folder / "toy.lib.gz"


def _board(folder: Path) -> Path:
    (folder / MANIFEST).write_text(json.dumps({
        "manifest": "partita.board", "version": 1, "board": _BOARD.name,
        "config": _BOARD.config.to_dict(), "config_digest": _BOARD.config.digest,
        "bitstream": _BOARD.bitstream, "bitstream_bytes": 100,
        "written": {_BOARD.bitstream: "0" * 64}}))
    return folder / MANIFEST


def _bundle(folder: Path) -> Path:
    graph = _graph()
    write_bundle(folder, Task(compile_graph(graph, _CONFIG), graph, (
        np.ones(graph.in_shape, np.int8),)), _BOARD)
    return folder / BUNDLE.manifest


def _floorplan(folder: Path) -> Path:
    write_floorplan(folder / "plan.json", {
        (n, "a.ram"): Site.named(f"X{n}/Y2/EBR") for n in range(2)}, _CONFIG, DEVICES["ecp5-85k"])
    return folder / "plan.json"


def _config(folder: Path) -> Path:
    (folder / "config.json").write_text(json.dumps({"config": _CONFIG.to_dict()}))
    return folder / "config.json"


def _images(folder: Path) -> Path:
    """A whole data set of one class; returns its one training image."""
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    for file in ("train/n01/images/n01_0.JPEG", "val/images/val_0.JPEG"):
        (folder / file).parent.mkdir(parents=True)
        Image.fromarray(pixels).save(folder / file, "JPEG")
    (folder / "wnids.txt").write_text("n01\n")
    (folder / "val" / "val_annotations.txt").write_text("val_0.JPEG\tn01\t0\t0\t63\t63\n")
    return folder / "train/n01/images/n01_0.JPEG"


def _load_images(root: Path) -> None:
    try:
        load_tiny_imagenet(root, cache=root / "cache")
    finally:
        shutil.rmtree(root / "cache", ignore_errors=True)


def _vcd(folder: Path) -> Path:
    (folder / "x.vcd").write_text(
        "$timescale 1ps $end\n$scope module top $end\n$var wire 1 ! clk $end\n"
        "$scope module core $end\n$var wire 4 % data [3:0] $end\n$upscope $end\n$upscope $end\n"
        "$enddefinitions $end\n#0\n0!\nb0101 %\n#1\n1!\n#2\n0!\nb1x00 %\n")
    return folder / "x.vcd"


class _Frames:
    """What a peer sends, as JSON: op, sequence, status and data of each answer."""

    def decode(self, raw: bytes) -> list:
        first = (random.Random(1).getrandbits(16) + 1) & 0xFFFF
        return [[op | ANSWER, first + k, 0, list(data)] for k, (op, data) in enumerate((
            (Op.HELLO, identity(_CONFIG)), (Op.READ_REGISTER, b"abcd"),
            (Op.READ_MEMORY, bytes(16)), (Op.WRITE_REGISTER, b"")))]

    def encode(self, tree: list, raw: bytes, draw: random.Random) -> bytes:
        def number(value: object) -> int:
            return value if type(value) is int else 0

        out = b""
        for entry in tree:
            op, sequence, status, data = [*(entry if isinstance(entry, list) else []), 0, 0, 0,
                                          []][:4]
            data = bytes(number(b) & 0xFF for b in (data if isinstance(data, list) else []))
            out += frame(body(number(op) & 0xFF, number(sequence) & 0xFFFF,
                              number(status) & 0xFFFFFFFF, data[:1024]))
        return out


class _Peer:
    """Sends a file, byte by byte; its clock moves when there is nothing more."""

    def __init__(self, data: bytes):
        self._left, self.now = iter(data), 0.0

    def write(self, data: bytes) -> None:
        pass

    def read_some(self, timeout_s: float) -> bytes:
        for byte in self._left:
            return bytes([byte])
        self.now += timeout_s
        return b""


def _peer(folder: Path) -> Path:
    codec = _Frames()
    (folder / "peer").write_bytes(codec.encode(codec.decode(b""), b"", random.Random(0)))
    return folder / "peer"


def _listen(path: Path) -> None:
    peer = _Peer(path.read_bytes())
    backend = SerialBackend(_CONFIG, peer, clock=lambda: peer.now, chance=random.Random(1))
    try:
        assert 0 <= backend.read_register(0) < 1 << 32
        assert backend.read_memory(0, 16).shape == (16,)
        backend.write_register(0, 1)
    except ValueError as error:  # what every backend says where a bus has nothing
        if not str(error).startswith("there is no"):
            raise


KINDS = {
    "program": Kind(_program, Program.load, ProgramError, NPZ),
    "plan": Kind(_plan, PartitionPlan.load, PartitionError, JSON),
    "integer": Kind(_integer, load_integer, GraphError, Safetensors("partita.integer-network")),
    "checkpoint": Kind(_checkpoint, lambda p: load_checkpoint(_net(), p), CheckpointError,
                       Safetensors()),
    "state": Kind(_state, lambda p: fit._load_state(p, *_training(), "fuzz", 9),
                  fit.StateError, Safetensors()),
    "liberty": Kind(_liberty, read_liberty, LibertyError, TEXT),
    "liberty-gz": Kind(_liberty_gz, read_liberty, LibertyError),
    "board": Kind(_board, lambda p: load_manifest(p.parent, _BOARD), FileFormatError, JSON,
                  names_file=False),
    "bundle": Kind(_bundle, lambda p: read_bundle(p.parent), FileFormatError, JSON,
                   names_file=False),
    "floorplan": Kind(_floorplan, lambda p: kept_floorplan(p, _CONFIG, DEVICES["ecp5-85k"]),
                      FileFormatError, JSON),
    "config": Kind(_config, lambda p: read_config(read_json(p, "a configuration")["config"]),
                   FileFormatError, JSON),
    "image": Kind(_images, lambda p: _load_images(p.parents[3]), DatasetError),
    "annotations": Kind(lambda f: _images(f).parents[3] / "val" / "val_annotations.txt",
                        lambda p: _load_images(p.parents[1]), DatasetError, TEXT,
                        names_file=False),
    "classes": Kind(lambda f: _images(f).parents[3] / "wnids.txt",
                    lambda p: _load_images(p.parent), DatasetError, TEXT, names_file=False),
    "vcd": Kind(_vcd, read_vcd, VcdError, TEXT),
    "peer": Kind(_peer, _listen, LinkError, _Frames(), names_file=False),
}
