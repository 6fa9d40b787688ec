"""A user's network is opened from each kind of file, alike; nothing but what she names is run."""

import json
import pickle
import sys
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from sw.experiment.floats import run_float
from sw.ir.errors import ImageShapeError, UnsupportedLayer
from sw.networks.callables import CallableError
from sw.networks.exported import ExportedError, read_exported
from sw.networks.naming import origin_of
from sw.networks.opening import as_module, opened, runs_code
from sw.networks.weights import WeightsError
from tests.support.own import SHAPE, chain, write_own


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return write_own(tmp_path_factory.mktemp("own"))


def named(own, kind):
    """Each way to name the one network."""
    return {"onnx": origin_of(str(own.onnx)), "pt2": origin_of(str(own.pt2)),
            "callable": origin_of(f"{own.source}:make", weights=own.weights, in_shape=SHAPE)}[kind]


@pytest.mark.parametrize("kind", ["onnx", "pt2", "callable"])
def test_each_kind_of_file_gives_the_network(own, kind):
    graph = opened(named(own, kind)).graph
    images = np.random.default_rng(1).normal(size=(3, *SHAPE)).astype(np.float32)
    with torch.no_grad():
        expected = chain()(torch.from_numpy(images)).numpy()
    assert graph.in_shape == SHAPE and len(graph.layers) == 3
    np.testing.assert_allclose(run_float(graph, torch.from_numpy(images)).flatten(1), expected,
                               atol=1e-5)


def test_an_exported_network_may_leave_its_batch_open(own, tmp_path):
    path = tmp_path / "open.pt2"
    torch.export.save(torch.export.export(
        chain(), (torch.zeros(3, *SHAPE),), dynamic_shapes=({0: torch.export.Dim("n")},)), path)
    assert [x.name for x in opened(origin_of(str(path))).graph.layers] == \
        [x.name for x in opened(named(own, "pt2")).graph.layers] == ["0", "5", "7"]


class OneImage(torch.nn.Module):
    """Takes one image alone."""

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(64, 10)

    def forward(self, x):
        return self.linear(x.view(1, 64))


class Recurrent(torch.nn.Module):
    """Rows of an image as a sequence."""

    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(8, 8, batch_first=True)

    def forward(self, x):
        return self.lstm(x[:, 0])[0]


@pytest.mark.parametrize(("module", "why"), [
    (OneImage, "takes one image at a time, and it is captured for any number: leave the batch "),
    (Recurrent, "^layer lstm: operator lstm.input is not supported$")])
@pytest.mark.filterwarnings("ignore:.*were assigned during export")
def test_what_a_batch_of_one_alone_was_exported_for_is_refused(module, why, tmp_path):
    path = tmp_path / "one.pt2"
    torch.export.save(torch.export.export(module(), (torch.zeros(1, 1, 8, 8),)), path)
    with pytest.raises(UnsupportedLayer, match=why):
        opened(origin_of(str(path)))


def test_a_module_of_a_package_is_imported(own, monkeypatch):
    monkeypatch.syspath_prepend(str(own.source.parent))
    assert len(opened(origin_of("own:make", in_shape=SHAPE)).graph.layers) == 3
    assert "own" in sys.modules


def test_only_a_callable_is_said_to_run(own):
    assert runs_code(named(own, "onnx")) is runs_code(named(own, "pt2")) is None
    assert f"running {own.source}" in (runs_code(named(own, "callable")) or "")


@pytest.mark.parametrize(("name", "error", "message"), [
    ("mak", CallableError, "has no 'mak'; did you mean 'make'"),
    ("broken", CallableError, r"RuntimeError: no such thing \(.*own.py, line \d+\)"),
    ("nothing", CallableError, "gives int; it must give a torch.nn.Module"),
    ("torch", CallableError, "is a module; it must be a callable"),
    ("Refused", UnsupportedLayer, "layer one: operator instance_norm")])
def test_what_a_callable_must_be(own, name, error, message):
    with pytest.raises(error, match=message):
        opened(origin_of(f"{own.source}:{name}", in_shape=SHAPE))


def test_a_shape_that_does_not_go_and_one_that_is_missing(own):
    with pytest.raises(ImageShapeError, match="give the shape of one image, such as --input-shap"):
        opened(origin_of(f"{own.source}:make"))
    with pytest.raises(UnsupportedLayer, match=r"torch.export cannot capture it"):
        opened(origin_of(f"{own.source}:make", in_shape=(3, 20, 20)))
    with pytest.raises(ImageShapeError, match=r"was exported for \[3, 16, 16\]; --input-shape"):
        opened(origin_of(str(own.pt2), in_shape=(3, 20, 20)))
    with pytest.raises(UnsupportedLayer, match=r"\(--input-shape\) is \[3, 20, 20\]"):
        opened(origin_of(str(own.onnx), in_shape=(3, 20, 20)))


def test_files_that_are_not_there_or_nothing(own, tmp_path):
    empty = tmp_path / "empty"
    for suffix, error in ((".onnx", UnsupportedLayer), (".pt2", ExportedError)):
        with pytest.raises(FileNotFoundError):
            opened(origin_of(str(tmp_path / f"none{suffix}")))
        empty.with_suffix(suffix).write_bytes(b"no network")
        with pytest.raises(error, match="empty"):
            opened(origin_of(str(empty.with_suffix(suffix))))
    with pytest.raises(FileNotFoundError):
        opened(origin_of(f"{tmp_path}/none.py:make", in_shape=SHAPE))


def weights_of(own, **changes):
    tensors = load_file(own.weights) | changes
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}


@pytest.mark.parametrize(("changes", "message"), [
    ({"5.weight": None, "7.bias": None}, "it lacks 5.weight, 7.bias$"),
    ({"more": torch.zeros(1), "and": torch.zeros(1)}, "it has besides and, more$"),
    ({"5.bias": torch.zeros(3)}, r"of another shape are 5.bias \[3\] for \[16\]$"),
    ({"5.bias": torch.full((16,), torch.nan)}, "5.bias hold NaN or infinity"),
    ({"5.bias": torch.ones(16, dtype=torch.int32)}, "5.bias hold integers, of which the scales ")])
def test_weights_that_do_not_match_are_named(own, tmp_path, changes, message):
    path = tmp_path / "w.safetensors"
    save_file(weights_of(own, **changes), path)
    with pytest.raises(WeightsError, match=message):
        opened(origin_of(f"{own.source}:make", weights=path, in_shape=SHAPE))


def test_weights_that_torch_prunes_are_loaded_masked(own, tmp_path):
    whole, path = weights_of(own)["5.weight"], tmp_path / "w.safetensors"
    mask = torch.arange(whole.numel()).reshape(whole.shape).remainder(3).float().clamp_max(1)
    pruned = {"5.weight": None, "5.weight_orig": whole, "5.weight_mask": mask}
    save_file(weights_of(own, **pruned), path)
    module, _ = as_module(origin_of(f"{own.source}:make", weights=path, in_shape=SHAPE))
    assert torch.equal(module.state_dict()["5.weight"], whole * mask)
    lacks = "it lacks 5.weight; it has besides 5.weight_mask, 5.weight_orig"
    for wrong in (whole[:4].clone(), None):
        save_file(weights_of(own, **pruned | {"5.weight_mask": wrong}), other := tmp_path / "x")
        with pytest.raises(WeightsError, match=lacks if wrong is not None else "5.weight_orig$"):
            opened(origin_of(f"{own.source}:make", weights=other, in_shape=SHAPE))


def test_what_a_callable_draws_is_the_same_each_time_and_nobody_elses(own):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    origin = origin_of(f"{own.source}:Branches", in_shape=SHAPE)
    first, second = (as_module.__wrapped__(origin)[0].state_dict() for _ in range(2))
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_counts_of_batches_may_be_missing_and_a_common_prefix_is_told(own, tmp_path):
    path = tmp_path / "w.safetensors"
    save_file(weights_of(own, **{"1.num_batches_tracked": None}), path)
    assert opened(origin_of(f"{own.source}:make", weights=path, in_shape=SHAPE))
    other = tmp_path / "prefix.safetensors"
    save_file({f"module.{k}": v for k, v in weights_of(own).items()}, other)
    with pytest.raises(WeightsError, match=r"all names begin with 'module.': store the tensors wi"):
        opened(origin_of(f"{own.source}:make", weights=other, in_shape=SHAPE))
    other.write_bytes(pickle.dumps({}))
    for write in (lambda: None, lambda: torch.save(weights_of(own), other)):
        write()
        with pytest.raises(WeightsError, match=r"not a safetensors file.*; it seems one of "
                           r"torch.save: save_file\(torch.load"):
            opened(origin_of(f"{own.source}:make", weights=other, in_shape=SHAPE))
    other.write_bytes(b"nothing of the kind")
    with pytest.raises(WeightsError, match=r"not a safetensors file: [^;]*$"):
        opened(origin_of(f"{own.source}:make", weights=other, in_shape=SHAPE))


class Runs:
    """Leaves a file where it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return open, (str(self.mark), "w")


def changed(own, tmp_path, change):
    """The exported file with parts changed: `change` maps a part's name and bytes to bytes."""
    path = tmp_path / "changed.pt2"
    with zipfile.ZipFile(own.pt2) as old, zipfile.ZipFile(path, "w") as new:
        for entry in old.infolist():
            name = entry.filename.partition("/")[2]
            new.writestr(entry.filename, change(name, old.read(entry)))
    return path


def test_nothing_of_an_exported_file_is_unpickled(own, tmp_path):
    mark = tmp_path / "ran"
    bomb = pickle.dumps(Runs(mark))

    def sample(name, data):
        return bomb if name.endswith("sample_inputs/model.pt") else data

    assert read_exported(changed(own, tmp_path, sample))[1] == SHAPE

    def weights(name, data):
        if name.endswith("weights_config.json"):
            config = json.loads(data)
            config["config"]["0.weight"]["use_pickle"] = True
            return json.dumps(config).encode()
        return bomb if name.endswith("weight_0") else data

    with pytest.raises(ExportedError, match=r"0.weight is stored as a pickle, which runs code"):
        read_exported(changed(own, tmp_path, weights))
    assert not mark.exists()


@pytest.mark.parametrize("target", ["torch.hub.load", "torch.ops.aten.conv2d", "os.system",
                                    "torch.ops.other.it.default", "math.sin"])
def test_an_operator_of_an_exported_file_is_one_of_aten(own, tmp_path, target):
    def change(name, data):
        if not name.endswith("models/model.json"):
            return data
        graph = json.loads(data)
        graph["graph_module"]["graph"]["nodes"][0]["target"] = target
        return json.dumps(graph).encode()

    with pytest.raises(ExportedError, match=f"calls '{target}'; only operators of ATen"):
        read_exported(changed(own, tmp_path, change))


def test_an_expression_of_an_exported_file_is_not_evaluated(own, tmp_path):
    mark = tmp_path / "ran"

    def change(name, data):
        if not name.endswith("models/model.json"):
            return data
        text = f"open({str(mark)!r}, 'w')"
        graph = json.loads(data)
        sizes = graph["graph_module"]["graph"]["tensor_values"]["conv2d"]["sizes"]
        sizes[0] = {"as_expr": {"expr_str": text, "hint": {"as_int": 1}}}
        graph["range_constraints"] = {text: {"min_val": 0, "max_val": 3}}
        graph["guards_code"] = [text]
        return json.dumps(graph).encode()

    assert read_exported(changed(own, tmp_path, change))[1] == SHAPE
    assert not mark.exists()


def test_a_part_that_could_be_run_is_refused(own, tmp_path):
    path = tmp_path / "more.pt2"
    path.write_bytes(own.pt2.read_bytes())
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("own/data/aotinductor/model/it.so", b"")
    with pytest.raises(ExportedError, match=r"holds 'data/aotinductor.*', which may run code"):
        read_exported(path)
    path.write_bytes(own.pt2.read_bytes()[:-300])
    with pytest.raises(ExportedError, match=r"is no program of torch.export"):
        read_exported(path)
