"""Reports shown again: one as it was, several against the first."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sw.report.__main__ import main
from sw.report.page import render
from tests.sw.report.test_page import Checker, example


@pytest.fixture
def files(tmp_path):
    fast = tuple(replace(a, cycles=a.cycles // 2, layers=tuple(
        replace(x, macs=2 * x.macs) for x in a.layers)) for a in example().arms)
    for name, report in (("slow", example()), ("fast", example(arms=fast, images=2))):
        (tmp_path / f"{name}.json").write_text(report.to_json())
    return [str(tmp_path / "slow.json"), str(tmp_path / "fast.json")]


def test_one_is_the_page_that_it_was(files, tmp_path, capsys):
    assert main([files[0], "--out", str(tmp_path / "page.html")]) == 0
    assert (tmp_path / "page.html").read_text() == render(example())
    assert "dense-1" in capsys.readouterr().out


def test_several_are_compared_by_the_image(files, tmp_path, capsys):
    assert main([*files, "--json", "--out", str(tmp_path / "page.html")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [r["run"] for r in found["runs"]] == ["slow", "fast"]
    base, *_, last = found["arms"]
    assert base["first_over_it"] == 1 and base["cycles"] == example().arms[0].cycles
    # Half the cycles for two images.
    assert last["cycles"] == example().arms[-1].cycles // 2 / 2
    assert last["first_over_it"] == pytest.approx(base["cycles"] / last["cycles"], abs=1e-4)
    assert found["layers"][0]["cycles"]["slow"] == 2 * found["layers"][0]["cycles"]["fast"]
    page = Checker()
    page.feed((tmp_path / "page.html").read_text())
    assert not page.open and not page.fetched
    assert "slow" in " ".join(page.text) and "net <b>bold</b>" in " ".join(page.text)


def test_files_of_one_name_are_told_apart(files, tmp_path, capsys):
    (tmp_path / "other").mkdir()
    twin = tmp_path / "other" / "slow.json"
    twin.write_text(example().to_json())
    assert main([files[0], str(twin)]) == 0
    assert str(twin) in capsys.readouterr().out.replace("\n", "")


def test_a_file_that_is_named_twice_is_told_apart(files, capsys):
    assert main([files[0], files[0], "--json"]) == 0
    assert [r["run"] for r in json.loads(capsys.readouterr().out)["runs"]] == [
        files[0], f"{files[0]} (2)"]


@pytest.mark.parametrize(("change", "how"), [
    ({"macs": 128_000}, "layer fc1 takes 128,000 MACs an image, not 64,000"),
    ({"shape": (9, 1, 1)}, "layer fc1 gives 9 x 1 x 1, not 8 x 1 x 1"),
    ({"name": "fc7"}, "layer fc7 is not in both")])
def test_there_is_no_ratio_between_networks_that_differ(tmp_path, capsys, change, how):
    """Whatever both are called."""
    def arms(**changes):
        return tuple(replace(a, layers=(a.layers[0], replace(
            a.layers[1], **{"shape": (8, 1, 1), **changes}))) for a in example().arms)

    paths = [tmp_path / name for name in ("a.json", "c.json", "again.json")]
    for path, changes in zip(paths, ({}, change, {}), strict=True):
        path.write_text(example(arms=arms(**changes)).to_json())
    page = tmp_path / "page.html"
    assert main([*map(str, paths), "--json", "--out", str(page)]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert said.err == f"wrote {page}\n"
    ratios = {(x["run"], x["arm"]): x["first_over_it"] for x in found["arms"]}
    assert ratios["a", "dense-1"] == ratios["again", "dense-1"] == 1
    assert all(ratios["c", arm.name] is None for arm in example().arms)
    note, = found["notes"]
    assert note == (f"c ran another network, or other layers of it, than a: {how}; there is no "
                    "ratio between them")
    assert note in page.read_text()
    assert main([*map(str, paths)]) == 0
    assert note in " ".join(capsys.readouterr().out.split())


def test_nothing_is_replaced_that_is_no_file_of_its_own(files, tmp_path, capsys):
    assert main([files[0], "--out", str(tmp_path / "missing" / "page.html")]) == 5
    assert "missing" in capsys.readouterr().err


def test_what_is_no_report_is_refused(tmp_path, capsys):
    (tmp_path / "x.json").write_text("{}")
    assert main([str(tmp_path / "x.json")]) == 2
    assert "not a report of sw.compare" in capsys.readouterr().err


def test_what_is_read_is_not_replaced(files, capsys):
    before = Path(files[1]).read_text()
    assert main([*files, "--out", files[1]]) == 2
    assert "is a file that is read; name another" in capsys.readouterr().err
    assert Path(files[1]).read_text() == before
