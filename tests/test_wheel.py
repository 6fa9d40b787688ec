"""What is installed from a wheel runs from any folder, without the repository."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
#: Commands that take a second, each of another package.
COMMANDS = (
    ["-m", "sw.cli", "--help"],
    ["-m", "hw.build", "--preset", "tiny", "--out", "made"],
    ["-m", "sw.explore", "--network", "digits", "--instances", "1,2", "--arrays", "2x2"],
    ["-m", "boards", "list"],
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder in which the project is installed, from a copy of the repository."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others",
                             "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("no checkout, whose files would be packed")
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():  # building leaves folders beside the sources
            copy = folder / "source" / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes((ROOT / name).read_bytes())
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index",
                    "--wheel-dir", str(folder), str(folder / "source")], check=True)
    wheel = next(folder.glob("partita-*.whl"))
    subprocess.run([*pip, "install", "--no-deps", "--no-index", "--target",
                    str(folder / "installed"), str(wheel)], check=True)
    return folder / "installed"


def run(installed: Path, arguments: list[str], folder: Path) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(installed)})


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c[1])
def test_commands_run_from_another_folder(installed, tmp_path, command):
    done = run(installed, command, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_it_is_the_installed_one_that_runs(installed, tmp_path):
    """And finds its data: a floorplan, coefficients, the harness, boards' results."""
    code = ("import boards, hw, sim, sw; from pathlib import Path\n"
            "for p in (boards, hw, sim, sw): print(Path(p.__file__).parent.parent)\n"
            "from sw.data import stored; stored('energy.json')\n"
            "from hw.fpga.synthesis import ECP5_MAP; ECP5_MAP.read_text()\n"
            "import sim.verilated.build as b; b._HARNESS.read_text()\n")
    done = run(installed, ["-c", code], tmp_path)
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) == {str(installed)}
