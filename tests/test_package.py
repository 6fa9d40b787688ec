"""What is installed is whole: the packages' data files, and a command for every program."""

import subprocess
import tomllib
from pathlib import Path

import pytest

from hw.support.commands import GROUP, commands
from sw import cli

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = ("boards", "hw", "sim", "sw")
#: Of a folder of the repository, read by people alone.
NOT_INSTALLED = "README.md"


def test_every_data_file_of_a_package_is_installed():
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout")
    tracked = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard",
                              *PACKAGES], cwd=ROOT, check=True, capture_output=True, text=True)
    data = {f for f in tracked.stdout.split() if not f.endswith(".py")
            and Path(f).name != NOT_INSTALLED}
    installed = {str(path.relative_to(ROOT))
                 for package, patterns in
                 PROJECT["tool"]["setuptools"]["package-data"].items()
                 for pattern in patterns for path in (ROOT / package).glob(pattern)}
    assert data and not data - installed
    assert any(f.startswith("hw/fpga/floorplans/") for f in data)


def test_what_was_measured_and_trained_stays_small():
    assert sum(path.stat().st_size for path in (ROOT / "sw" / "data").iterdir()
               if path.is_file()) < 12_000_000


def test_every_program_is_a_command_and_every_command_a_program():
    programs = {".".join(path.relative_to(ROOT).with_suffix("").parts)
                for package in PACKAGES for path in (ROOT / package).rglob("*.py")
                if '__name__ == "__main__"' in path.read_text()}
    points = PROJECT["project"]["entry-points"][GROUP]
    assert {f"{module}:main" for module in programs - {"sw.cli"}} == set(points.values())
    assert points == {name: point.value for name, point in commands().items()}
    assert PROJECT["project"]["scripts"] == {"partita": "sw.cli:main"}


def test_the_version_is_the_projects(capsys):
    assert cli.main(["--version"]) == 0
    said = capsys.readouterr().out
    assert said in (f"partita {PROJECT['project']['version']}\n", "partita not installed\n")
