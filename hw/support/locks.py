"""Locks of open files, which end with the process that holds them."""

import errno
from importlib import import_module, util
from typing import IO, Any

__all__ = ["lock"]

#: None on Windows.
_FCNTL: Any = import_module("fcntl") if util.find_spec("fcntl") else None
#: What locking fails with where a filesystem has no locks.
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)


def lock(file: int | IO[bytes], *, wait: bool = True) -> bool:
    """Lock a file; false where its filesystem, or the system, has no such locks.

    Raises
    ------
    BlockingIOError
        If another process holds it, and this one does not `wait`.
    """
    if _FCNTL is None:
        return False
    try:
        _FCNTL.flock(file, _FCNTL.LOCK_EX | (0 if wait else _FCNTL.LOCK_NB))
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return False
    return True
