"""Nothing of the user's is markup: names go through every report, file and message as they are."""

import io
import json
import re
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from torch import nn

from hw.config import PRESETS
from hw.support.arguments import nearest
from hw.support.console import console
from hw.support.errors import exit_code
from hw.support.text import printable
from sw.api import capture, compile_graph, partition, quantise
from sw.compiler import Program
from sw.experiment.arms import segments
from sw.graph.artefact import load_integer, save_integer
from sw.prune.plan import PartitionPlan
from sw.report.charts import scatter
from sw.report.console import print_report
from sw.report.page import render
from sw.terminal.progress import SimulationProgress, TrainingProgress
from tests.sw.report.test_page import Checker, example

ROOT = Path(__file__).parent.parent.parent
NAMES = ("[red]x[/blue]", "[/]", "[link=x]y", ":smile:", "<script>alert(1)</script>",
         "\"' onload='x", "</style>&amp;", "a/../../b", "C:\\x", "nul\0", "\x1b[31mred\x1b[0m",
         "\x9b31m", "a\nb", "{task}", "{0}", "%s", "名前", "\u202eabc", "a|b",
         "$HOME `x`", "x" * 300, "]]>", "--json")
#: One that no encoding can hold.
ALONE = "\udcff"


def report_of(name: str, **changes):
    """A report in which all that a user names has this name."""
    report = example(network=name, weights=name, command=name, notes=(name,), accuracy={name: 0.5},
                     versions={name: name}, memory_model={"latency_cycles": 40, name: name},
                     **changes)
    return replace(
        report, pictures=tuple(replace(p, layer=name) for p in report.pictures),
        arms=tuple(replace(a, layers=tuple(replace(x, name=name) for x in a.layers))
                   for a in report.arms))


class Attributes(Checker):
    """Also collects the names of attributes."""

    def __init__(self):
        super().__init__()
        self.names: set[str] = set()

    def handle_starttag(self, tag, attrs):
        super().handle_starttag(tag, attrs)
        self.names |= {name for name, _ in attrs}


@pytest.mark.parametrize("name", (*NAMES, ALONE), ids=ascii)
def test_the_terminal_report_shows_names_as_they_are(name, capsys):
    report = report_of(name)
    print_report(replace(report, arms=tuple(
        replace(a, layers=tuple(replace(x, bit_exact=False) for x in a.layers))
        for a in report.arms)), console(wide=True))
    text = capsys.readouterr().out
    assert "\x1b" not in text and "\x9b" not in text and "\0" not in text
    assert "NO" in text and "[red]NO" not in text
    text.encode()
    if len(name) < 40 and "\n" not in name:
        assert f"{printable(name)} *" in text and f"{printable(name)}, " in text


@pytest.mark.parametrize("name", (*NAMES, ALONE), ids=ascii)
def test_the_page_holds_names_as_text(name):
    page = render(report_of(name))
    page.encode()
    checker = Attributes()
    checker.feed(page)
    assert not checker.open and not checker.fetched and "<script" not in page
    assert printable(name) in "".join(checker.text)
    assert not any(attribute.startswith("on") for attribute in checker.names)
    drawing = scatter([(0, 1.0, 2.0, True, name), (0, 2.0, 1.0, True, name)], [name], name, name)
    assert printable(name) in "".join(ElementTree.fromstring(drawing).itertext())


@pytest.mark.parametrize("name", (*NAMES, ALONE), ids=ascii)
def test_progress_shows_names_as_they_are(name, monkeypatch):
    for kind in (SimulationProgress, TrainingProgress):
        for live in (False, True):
            stream = io.StringIO()
            monkeypatch.setattr("sys.stderr", stream)
            progress = kind(interval_s=0)
            progress._live, progress.console._force_terminal = live, live
            with progress:
                progress.say(name)
                if isinstance(progress, SimulationProgress):
                    progress.start("dense-1", 100)
                    progress.update("dense-1", 0, name)
                    progress.update("dense-1", 50, name)
                    progress._bars.refresh()
                    progress.finish("dense-1")
                else:
                    progress.update(name, 1, 10, 0.5)
                    progress._bars.refresh()
            said = stream.getvalue()
            said.encode()
            assert "\x1b[31mred" not in said and "\x9b" not in said
            assert live or printable(name)[:70] in said.replace("\n", "") or "\n" in name


@pytest.mark.parametrize("name", (*NAMES, ALONE), ids=ascii)
def test_an_error_shows_names_as_they_are(name, capsys):
    def fail(argv):
        raise ValueError(f"layer {name}: is not good")

    assert exit_code(fail, [], "program") == 2
    assert capsys.readouterr().err == f"program: error: layer {printable(name)}: is not good\n"


def test_a_terminal_that_lacks_characters_gets_escapes(monkeypatch):
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", narrow)

    def show(argv):
        console().print("名")
        return 0

    assert exit_code(show, [], "program") == 0
    narrow.flush()
    assert narrow.buffer.getvalue().strip() == b"\\u540d"


def test_a_network_of_such_names_goes_through_every_file(tmp_path):
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for k, name in enumerate(n for n in NAMES if "." not in n):
        layers[name] = nn.Conv2d(4, 4, 1)
        layers[f"relu{k}"] = nn.ReLU()
    graph = capture(nn.Sequential(layers), (4, 4, 4), "[bold]/../net\x1b")
    names = [x.name for x in graph.layers]
    images = np.random.default_rng(1).normal(size=(2, 4, 4, 4)).astype(np.float32)
    plan = partition(graph, names[1:3], 2, "identity")
    plan.save(tmp_path / "plan.json")
    assert PartitionPlan.load(tmp_path / "plan.json").layers == plan.layers
    integer = quantise(graph, images)
    save_integer(integer, tmp_path / "net.safetensors")
    assert [x.name for x in load_integer(tmp_path / "net.safetensors").layers] == names
    program = compile_graph(integer, PRESETS["tiny"].replace(buffers__log_entries=64))
    program.save(tmp_path / "net.program")
    assert [x.name for x in Program.load(tmp_path / "net.program").layers] == names
    assert len(segments(integer, names[:2])) == 1
    json.dumps(names)
    assert len(list(tmp_path.iterdir())) == 3  # and nothing else was written


def test_one_file_alone_makes_consoles():
    """A console made elsewhere would take names for markup again."""
    for folder in ("hw", "sw", "sim", "boards"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text()
            if path != ROOT / "hw" / "support" / "console.py":
                assert "rich.console import Console" not in text or "Console(" not in text, path
            assert "from_markup" not in text and not re.search(r"\[/\w*\]", text), path
            for column in re.findall(r"TextColumn\(.*", text):
                assert "markup=False" in column, path
            for status in re.findall(r"\bstatus(?:\.update)?\(\s*(\S*)", text):
                assert status.startswith("Text("), (path, status)


def test_the_nearest_name_is_suggested():
    known = ["conv1_1", "conv1_2", "fc1"]
    assert nearest("conv_1", known) == "; did you mean 'conv1_1'?"
    assert nearest("FC1", known) == "; did you mean 'fc1'?"
    assert nearest("softmax", known) == nearest("", known) == ""
