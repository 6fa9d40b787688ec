"""Files are checked before the work and written whole."""

import io
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hw.support.errors import OutputError, explain
from hw.support.files import check_folder_place, check_outputs, save_file
from tests.support.folders import names

ROOT = os.geteuid() == 0


class _Broken(io.BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise RuntimeError("half-way")


def test_a_file_is_replaced_whole_and_keeps_its_mode(tmp_path):
    path = tmp_path / "a.json"
    save_file(path, "one")
    path.chmod(0o640)
    save_file(path, b"two")
    assert path.read_text() == "two" and path.stat().st_mode & 0o777 == 0o640
    with pytest.raises(RuntimeError):
        save_file(path, _Broken())
    assert path.read_text() == "two" and names(tmp_path) == ["a.json"]


def test_a_write_protected_file_is_refused_before_and_after_the_work(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    path.write_text("mine")
    monkeypatch.setattr("hw.support.files.os.access",
                        lambda path, mode: mode != os.W_OK)  # root may all
    with pytest.raises(OutputError, match=r"--save .*a.json: Permission denied"):
        check_outputs(save=path)
    with pytest.raises(PermissionError):
        save_file(path, "other")
    assert path.read_text() == "mine" and names(tmp_path) == ["a.json"]


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.json"
    link.symlink_to("real/a.json")
    save_file(link, "new")  # a link to what is not there yet
    save_file(link, "newer")
    assert link.is_symlink() and (tmp_path / "real" / "a.json").read_text() == "newer"
    assert names(tmp_path / "real") == ["a.json"]


def test_devices_and_pipes_are_written_to_and_stay(tmp_path):
    for name in ("/dev/null", "/dev/full"):
        check_outputs(save=Path(name))
    save_file(Path("/dev/null"), "gone")
    assert Path("/dev/null").is_char_device()
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        save_file(Path("/dev/full"), "x" * 100_000)
    fifo, got = tmp_path / "fifo", []
    os.mkfifo(fifo)
    reader = threading.Thread(target=lambda: got.append(fifo.read_text()))
    reader.start()
    check_outputs(save=fifo)
    save_file(fifo, "through")
    reader.join()
    assert got == ["through"] and fifo.is_fifo()


@pytest.mark.parametrize("redirected", [True, False])
def test_standard_output_may_be_named(tmp_path, redirected):
    """Also where it is a file: what is printed later comes after it."""
    code = ("from pathlib import Path; from hw.support.files import *; print('first');"
            "check_outputs(save=Path('/dev/stdout')); save_file(Path('/dev/stdout'), 'second\\n');"
            "print('third')")
    path = tmp_path / "out"
    with path.open("w") as file:
        done = subprocess.run([sys.executable, "-c", code], text=True, check=True,
                              stdout=file if redirected else subprocess.PIPE)
    said = path.read_text() if redirected else done.stdout
    assert said == "first\nsecond\nthird\n" and names(tmp_path) == ["out"]


def test_what_no_command_has_written_is_not_replaced(tmp_path):
    (tmp_path / "thesis.tex").write_text("years")
    (tmp_path / "old.json").write_text('{"schema": "partita.check", "version": 1}')
    (tmp_path / "empty").touch()
    with pytest.raises(ValueError, match=r"thesis\.tex holds what no command here has written"):
        check_outputs(save=tmp_path / "thesis.tex")
    check_outputs(save=tmp_path / "old.json", report=tmp_path / "empty", plot=tmp_path / "new")
    check_outputs(known=True, save=tmp_path / "thesis.tex")


def bad_places(folder: Path) -> dict[str, tuple[Path, str]]:
    """Places that nobody can write to, root neither, and what is said of each."""
    (folder / "file").write_text("x")
    (folder / "loop").symlink_to("loop")
    (folder / "deep").symlink_to("loop/x")
    return {
        "a folder": (folder, "Is a directory; name a file"),
        "no folder": (folder / "no" / "a.json", "a folder has to be made first"),
        "below a file": (folder / "file" / "a.json", "a part of this path is a file"),
        "too long": (folder / ("n" * 300), "name a shorter one"),
        "in too long": (folder / ("n" * 300) / "a.json", "name a shorter one"),
        "a loop": (folder / "loop", "symbolic links lead in a circle"),
        "below a loop": (folder / "loop" / "x", "symbolic links lead in a circle"),
        "a link to a loop": (folder / "deep", "symbolic links lead in a circle"),
        "of the kernel": (Path("/proc/a.json"), "/proc"),
        "nothing": (Path(""), "Is a directory; name a file"),
    }


@pytest.mark.parametrize("case", [
    "a folder", "no folder", "below a file", "too long", "in too long", "a loop", "below a loop",
    "a link to a loop", "of the kernel", "nothing"])
def test_a_place_that_cannot_be_written_is_refused_by_option_and_reason(tmp_path, case):
    path, said = bad_places(tmp_path)[case]
    before = names(tmp_path)
    with pytest.raises(OutputError, match=r"^--save-it ") as refused:
        check_outputs(save_it=path)
    assert said in str(refused.value) and refused.value.exit_code == 5
    with pytest.raises(OSError) as failed:
        save_file(path, "text")
    assert explain(failed.value) and names(tmp_path) == before


@pytest.mark.parametrize("case", ["below a file", "too long", "a loop", "of the kernel"])
def test_a_folder_that_cannot_be_made_is_refused(tmp_path, case):
    path, said = bad_places(tmp_path)[case]
    for place in (path, path / "more"):
        with pytest.raises(OutputError, match=r"^--out ") as refused:
            check_folder_place("out", place)
        assert said in str(refused.value)
    with pytest.raises(OutputError, match="name a shorter one"):
        check_folder_place("out", tmp_path / "new" / ("n" * 300))
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(ROOT, reason="root may write anywhere")
def test_a_folder_without_rights_is_refused(tmp_path):
    tmp_path.chmod(0o555)
    for check in (lambda: check_outputs(save=tmp_path / "a"),
                  lambda: check_folder_place("out", tmp_path / "a")):
        with pytest.raises(OutputError, match="get the right to do that"):
            check()


def test_two_options_do_not_share_a_file(tmp_path):
    with pytest.raises(ValueError, match="--save and --report name the same file"):
        check_outputs(save=tmp_path / "a", report=tmp_path / "." / "a")
    check_outputs(save=Path("/dev/null"), report=Path("/dev/null"))
