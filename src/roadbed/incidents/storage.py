"""A text file that changes whole or not at all, one writer at a time.

The new text is written beside the file and renamed over it: whoever reads sees the old or the new
one, also after kill -9 or a power cut. Writers wait for each other at a lock on the folder, which
leaves nothing behind.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from roadbed.errors import RoadbedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MARK = "\ufeff"  # of byte order; some editors put it first
PATIENCE = 20.0  # seconds that a writer waits for the others


def read(path: Path) -> str:
    """The text of a file that may be written again, line endings and byte order mark included.

    Raises:
        RoadbedError: it can't be read, or is not UTF-8.
    """
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise RoadbedError(
            f"{path} can't be read: {error.strerror or error}.", "Name another file."
        ) from error
    except UnicodeDecodeError as error:
        raise RoadbedError(
            f"{path} is not UTF-8 (byte {error.start + 1}).", "Save it as UTF-8, and try again."
        ) from error


def require_writable(path: Path) -> None:
    """Make sure, before anybody types, that the file can be replaced.

    Raises:
        RoadbedError: it can't.
    """
    target = Path(os.path.realpath(path))
    for place in (target, target.parent):
        if not os.access(place, os.W_OK):
            raise RoadbedError(f"You may not write in {place}.", _MEND)


def edit(path: Path, change: Callable[[str], str]) -> None:
    """Replace the text of a file by what `change` makes of it.

    Mode, owner and a symbolic link that `path` may be stay as they are, and so does a byte order
    mark, which `change` does not see.

    Raises:
        RoadbedError: it can't be read or written; it is as it was.
    """
    target = Path(os.path.realpath(path))
    require_writable(target)
    with _alone_in(target.parent):
        old = read(target)
        mark = MARK if old.startswith(MARK) else ""
        new = mark + change(old.removeprefix(MARK))
        if new != old:
            _replace(target, new.encode())


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise _locking(error, folder) from error
    try:
        _lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.01)
        except OSError as error:
            raise _locking(error, folder) from error
        else:
            return
    raise RoadbedError(
        f"Others have been writing in {folder} for {PATIENCE:.0f} seconds.",
        "See what holds the folder, and try again.",
    )


def _locking(error: OSError, folder: Path) -> RoadbedError:
    return RoadbedError(f"{folder} can't be locked: {error.strerror or error}.", _MEND)


def _replace(target: Path, content: bytes) -> None:
    # One name for all: what a killed writer left is gone with the next one, who is alone here.
    beside = target.with_name(f".{target.name}.roadbed")
    try:
        beside.unlink(missing_ok=True)
        before = target.stat()
        # Not open to more readers than the file itself, not for a moment.
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            with suppress(PermissionError):  # only root gives files away
                os.fchown(descriptor, before.st_uid, before.st_gid)
            os.fchmod(descriptor, before.st_mode & 0o7777)
            os.fsync(descriptor)
        beside.replace(target)
    except BaseException as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise RoadbedError(
                f"{target} could not be written: {error.strerror or error}.", _MEND
            ) from error
        raise


_MEND = "The file is as it was: make room or get the right to write, and try again."
