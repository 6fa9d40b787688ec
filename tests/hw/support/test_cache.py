"""The folder of what is kept between runs."""

import errno
import os

import pytest

from hw.support.cache import NoCacheError, cache_dir
from hw.support.errors import explain


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
