"""The page holds what was measured, by itself, and reads well on a phone and on a desk."""

import os
import re
import shutil
import struct
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from sw.energy.model import EnergyModel, unit_features
from sw.prune.picture import Picture
from sw.report.charts import roofline
from sw.report.page import render
from sw.report.values import ArmReport, LayerReport, Report
from tests.support.present import present
from tests.sw.energy.test_model import UNIT

CAUSES = {"COMPUTE": 500, "WEIGHTS": 100, "ACTS": 50, "PORT": 20, "BARRIER": 10, "DRAIN": 5,
          "IDLE": 0}


def layer(name: str, kind: str, pruned: bool, cycles: int, instances: int) -> LayerReport:
    model = EnergyModel()
    found = unit_features(UNIT, cycles, model)
    found += type(found)({"external/external": 8000.0, "fabric/clock": 100.0})
    return LayerReport(
        name, 64_000, 1000, cycles, 6400, 1000, 4000, 5000, 60_000, True, pruned, kind, "one",
        tuple(dict(CAUSES) for _ in range(instances)), dict(found.counts),
        found.energy(model.values()), tuple(1000.0 for _ in range(instances)))


def example(**changes) -> Report:
    arms = tuple(
        ArmReport(f"{form}-{n}", n, "shared", 64 * n, 16, 1000 * (9 - n) + 500,
                  (layer("conv1_1", "conv", False, 500, n),
                   layer("fc1", "fc", form == "pruned", 1000 * (9 - n), n)),
                  tuple(dict(CAUSES, TOTAL=685) for _ in range(n)), 3, 100.0)
        for form in ("dense", "pruned") for n in (1, 8))
    fields = {
        "network": "net <b>bold</b>", "weights": "made up", "partitions": 8,
        "config": {"array": {"rows": 8, "cols": 8}, "instances": 8,
                   "port": {"bytes": 16, "memory": "shared"}},
        "memory_model": {"latency_cycles": 40}, "arms": arms, "command": "python -m sw.compare",
        "seed": 1, "versions": {"python": "3"}, "accuracy": {"int8": 0.9},
        "pictures": (Picture("fc1", ((1.0, 0.5), (0.5, 1.0)), ((1.0, 0.0), (0.0, 1.0))),)}
    return Report(**{**fields, **changes})


class Checker(HTMLParser):
    """Collects text and ids, and what a page would fetch."""

    VOID = frozenset({"meta"})

    def __init__(self):
        super().__init__()
        self.open, self.text, self.fetched = [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        self.fetched += [v for k, v in attrs if k in ("src", "href", "xlink:href") and v]

    def handle_startendtag(self, tag, attrs):
        self.fetched += [v for k, v in attrs if k in ("src", "href") and v]

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data):
        self.text.append(data)


def test_the_page_is_whole_and_fetches_nothing():
    page = render(example())
    checker = Checker()
    checker.feed(page)
    assert not checker.open and not checker.fetched
    assert "url(" not in page and "<script" not in page
    text = " ".join(checker.text)
    assert "net <b>bold</b>" in text  # escaped in the source
    for words in ("python -m sw.compare", "Roofline", "waits for weights", "SKY130", "fc1 *"):
        assert words in text, words
    assert page.count("waits at a barrier</span>") == 2  # of the graph, and of all arms' ledgers


def test_published_figures_are_beside_those_of_the_same_network_alone():
    page, own = render(example(network="tinyvgg16")), render(example())
    for words in ("published of TinyVGG16 7.72x", "published of TinyVGG16 2.73x"):
        assert words in page and words not in own


def test_no_roof_is_drawn_above_what_the_arrays_do():
    """Where all points are right of its knee as well."""
    roofs = re.findall(r'<polyline class=roof points="([^"]*)"', roofline(example()))
    assert len(roofs) == 2
    for roof in roofs:
        points = [[float(v) for v in point.split(",")] for point in roof.split()]
        assert min(y for _, y in points) == points[-1][1]
        assert sorted(points) == points


def test_a_picture_of_fewer_inputs_than_outputs_fills_its_frame():
    page = render(example(pictures=(Picture("fc1", ((1.0,), (0.5,)), ((1.0,), (0.5,))),)))
    assert '<rect x="0.0" y="110.0" width="220.3" height="110.3"' in page
    assert "fc1, 2 x 1 cells" in page


def test_headline_numbers_are_the_reports():
    report = example()
    page = render(report)
    assert f"{report.speedup['pruned_layers']:.2f}x" in page
    interval = present(report.energy_ratios())["pruned_layers"]["total"]
    assert f"{interval.low:.2f} to {interval.high:.2f}" in page


def test_numbers_are_told_to_be_an_images_or_of_all():
    """And what is faster, than what."""
    report = example(images=4)
    checker = Checker()
    checker.feed(render(report))
    text = " ".join(" ".join(checker.text).split())
    arm = report.arms[0]
    assert "cycles per image dense-1 over it against dense on the same" in text
    assert f"{arm.cycles / 4:,.0f}" in text and "in RTL simulation of 4 images" in text
    for words in ("pruned-8, cycles per image", "dense-1: 1 instance, all 4 images", "pruned-8 is",
                  "x faster than dense-1, network", "x faster than dense on the same 8 instances",
                  "x less energy than dense-1, network, core alone"):
        assert words in text, words
    assert report.summary()[0]["cycles an image"] == arm.cycles / 4  # as in a notebook
    alone = render(example())
    assert "images" not in alone.partition("<h1>")[2]


def test_a_difference_is_shouted():
    arms = example().arms

    bad = replace(arms[0], layers=(replace(arms[0].layers[0], bit_exact=False),))
    page = render(example(arms=(bad,)))
    assert "At least one layer differs" in page and "<span class=bad>NO</span>" in page


def test_a_run_without_counters_or_pruning_still_renders():
    arms = example().arms

    plain = tuple(replace(a, layers=tuple(
        replace(x, toggles=None, clocked_ff_cycles=None, activity=None, energy_pj=None,
                instance_pj=None, pruned=False) for x in a.layers)) for a in arms)
    page = render(example(arms=plain, pictures=(), accuracy=None))
    assert "Activity was not counted" in page and "No layer is pruned" in page


@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_it_without_scrolling_sideways(tmp_path, width):
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no browser: apt-get install chromium")
    probe = "<script>document.title = 'width ' + document.documentElement.scrollWidth</script>"
    (tmp_path / "page.html").write_text(render(example()).replace("</body>", probe + "</body>"))
    shot = tmp_path / "page.png"
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
               "--disable-background-networking", "--disable-component-update", "--disable-sync",
               f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},1600",
               "--hide-scrollbars"]
    url = (tmp_path / "page.html").as_uri()
    subprocess.run([*command, f"--screenshot={shot}", url], check=True, capture_output=True,
                   timeout=120, env={**os.environ, "HOME": str(tmp_path)})
    raw = shot.read_bytes()
    assert raw[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", raw[16:24])[0] == width
    dump = subprocess.run([*command, "--dump-dom", url], check=True, capture_output=True,
                          text=True, timeout=120, env={**os.environ, "HOME": str(tmp_path)})
    found = int(present(re.search(r"<title>width (\d+)</title>", dump.stdout))[1])
    assert found <= max(width, 500)  # headless windows are at least 500 wide
