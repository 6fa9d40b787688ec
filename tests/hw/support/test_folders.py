"""Of a folder only what a command has written itself is replaced."""

import errno
import json
import os
from pathlib import Path

import pytest

from hw.support.folders import FolderBusyError, FolderKind, ForeignFilesError
from tests.support.folders import names

KIND = FolderKind("made.json", "test.kind", "test folder")


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
