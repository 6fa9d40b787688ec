"""Files are checked before the work and written whole; only a command's own files are replaced."""

import errno
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hw.support.cache import NoCacheError, cache_dir
from hw.support.errors import OutputError, exit_code, explain
from hw.support.files import check_folder_place, check_outputs, save_file
from hw.support.folders import FolderBusyError, FolderKind, ForeignFilesError

KIND = FolderKind("made.json", "test.kind", "test folder")
ROOT = os.geteuid() == 0


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


# -- files -------------------------------------------------------------------------------------
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


def test_a_user_without_a_home_is_told_what_to_set(tmp_path, monkeypatch):
    def nowhere():
        raise RuntimeError("Could not determine home directory.")

    for name in ("PARTITA_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("hw.support.cache.Path.home", nowhere)
    with pytest.raises(NoCacheError, match="set PARTITA_CACHE to a folder"):
        cache_dir()
    told = explain(FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "there"))
    assert told.startswith("there: No such file or directory; check the name")


class _Broken:
    def read(self, size: int = -1) -> bytes:
        raise RuntimeError("half-way")


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


# -- errors ------------------------------------------------------------------------------------
def run_python(code: str, **options) -> subprocess.CompletedProcess:
    options = {"stdout": subprocess.PIPE, **options}
    program = ("import sys\nfrom hw.support.errors import exit_code\n"
               f"def run(argv):\n  {code}\n  return 0\n"
               "sys.exit(exit_code(run, [], 'it'))")
    return subprocess.run([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True,
                          **options)


def test_every_error_of_the_system_is_told_and_ends_with_5(capsys):
    for code in errno.errorcode:
        if code in (errno.EPIPE, errno.ESHUTDOWN):  # nobody is there to be told
            continue

        def run(argv, code=code):
            raise OSError(code, os.strerror(code), "some/place")

        assert exit_code(run, [], "it") == 5
        said = capsys.readouterr().err
        assert said.startswith(f"it: error: some/place: {os.strerror(code)}; ")


def test_what_is_wrong_with_the_cache_names_its_variable(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("x")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        monkeypatch.setenv("PARTITA_CACHE", str(place))
        with pytest.raises(OSError) as failed:
            place.mkdir(parents=True, exist_ok=True)
        assert "set PARTITA_CACHE to a folder that can be written" in explain(failed.value)


@pytest.mark.parametrize("count", [3, 100_000])
def test_output_that_nobody_reads_or_that_does_not_fit_ends_with_5(count):
    with open("/dev/full", "w") as full:
        done = run_python(f"print('x' * {count})", stdout=full)
    assert done.returncode == 5
    assert done.stderr == "it: error: standard output: No space left on device; make room, or " \
        "name a place on another disk\n"
    read, write = os.pipe()
    os.close(read)
    done = run_python(f"print('x' * {count})", stdout=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (5, "")


def test_a_limit_on_files_is_told(tmp_path):
    done = run_python(
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100));"
        "from hw.support.files import save_file, Path; save_file(Path('a'), 'x' * 999)",
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.getcwd()})
    assert done.returncode == 5 and "ulimit -f unlimited" in done.stderr
    assert names(tmp_path) == []


# -- folders -----------------------------------------------------------------------------------
def test_a_folder_is_made_and_its_own_files_are_replaced(tmp_path):
    out = tmp_path / "new" / "out"
    made = KIND.write(out, {"version": 1}, {"a": b"1", "b": b"2"})
    assert made == json.loads((out / "made.json").read_text())
    assert made["manifest"] == "test.kind" and set(made["written"]) == {"a", "b"}
    KIND.write(out, {}, {"b": b"3", "c": b"4"})
    assert names(out) == ["b", "c", "made.json"] and (out / "b").read_bytes() == b"3"
    assert "replaces" not in json.loads((out / "made.json").read_text())


def test_an_empty_folder_a_link_and_the_current_folder_will_do(tmp_path, monkeypatch):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path / "real")
    inode = Path.cwd().stat().st_ino
    for place in (tmp_path / "link", Path(""), Path("../real/")):
        KIND.write(place, {}, {"a": b"1"})
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real").stat().st_ino == inode
    assert names(Path.cwd()) == ["a", "made.json"]


def _web_application(out: Path) -> None:
    (out / "made.json").write_text('{"name": "my app", "icons": []}')


def _listing(*listed: str):
    def spoil(out: Path) -> None:
        (out / "made.json").write_text(json.dumps(
            {"manifest": "test.kind", "written": dict.fromkeys(listed)}))
    return spoil


def _changed(out: Path) -> None:
    KIND.write(out, {}, {"a": b"1"})
    (out / "a").write_text("edited")


def _added(out: Path) -> None:
    KIND.write(out, {}, {"a": b"1"})
    (out / "mine").write_text("mine")


def _linked(out: Path) -> None:
    KIND.write(out, {}, {"a": b"1"})
    (out / "a").rename(out.parent / "elsewhere")
    (out / "a").symlink_to("../elsewhere")


def _subfolder(out: Path) -> None:
    (out / "a").mkdir()
    _listing("a")(out)


@pytest.mark.parametrize(("spoil", "said"), [
    (lambda out: (out / "x").write_text("x"), "it holds 'x', which this command has not written"),
    (_web_application, "it holds 'made.json', which"),
    (lambda out: (out / "made.json").write_text("[" * 100_000), "it holds 'made.json', which"),
    (lambda out: (out / "made.json").write_bytes(b"\xff\0"), "it holds 'made.json', which"),
    (lambda out: (out / "made.json").mkdir(), "it holds 'made.json', which"),
    (_added, "it holds 'mine', which"),
    (_changed, "it holds 'a', changed since this command wrote it"),
    (_linked, "it holds 'a', which"),
    (_subfolder, "it holds 'a', which"),
    (lambda out: [(out / f"f{k}").write_text("") for k in range(5)],
     "it holds 'f0', 'f1', 'f2' and 2 more, which"),
])
def test_a_folder_with_other_files_is_refused_and_left_as_it_is(tmp_path, spoil, said):
    out = tmp_path / "out"
    out.mkdir()
    spoil(out)
    before = {p: p.is_file() and p.read_bytes() for p in tmp_path.rglob("*")}
    for act in (lambda: KIND.check(out), lambda: KIND.write(out, {}, {"a": b"new"}),
                lambda: KIND.claim(out, ["a"]), lambda: KIND.clear(out)):
        with pytest.raises(ForeignFilesError, match="name another folder, or move") as refused:
            act()
        assert said in str(refused.value)
    assert before == {p: p.is_file() and p.read_bytes() for p in tmp_path.rglob("*")}


@pytest.mark.parametrize("name", ["../precious", "/etc/passwd", "..", ".", "", "sub/file"])
def test_a_manifest_cannot_name_what_is_not_in_its_folder(tmp_path, name):
    out = tmp_path / "out"
    (out / "sub").mkdir(parents=True)
    for path in (tmp_path / "precious", out / "sub" / "file"):
        path.write_text("precious")
    _listing(name)(out)
    with pytest.raises(ForeignFilesError, match="'sub'"):
        KIND.clear(out)
    (out / "sub" / "file").rename(tmp_path / "other")
    (out / "sub").rmdir()
    KIND.clear(out)
    KIND.write(out, {}, {})
    assert (tmp_path / "precious").read_text() == "precious"


@pytest.mark.parametrize("moves", range(5))
def test_a_replacement_that_is_cut_short_is_finished_by_the_next(tmp_path, monkeypatch, moves):
    """Whatever has been moved when the power goes, the folder is still known as the command's."""
    KIND.write(tmp_path, {}, {"a": b"1", "b": b"2", "gone": b"3"})
    left, move = [moves], os.replace

    def replace(source, target):
        if Path(source).parent.parent == tmp_path and Path(target).parent == tmp_path:
            if not left[0]:
                raise SystemExit
            left[0] -= 1
        move(source, target)

    monkeypatch.setattr(os, "replace", replace)
    files = {"a": b"new", "b": b"new", "c": b"new"}
    with pytest.raises(SystemExit):
        KIND.write(tmp_path, {}, files)
    monkeypatch.undo()
    KIND.write(tmp_path, {}, files)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.name != "made.json"} == files


def test_a_claim_names_files_before_they_are_written(tmp_path):
    out = tmp_path / "run"
    KIND.claim(out, ["state", "result"])
    (out / "state").write_text("one")
    (out / "state").write_text("two")  # it may change
    KIND.claim(out, ["result", "more"])
    (out / "more").write_text("")
    KIND.clear(out)
    assert names(out) == ["made.json"]


def test_a_folder_is_held_by_one_command(tmp_path):
    out = tmp_path / "run"
    with KIND.held(out):
        with pytest.raises(FolderBusyError, match="another command works in this folder"), \
                KIND.held(out):
            pass
        KIND.check(out)
        KIND.claim(out, ["state"])
    with KIND.held(out):
        assert len(names(out)) == 2
    assert names(out) == ["made.json"]
    with KIND.held(tmp_path / "new" / "run"):
        pass
    with pytest.raises(ZeroDivisionError), KIND.held(tmp_path / "newer" / "run"):
        raise ZeroDivisionError
    assert not (tmp_path / "newer").exists()


def test_a_lock_that_its_holder_removes_meanwhile_is_none(tmp_path, monkeypatch):
    """Whoever locks a file that is no longer there tries again: another may hold the new one."""
    left = ["removed", "there"]

    def take(file, *, wait=True):
        if not wait and left.pop(0) == "removed":
            next(tmp_path.iterdir()).unlink()
        return True

    monkeypatch.setattr("hw.support.folders.lock", take)
    with KIND.held(tmp_path):
        assert left == [] and len(names(tmp_path)) == 1
    assert names(tmp_path) == []


def _hold(out: Path) -> None:
    with KIND.held(out):
        pass


@pytest.mark.parametrize("act", [lambda out: KIND.write(out, {}, {"a": b"1"}), _hold],
                         ids=["write", "held"])
def test_what_killed_commands_left_is_removed_and_nothing_else(tmp_path, act):
    (tmp_path / ".partita-ab_12cd9").mkdir()
    (tmp_path / ".partita-ab_12cd9" / "begun").write_text("")
    kept = [".partita-0123456789ac", ".partita-thesis", ".partita-ab_12cd9x", ".partita-AB_12CD9"]
    for name in (*kept, ".partita-0123456789ab", ".partita-ab_12cd8"):
        (tmp_path / name).write_text("")
        if name != kept[0]:  # which is young: it may be being written
            os.utime(tmp_path / name, (0, 0))
    act(tmp_path)
    assert {".partita-ab_12cd9", ".partita-0123456789ab"} & set(names(tmp_path)) == set()
    assert {*kept, ".partita-ab_12cd8"} <= set(names(tmp_path))


def test_a_folder_is_written_where_there_are_no_locks(tmp_path, monkeypatch):
    def no_locks(*args):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    (tmp_path / ".partita-ab_12cd9").mkdir()  # it may be of one that runs
    with KIND.held(tmp_path):
        KIND.claim(tmp_path, ["a"])
    KIND.write(tmp_path, {}, {"a": b"1"})
    assert names(tmp_path) == [".partita-ab_12cd9", "a", "made.json"]
