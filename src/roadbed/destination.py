"""A folder that comes into being whole, or not at all.

It is built beside its destination, on the same file system, and renamed into place: at no moment
does a half-made one stand there. Of two that are made for one destination, one wins.
"""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from roadbed.errors import RoadbedError

if TYPE_CHECKING:
    from collections.abc import Iterator

_ELSEWHERE = "Choose another folder, or move it away."


def require_free(destination: Path) -> None:
    """Make sure, before any work, that a folder can be made at `destination`.

    Raises:
        RoadbedError: something is there, or nothing can be written there.
    """
    try:
        if destination.is_dir():
            if any(destination.iterdir()):
                raise RoadbedError(f"The folder {destination} is not empty.", _ELSEWHERE)
        elif os.path.lexists(destination):
            raise RoadbedError(f"{destination} is there already, and is no folder.", _ELSEWHERE)
    except OSError as error:
        raise _sentence(error, destination) from error
    above = next(folder for folder in destination.parents if os.path.lexists(folder))
    if not above.is_dir():
        raise RoadbedError(
            f"{destination} can't be made: {above} is no folder.", "Choose another folder."
        )
    if not os.access(above, os.W_OK | os.X_OK):
        raise RoadbedError(
            f"{destination} can't be made: you may not write in {above}.", "Choose another folder."
        )


@contextmanager
def made_whole(destination: Path) -> Iterator[Path]:
    """Give a path to build the folder at, then move what was built to `destination`.

    Whatever goes wrong, an interrupt too, leaves nothing behind: neither the folder, nor parents
    that were made for it.

    Args:
        destination: an absolute path; nothing is there, or an empty folder.

    Raises:
        RoadbedError: the destination can't be written, or is taken by now.
    """
    made: list[Path] = []
    try:
        for folder in reversed([p for p in destination.parents if not p.is_dir()]):
            with suppress(FileExistsError):
                folder.mkdir()
                made.append(folder)
        scratch = Path(mkdtemp(prefix=f".{destination.name}.roadbed-", dir=destination.parent))
        try:
            # Same name, since a template may ask for it; a folder in a folder, since mkdtemp's
            # own is closed to everybody else.
            building = scratch / destination.name
            yield building
            _move(building, destination)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    except BaseException as error:
        for folder in reversed(made):
            with suppress(OSError):
                folder.rmdir()
        if isinstance(error, OSError):
            raise _sentence(error, destination) from error
        raise


def _move(built: Path, destination: Path) -> None:
    if not (destination.is_dir() and destination.samefile(Path.cwd())):
        built.rename(destination)
        return
    # A rename would leave the caller's shell in a folder that is no more.
    require_free(destination)
    moved: list[Path] = []
    try:
        for entry in built.iterdir():
            entry.rename(destination / entry.name)
            moved.append(entry)
    except BaseException:
        for entry in moved:
            (destination / entry.name).rename(entry)
        raise


def _sentence(error: OSError, destination: Path) -> RoadbedError:
    if error.errno in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
        return RoadbedError(f"Something else took {destination} in the meantime.", _ELSEWHERE)
    return RoadbedError(
        f"{destination} could not be written: {error.strerror or error}.",
        "Make room for it there, or choose another folder.",
    )
