"""Whatever a file holds, its loader returns or says what is wrong with it, soon and in little
memory."""

import json
import random
import zipfile

import pytest

from tests.support.present import present

from . import fuzz_loaders
from .support import fuzz_kinds

SEED = 1


@pytest.mark.parametrize("name", fuzz_kinds.KINDS)
def test_damaged_files_are_refused_or_read(name):
    failures = fuzz_loaders.fuzz(name, 120, SEED)
    assert not failures, "\n".join(failures[:5])


@pytest.mark.slow
@pytest.mark.parametrize("name", fuzz_kinds.KINDS)
def test_ten_thousand_damaged_files_are_refused_or_read(name):
    failures = fuzz_loaders.fuzz(name, 10_000, SEED)
    assert not failures, "\n".join(failures[:5])


def test_the_command_tells_how_to_repeat_a_failure(capsys, monkeypatch):
    kind = fuzz_kinds.KINDS["plan"]
    monkeypatch.setitem(fuzz_kinds.KINDS, "plan", fuzz_kinds.Kind(
        kind.make, lambda path: json.loads(path.read_text()), kind.error, kind.codec))
    assert fuzz_loaders.main(["plan", "--count", "50", "--seed", "3"]) == 1
    assert "python -m tests.fuzz_loaders plan --seed 3 --first " in capsys.readouterr().out


# -- messages name file, field, value and rule ----------------------------------------------------
class Gentle(random.Random):
    """Draws that damage nothing."""

    def choice(self, seq):
        return seq[0]

    def randrange(self, *args):
        return 1


def changed_json(kind, folder, change):
    path = fuzz_kinds.KINDS[kind].make(folder)
    codec = present(fuzz_kinds.KINDS[kind].codec)
    raw = path.read_bytes()
    tree = codec.decode(raw)
    change(tree)
    path.write_bytes(codec.encode(tree, raw, Gentle()))
    return path


@pytest.mark.parametrize(("kind", "change", "message"), [
    ("plan", lambda d: d.update(partitions=2**70),
     r"plan\.json: partitions is 1180591620717411303424; it must be an integer from 1 to 4"),
    ("plan", lambda d: d.update(kept=[float("inf"), 0.5]),
     r"plan\.json: not a partition plan: Infinity is no number"),
    ("plan", lambda d: d["boundaries"][1].__setitem__(2, 9),
     r"plan\.json: boundaries\[1\]\[2\] is 9; it must be an integer from 0 to 1"),
    ("program", lambda d: d.update(window_bytes=2**60),
     r"net\.npz: window_bytes is 1152921504606846976; it must be an integer from 1 to 33554432"),
    ("program", lambda d: d["input"].update(shape=[3, 60000, 60000]),
     r"net\.npz: input is .*; it must be a tensor within the window"),
    ("program", lambda d: d["config"]["array"].update(rows=999),
     r"net\.npz: config: array\.rows is 999"),
    ("integer", lambda d: d["__metadata__"]["partita.integer-network"]["layers"][0].update(
        stride=True), r"net\.safetensors: layers\[0\]\.stride is True; it must be a list"),
    ("integer", lambda d: d["conv.bias"].update(dtype="F32"),
     r"net\.safetensors: tensor 'conv\.bias' is of type F32; it must be of I32"),
    ("checkpoint", lambda d: d["0.bias"].update(dtype="I32"),
     r"net\.safetensors: tensor '0\.bias' is of type I32; it must be of F64 or F32"),
    ("state", lambda d: d["__metadata__"].update(step="9" * 30),
     r"net\.state: step is '9+'; it must be from 0 to 9"),
    ("board", lambda d: d.update(bitstream="../../other/top.bit"),
     r"board\.json: bitstream is '\.\./.*'; it must be 'top\.bit'"),
    ("board", lambda d: d.update(config=[]), r"board\.json: config: config is \[\]; it must be an"),
    ("floorplan", lambda d: d.update(places=["x"]),
     r"plan\.json is no floorplan \(.*places is \['x'\]; it must be an object\)"),
    ("config", lambda d: d["config"].update(port=7),
     r"config\.json: config: port is 7; it must be"),
])
def test_a_message_names_file_field_value_and_rule(tmp_path, kind, change, message):
    path = changed_json(kind, tmp_path, change)
    with pytest.raises(fuzz_kinds.KINDS[kind].error, match=message):
        fuzz_kinds.KINDS[kind].load(path)


@pytest.mark.parametrize("kind", ["program", "plan", "integer", "checkpoint", "state", "vcd"])
def test_a_file_that_is_not_there_is_no_fault_of_its_format(tmp_path, kind):
    path = tmp_path / "nowhere"
    with pytest.raises(FileNotFoundError) as caught:
        fuzz_kinds.KINDS[kind].load(path)
    assert caught.value.filename == str(path)


@pytest.mark.parametrize(("old", "new", "message"), [
    ("area : 1", "area : inf", r"toy\.lib: cell inv: area is 'inf'; it must be a number"),
    ("0.10, 0.20\", \\\n", "0.10\", \\\n", r"cell inv: rise_power has rows of \[1, 2\] values"),
    ('index_2 ("0.0, 0.1")', 'index_2 ("0.1, 0.0")', "index_2 is .*; its numbers must rise"),
    ('"pf"', '"xf"', "capacitance unit"), ('voltage : 2.0', 'voltage : two', "voltage is 'two'"),
    ("a comment */", "a comment", "its last comment has no end"),
    ("area : 1;", "a (b) { " * 5000, "group 'a' is 21 groups deep"),
])
def test_a_liberty_file_is_refused_by_cell_and_field(tmp_path, old, new, message):
    kind = fuzz_kinds.KINDS["liberty"]
    path = kind.make(tmp_path)
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(kind.error, match=message):
        kind.load(path)


def test_an_array_that_claims_more_than_its_file_is_refused_unread(tmp_path):
    path = tmp_path / "net.npz"
    claim = b"{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999,), }"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("header.npy", b"\x93NUMPY\x01\x00\x76\x00" + claim.ljust(117) + b"\n")
    with pytest.raises(fuzz_kinds.ProgramError, match=r"net\.npz: 'header\.npy' is no array"):
        fuzz_kinds.Program.load(path)


def test_an_image_is_refused_by_its_header_before_its_pixels_are_made(tmp_path):
    path = fuzz_kinds.KINDS["image"].make(tmp_path)
    raw = bytearray(path.read_bytes())
    at = raw.index(b"\xff\xc0") + 5
    raw[at:at + 4] = b"\x9c\x40" * 2  # 40,000 by 40,000 pixels
    path.write_bytes(raw)
    with pytest.raises(fuzz_kinds.DatasetError, match=r"n01_0\.JPEG"):
        fuzz_kinds.KINDS["image"].load(path)
