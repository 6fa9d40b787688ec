"""The READMEs' tables, examples, commands, links and names are those of the repository."""

import importlib
import json
import re

import pytest

from hw.support.commands import commands
from hw.support.markdown import fill, markdown_table
from sw import ablation, compare, measure, scale, tables
from sw.data import DATA
from sw.experiment.names import DEMO_ARMS
from sw.readme.limits import limits_table
from sw.readme.measured import scaling_table
from tests.support import prose
from tests.support.prose import ROOT

TEXTS = prose.texts()
FRONT = TEXTS["README.md"]
#: The READMEs and the boards' pages.
ALL = TEXTS | {str(path.relative_to(ROOT)): path.read_text()
               for path in (ROOT / "boards" / "pages").glob("*.md")}


def test_the_tables_are_current():
    assert tables.main(["--check"]) == 0


def test_a_table_that_is_not_current_is_told_and_written(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tables, "ROOT", tmp_path)
    page, good = tmp_path / "README.md", tmp_path / "hw" / "README.md"
    good.parent.mkdir()
    (good.parent / "__init__.py").touch()
    page.write_text("Sizes:\n<!-- table:sizes -->\nold\n<!-- /table:sizes -->\nEnd\n")
    good.write_text("No table.\n")
    monkeypatch.setattr(tables, "known_tables", lambda: {"sizes": lambda: "new"})
    assert tables.main(["--check"]) == 1
    assert capsys.readouterr().err == (
        "README.md's tables are not current; run: python -m sw.tables\n")
    assert tables.main([]) == 0
    assert capsys.readouterr().out == "wrote README.md\n"
    assert page.read_text() == "Sizes:\n<!-- table:sizes -->\nnew\n<!-- /table:sizes -->\nEnd\n"
    assert tables.main(["--check"]) == 0


@pytest.mark.parametrize(("text", "error"), [
    ("<!-- table:a -->", "hw/README.md: <!-- table:a --> is not closed; "
     "write <!-- /table:a --> behind the table"),
    ("<!-- table:a --> <!-- table:b --> <!-- /table:a -->", "<!-- table:a --> is not closed"),
    ("<!-- /table:a -->", "hw/README.md: <!-- /table:a --> has no <!-- table:a --> before it"),
    ("<!-- table:a --> <!-- /table:b -->", "<!-- /table:b --> has no <!-- table:b --> before it"),
    ("<!-- table:a --> <!-- /table:a -->" * 2, "hw/README.md has <!-- table:a --> twice"),
    ("<!-- table:sizer --> <!-- /table:sizer -->", "hw/README.md: <!-- table:sizer --> names no "
     "table; there are a, sizes; did you mean 'sizes'?")])
def test_markers_in_disorder_are_named(text, error):
    with pytest.raises(ValueError, match=re.escape(error)):
        fill(text, {"a": lambda: "", "sizes": lambda: ""}, "hw/README.md")


def test_a_table_that_stands_nowhere_is_named(tmp_path):
    (tmp_path / "README.md").write_text("nothing here")
    with pytest.raises(ValueError, match="<!-- table:sizes --> is missing: it stands in none of "
                                         r"README\.md"):
        tables.render(tmp_path, {"sizes": lambda: ""})
    with pytest.raises(ValueError, match="the tables are those of a checkout"):
        tables.readmes(tmp_path / "nowhere")


def test_a_bar_in_a_cell_does_not_end_it():
    assert markdown_table(("a", "b"), [("x|y", 1)]) == "| a | b |\n| --- | --- |\n| x\\|y | 1 |"


def test_the_front_page_is_short_and_every_package_has_a_page_with_its_rooms():
    assert len(FRONT.splitlines()) <= 150
    for package in ("hw", "hw/fpga", "sim", "sw", "sw/energy", "sw/training", "boards"):
        assert "<!-- table:rooms -->" in TEXTS[f"{package}/README.md"]
    assert "tests/README.md" in TEXTS


def test_what_the_front_page_says_of_limits_and_scaling_is_in_their_tables():
    said, = re.findall(r"^How near the limit:.*?\n\n", FRONT, re.MULTILINE | re.DOTALL)
    shares = re.findall(r"[\d.]+(?:%|x)", said)
    cells = re.split(r" ?\| ?", limits_table() + scaling_table())
    assert len(shares) == 5 and set(shares) <= set(cells)


@pytest.mark.parametrize("name", ALL)
def test_links_lead_somewhere(name):
    for file, heading in prose.links(ALL[name]):
        path = (ROOT / name).parent / file if file else ROOT / name
        assert path.exists(), file
        assert not heading or heading in prose.anchors(path.read_text()), f"{file}#{heading}"


@pytest.mark.parametrize("name", ALL)
def test_files_modules_and_targets_that_are_named_exist(name):
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for span in prose.code(ALL[name]):
        for word in span.split():
            if re.fullmatch(r"(hw|sim|sw|boards|tests|\.ci)/[\w./-]+", word):
                assert (ROOT / word).exists(), word
            elif re.fullmatch(r"(hw|sim|sw|boards|tests)\.[\w.]+", word):
                assert prose.dotted_exists(word), word
            elif re.fullmatch(r"[\w/]+\.py", word):
                assert ((ROOT / name).parent / word).exists(), word
        if match := re.match(r"make ([\w-]+)", span):
            assert match[1] in targets, span


@pytest.mark.parametrize("name", ALL)
def test_commands_take_the_options_that_they_are_shown_with(name):
    for module, words in prose.commands(ALL[name]):
        if module in ("pytest", "tests.fuzz_loaders"):
            continue
        path = f"{module}.__main__" if module in ("boards", "sw.report") else module
        importlib.import_module(path).parser().parse_args(words)


def test_every_command_is_on_the_front_page():
    shown = {module for module, _ in prose.commands(FRONT)}
    assert {point.module.removesuffix(".__main__") for point in commands().values()} == shown


@pytest.mark.builds
def test_the_example_of_ones_own_network_runs(capsys):
    scope: dict = {}
    example, = re.findall(r"```python\n(.*?)```", FRONT, re.DOTALL)
    exec(example, scope)
    assert capsys.readouterr().out.split()[0] == str(scope["result"].cycles)
    assert scope["result"].outputs[-1].shape == (10, 1, 1)
    pruned, = re.findall(r"```python\n(.*?)```", TEXTS["sw/README.md"], re.DOTALL)
    with pytest.raises(ValueError, match="layer 4: has 4 groups already"):
        exec(pruned, scope)


def test_measuring_again_writes_what_the_tables_read(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(measure, "DATA", tmp_path)
    parsers = {"sw.compare": compare.parser(), "sw.ablation": ablation.parser(),
               "sw.scale": scale.parser()}

    def canned(command):
        parsers[command[0]].parse_args(command[1:])  # the command exists
        asked.append(command)
        old = {"zeros": "--zero-skip" in command, "ablation": command[0] == "sw.ablation",
               "levels": command[0] == "sw.scale"}
        name = next((n for n, is_it in old.items() if is_it), "headline")
        if "--network" in command:
            return next(x for x in several if x["command"].endswith(" ".join(command)))
        return json.loads((DATA / measure.MEASUREMENTS[name]).read_text())

    asked: list = []
    several = [run for name in ("spread", "small", "clocks")
               for run in json.loads((DATA / measure.MEASUREMENTS[name]).read_text())]
    monkeypatch.setattr(measure, "_run", canned)
    assert measure.main([]) == 0
    assert len(asked) == 4 + len(measure.SCALING) + len(measure.SEEDS) + len(measure.SMALL) \
        + len(measure.CLOCKS)
    kept = {name: json.loads((DATA / file).read_text())
            for name, file in measure.MEASUREMENTS.items()}
    for name, file in measure.MEASUREMENTS.items():
        written = json.loads((tmp_path / file).read_text())
        if name != "scaling":
            assert written == kept[name]
            continue
        shown = ("prune", "partitions", "memory")
        assert [[r[k] for k in shown] for r in written] == [
            [r[k] for k in shown] for r in kept[name]]
        assert written[0].keys() == kept[name][0].keys()
        assert written[0]["layers"][0].keys() == kept[name][0]["layers"][0].keys()
    capsys.readouterr()


def test_what_cannot_be_measured_is_refused_and_a_failure_leaves_the_old(tmp_path, monkeypatch,
                                                                         capsys):
    monkeypatch.setattr(measure, "DATA", tmp_path)
    assert measure.main(["scalling"]) == 2
    assert "'scalling'; there are headline" in capsys.readouterr().err
    monkeypatch.setitem(measure._COMMANDS, "ablation", ["sw.ablation", "--only", "nothing"])
    assert measure.main(["ablation"]) == 2
    assert "sw.ablation --only nothing ended with exit code 2" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.builds
def test_the_measured_tables_are_what_a_run_gives(capsys):
    """Cycles, and the activity that energy is priced by, of every layer."""
    measured = json.loads((DATA / "measured-tinyvgg16.json").read_text())
    assert compare.main(["--json", "--quiet", "--arms", ",".join(DEMO_ARMS)]) == 0
    now = json.loads(capsys.readouterr().out)
    for old, new in zip(measured["arms"], now["arms"], strict=True):
        assert [x["cycles"] for x in old["layers"]] == [x["cycles"] for x in new["layers"]]
        for a, b in zip(old["layers"], new["layers"], strict=True):
            assert a["activity"] == pytest.approx(b["activity"]), (old["name"], a["name"])
