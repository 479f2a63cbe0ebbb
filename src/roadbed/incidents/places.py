"""Where runbooks are: one found upwards, or all of them below some folders."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from roadbed.errors import RoadbedError
from roadbed.incidents.runbook import Runbook
from roadbed.incidents.storage import MARK

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NAME = "RUNBOOK.md"

_OTHERS_PLACES = {"node_modules", "venv", "site-packages", "__pycache__"}


class Place(NamedTuple):
    """A service's runbook on the disk.

    Attributes:
        path: as it was named or found, so that it can be opened from here.
        folder: the service's.
        runbook: what it says. Bytes that are no UTF-8 are read as “�”: a search does not stop there.
    """

    path: Path
    folder: Path
    runbook: Runbook

    @property
    def service(self) -> str:
        """The service's name: that of its folder."""
        return self.folder.name


def runbook_of(path: Path | None) -> Path:
    """The one runbook to write to: the file itself, a folder's, or the nearest one upwards.

    Raises:
        RoadbedError: there is none.
    """
    if path is not None and _is_file(path):
        return path
    start = Path() if path is None else path
    if path is not None and not os.path.isdir(path):  # noqa: PTH112 (see `_is_file`)
        raise RoadbedError(f"There is no {path}.", "Name a service's folder, or its runbook.")
    found = _upwards(start)
    if found is None:
        raise RoadbedError(
            f"There is no {NAME} in {start.resolve()} or above it.",
            f"Name the service's folder, or make an empty {NAME} there.",
        )
    return found


def read_all(paths: Iterable[Path], warn: list[str]) -> list[Place]:
    """All runbooks that `paths` name: files, and those below folders.

    Args:
        paths: none means the service that is found upwards, or all below here.
        warn: gets a sentence on each that can't be read.

    Raises:
        RoadbedError: a path is not there, or there is no runbook at all.
    """
    named = list(paths) or [_upwards(Path()) or Path()]
    places: dict[str, Place] = {}
    for path in named:
        if not os.path.exists(path):  # noqa: PTH110 (see `_is_file`)
            raise RoadbedError(f"There is no {path}.", "Name folders, or runbooks.")
        for file in [path] if _is_file(path) else _below(path, warn):
            try:
                text = file.read_bytes().decode(errors="replace")
            except OSError as error:
                warn.append(f"{file} can't be read: {error.strerror or error}.")
                continue
            real = os.path.realpath(file)
            runbook = Runbook(text.removeprefix(MARK), str(file))
            places.setdefault(real, Place(file, Path(real).parent, runbook))
    if not places and not warn:
        where = " or ".join(str(path.resolve()) for path in named)
        raise RoadbedError(f"There is no {NAME} in {where} or below it.", "Name another folder.")
    return list(places.values())


def _upwards(start: Path) -> Path | None:
    """The nearest runbook in `start` or above it, as a path that is short from here.

    Not above the repository: an incident is not for another one's runbook.
    """
    for folder in (start.resolve(), *start.resolve().parents):
        if _is_file(folder / NAME):
            return Path(os.path.relpath(folder / NAME))
        if os.path.exists(folder / ".git"):  # noqa: PTH110 (see `_is_file`)
            break
    return None


def _below(root: Path, warn: list[str]) -> Iterator[Path]:
    def unread(error: OSError) -> None:
        warn.append(f"{error.filename} can't be read: {error.strerror}.")

    for folder, folders, files in os.walk(root, onerror=unread):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and name not in _OTHERS_PLACES
            and not os.path.exists(f"{folder}/{name}/pyvenv.cfg")  # noqa: PTH110 (for speed)
        )
        if NAME in files and _is_file(runbook := Path(folder, NAME)):
            yield runbook


def _is_file(path: Path) -> bool:
    """Whether there is a file, as far as one may look: pathlib raises where one may not."""
    return os.path.isfile(path)  # noqa: PTH113
