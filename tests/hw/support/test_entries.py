"""The cache mends itself, is its user's alone, and asks for no more than it needs."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hw.support import entries as module
from hw.support.entries import CacheError, cached_file, own_cache

CONTENT = b"a library"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("PARTITA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def forget():
    """As a new process would."""
    module._checked.clear()
    module._swept.clear()


def make(folder: Path) -> Path:
    (folder / "made.json").write_text('{"maps": 1}')
    (folder / "made.so").write_bytes(CONTENT)
    return folder / "made.so"


def never(folder: Path) -> Path:
    raise AssertionError("it is in the cache")


def test_a_file_is_made_once(cache):
    file = cached_file("entry", make)
    forget()
    assert cached_file("entry", never) == file
    assert file.read_bytes() == CONTENT and file.with_suffix(".json").is_file()
    assert [p.name for p in cache.iterdir()] == ["entry"]  # no lock, no folder of work


def truncate(file):
    file.write_bytes(CONTENT[:4])


def zeros(file):
    file.write_bytes(bytes(len(CONTENT)))


def empty(file):
    file.write_bytes(b"")


def no_maps(file):
    file.with_suffix(".json").unlink()


def other_maps(file):
    file.with_suffix(".json").write_text("{}")


def no_sums(file):
    (file.parent / "sums.json").unlink()


def other_sums(file):
    (file.parent / "sums.json").write_text("[" * 100_000)


def a_file_instead(file):
    for path in list(file.parent.iterdir()):
        path.unlink()
    file.parent.rmdir()
    file.parent.write_bytes(b"in the way")


@pytest.mark.parametrize("spoil", [truncate, zeros, empty, Path.unlink, no_maps, other_maps,
                                   no_sums, other_sums, a_file_instead])
def test_a_damaged_entry_is_made_again_and_said_so_once(cache, spoil):
    spoil(cached_file("entry", make))
    forget()
    said: list[str] = []
    file = cached_file("entry", make, say=said.append)
    assert file.read_bytes() == CONTENT
    assert said == [f"{cache / 'entry'} is damaged; making it again"]
    forget()
    assert cached_file("entry", never) == file


def test_what_a_failed_maker_leaves_is_removed(cache):
    def fail(folder):
        (folder / "half").write_bytes(b"half")
        raise RuntimeError("no compiler")

    with pytest.raises(RuntimeError, match="no compiler"):
        cached_file("entry", fail)
    assert list(cache.iterdir()) == []


MAKER = """
import sys, time
from hw.support.entries import cached_file
def make(folder):
    (folder / "made.so").write_bytes(b"from a child")
    print("working", flush=True)
    time.sleep(float(sys.argv[2]))
    return folder / "made.so"
cached_file(sys.argv[1], make)
"""


def start(name: str, seconds: float) -> subprocess.Popen:
    """A process that makes an entry, once it is at it."""
    root = Path(__file__).parents[3]
    process = subprocess.Popen([sys.executable, "-c", MAKER, name, str(seconds)], cwd=root,
                               stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(root)})
    assert process.stdout is not None and process.stdout.readline() == b"working\n"
    return process


def test_folders_of_killed_makers_go_and_those_of_living_ones_stay(cache):
    living, killed = start("living", 60), start("killed", 60)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert {p.name for p in cache.iterdir()} == {".making-living", ".making-killed"}
    cached_file("entry", make)
    assert {p.name for p in cache.iterdir()} == {".making-living", "entry"}
    assert cached_file("killed", make).read_bytes() == CONTENT
    living.kill()
    living.communicate()


def test_two_processes_make_an_entry_once(cache):
    other = start("entry", 1)
    assert cached_file("entry", never).read_bytes() == b"from a child"
    other.communicate()


def test_without_locks_each_makes_its_own(cache, monkeypatch):
    def no_locks(*args):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    (cache / ".making-new").mkdir(parents=True, mode=0o700)
    (cache / ".making-old").mkdir()
    cache.chmod(0o700)
    os.utime(cache / ".making-old", (time.time() - 1e6,) * 2)
    assert cached_file("entry", make).read_bytes() == CONTENT
    assert {p.name for p in cache.iterdir()} == {".making-new", "entry"}


def test_a_cache_may_be_named_from_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PARTITA_CACHE", "here")
    assert own_cache() == tmp_path / "here"


# -- whose it is ------------------------------------------------------------------------------
def test_a_new_cache_is_its_users_alone(cache):
    old = os.umask(0)
    try:
        file = cached_file("entry", make)
    finally:
        os.umask(old)
    assert [stat.S_IMODE(p.stat().st_mode) & 0o077 for p in (cache, file.parent)] == [0, 0]
    assert not file.stat().st_mode & 0o022


def test_what_others_can_write_is_not_loaded(cache):
    file = cached_file("entry", make)
    for path in (cache, file.parent, file):
        mode = path.stat().st_mode
        path.chmod(mode | 0o020)
        forget()
        with pytest.raises(CacheError, match=f"{path} can be written by other users"):
            cached_file("entry", never)
        path.chmod(mode)
    assert cached_file("entry", never) == file


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_what_others_own_is_not_loaded(cache):
    file = cached_file("entry", make)
    for path in (cache, file.parent, file):
        os.chown(path, 12345, -1)
        forget()
        with pytest.raises(CacheError, match=f"{path} belongs to user 12345"):
            cached_file("entry", never)
        os.chown(path, 0, -1)


def test_a_file_in_the_caches_place_carries_its_path(cache):
    cache.write_bytes(b"")
    with pytest.raises(OSError) as caught:
        own_cache()
    assert caught.value.filename == str(cache)
