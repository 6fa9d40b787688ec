"""Locks of open files, which end with the process that holds them."""

import errno
from typing import IO

__all__ = ["lock"]

#: What locking fails with where a filesystem has no locks.
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)


def lock(file: int | IO[bytes], *, wait: bool = True) -> bool:
    """Lock a file; false where its filesystem, or the system, has no such locks.

    Raises
    ------
    BlockingIOError
        If another process holds it, and this one does not `wait`.
    """
    try:
        import fcntl
    except ImportError:  # Windows has none
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        return False
    return True
