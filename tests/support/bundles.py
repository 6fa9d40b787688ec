"""A small network's bundle, for tests of what is deployed."""

import dataclasses
from ctypes import c_void_p
from pathlib import Path

import numpy as np

from boards.catalogue import BOARDS
from boards.deploy.bundle import write_bundle
from boards.deploy.image import memory_image
from boards.deploy.task import Task
from sw.compiler import Program, compile_graph
from sw.graph.integer import IntegerGraph

from .programs import random_layer
from .systems import CONFIG

__all__ = ["GRAPH", "IMAGE", "PIXELS", "PROGRAM", "bundle", "pixels"]


def _small_graph() -> IntegerGraph:
    """A convolution and a linear layer: what goes through a simulated line takes its time."""
    rng = np.random.default_rng(6)
    conv = random_layer(rng, "conv", (3, 6, 5), 8, 3, pad=1, pool=2)
    fc = random_layer(rng, "fc", conv.out_shape, 10, 3, pad=1, low=-128)
    return IntegerGraph("random", (conv, fc), 1.0, 1.0)


GRAPH = _small_graph()
PROGRAM = compile_graph(GRAPH, CONFIG)
PIXELS = np.random.default_rng(6).integers(-128, 128, GRAPH.in_shape, dtype=np.int8)
IMAGE = memory_image(PROGRAM).data


def bundle(folder: Path, program: Program = PROGRAM, graph: IntegerGraph = GRAPH,
           image: np.ndarray = PIXELS) -> Path:
    """Write a bundle of a program and return its folder."""
    board = dataclasses.replace(BOARDS["ulx3s-85f"], config=program.config)
    write_bundle(folder, Task(program, graph, (image,)), board)
    return folder


def pixels(values: np.ndarray) -> c_void_p:
    """An image as the driver takes it."""
    return values.ctypes.data_as(c_void_p)
