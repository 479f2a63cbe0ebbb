"""The files of a service: listed once, each read once, none followed out of the folder."""

from __future__ import annotations

import os
import re
from fnmatch import fnmatch
from functools import cached_property
from typing import TYPE_CHECKING

from roadbed.checklist.evidence import Place

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGEST = 8_000_000  # bytes: what is larger is data, or was generated

_CLOSED = {
    "__pycache__", "build", "dist", "env", "node_modules", "site-packages", "venv",
}  # fmt: skip
_OPEN = {".github", ".importlinter"}  # the dotted names that we read

# Not what runs in production: a query or a call in there may be as careless as it likes.
_ASIDE = re.compile(
    r"(^|/)(tests?|testing|conftest\.py|test_[^/]*|[^/]*_test\.py|docs?|examples?|samples?|"
    r"benchmarks?|bench|fixtures)(/|$)"
    r"|^(dev|scripts|tools|ci|noxfile\.py|setup\.py|tasks\.py)(/|$)"
)


class Tree:
    """The regular files below a folder.

    Attributes:
        root: the folder.
        problems: what could not be read, and why; more of it as files are read.
    """

    def __init__(self, root: Path, exclude: tuple[str, ...] = ()) -> None:
        self.root = root
        self.problems: list[tuple[Place, str]] = []
        self._exclude = exclude
        self._read: dict[str, str] = {}

    @cached_property
    def files(self) -> list[str]:
        """Their paths, relative to the root, with slashes, sorted."""
        return sorted(self._walk(""))

    def matching(self, *endings: str) -> list[str]:
        """The files whose names end so."""
        return [path for path in self.files if path.endswith(endings)]

    def production(self, *endings: str) -> list[str]:
        """Those of them that are no tests, documents, examples or tools."""
        return [path for path in self.matching(*endings) if not _ASIDE.search(path)]

    def has(self, path: str) -> bool:
        """Whether there is such a file or folder, excluded or not."""
        return "\0" not in path and os.path.lexists(self.root / path)

    def first(self, *paths: str) -> str | None:
        """The first of these that is a file, in any case of its letters."""
        known = {path.lower(): path for path in self.files}
        return next((known[path.lower()] for path in paths if path.lower() in known), None)

    def data(self, path: str) -> bytes:
        """What a file holds; nothing, and a problem, where it can't be read."""
        try:
            if (self.root / path).stat().st_size > LARGEST:
                self.problem(Place(path), f"is larger than {LARGEST // 1_000_000} MB")
                return b""
            return (self.root / path).read_bytes()
        except OSError as error:
            self.problem(Place(path), f"can't be read: {error.strerror}")
            return b""

    def text(self, path: str) -> str:
        """A file as text: UTF-8, with what is not replaced, and lines that end in LF."""
        if path not in self._read:
            decoded = self.data(path).decode("utf-8-sig", "replace")
            self._read[path] = decoded.replace("\r\n", "\n").replace("\r", "\n")
        return self._read[path]

    def problem(self, place: Place, why: str) -> None:
        """Note what could not be read or understood."""
        if (place, why) not in self.problems:
            self.problems.append((place, why))

    def _walk(self, folder: str) -> Iterator[str]:
        try:
            entries = list(os.scandir(self.root / folder))
        except OSError as error:
            self.problem(Place(folder or "."), f"can't be read: {error.strerror}")
            return
        for entry in entries:
            path = folder + entry.name
            if self._is_closed(entry.name) or self._is_excluded(path):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(f"{path}/")
            elif entry.is_file(follow_symlinks=False):
                yield path

    def _is_closed(self, name: str) -> bool:
        return (
            name in _CLOSED or name.endswith(".egg-info") or (name[0] == "." and name not in _OPEN)
        )

    def _is_excluded(self, path: str) -> bool:
        return any(fnmatch(path, each) or fnmatch(path, f"{each}/*") for each in self._exclude)
