"""Several files that appear together or not at all, and overwrite nothing.

Before the first one appears, a journal in the git directory names them all: who is killed half-way
leaves it behind, and the next who adds something takes away what is incomplete. Its lock is for one at
a time.
"""

from __future__ import annotations

import difflib
import fcntl
import json
import os
import shutil
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from roadbed.errors import RoadbedError

if TYPE_CHECKING:
    from collections.abc import Iterator

JOURNAL = "roadbed-adding"


@dataclass(frozen=True, order=True)
class Change:
    """A file that appears, or changes.

    Attributes:
        path: in the service's folder, with slashes.
        before: its text; None if it is not there yet.
        after: its text from now on.
    """

    path: str
    before: str | None
    after: str


def diff(changes: list[Change]) -> str:
    """What changes, as a patch."""
    lines: list[str] = []
    for each in changes:
        lines += difflib.unified_diff(
            (each.before or "").splitlines(keepends=True),
            each.after.splitlines(keepends=True),
            "/dev/null" if each.before is None else f"a/{each.path}",
            f"b/{each.path}",
        )
    return "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)


def require_free(folder: Path, changes: list[Change]) -> None:
    """Make sure that nothing would be overwritten or written elsewhere.

    Raises:
        RoadbedError: something would.
    """
    root = Path(os.path.realpath(folder))
    for each in changes:
        file = folder / each.path
        if not Path(os.path.realpath(file.parent)).is_relative_to(root):
            raise RoadbedError(
                f"{file} is not in the service: a folder of it is a link.", "Mend the link."
            )
        if each.before is None and os.path.lexists(file):
            raise RoadbedError(f"{file} is there already.", "Move it away, or choose another name.")
        if each.before is not None and file.read_bytes().decode() != each.before:
            raise RoadbedError(f"{file} has changed in the meantime.", "Try again.")


def require_whole(git_dir: Path) -> None:
    """Make sure that nothing is half-way there, for who must not take it away.

    Raises:
        RoadbedError: something is.
    """
    with suppress(FileNotFoundError):
        if (git_dir / JOURNAL).stat().st_size:
            raise RoadbedError(
                "A `roadbed add` is at work here, or was killed half-way.",
                "Do it without --dry-run: the next one takes away what is incomplete.",
            )


def apply(folder: Path, journal: Path, changes: list[Change]) -> None:
    """Make the changes in the service in `folder`, all or none. The caller is `alone`.

    Raises:
        RoadbedError: something would be overwritten, or can't be written; nothing was.
    """
    require_free(folder, changes)
    try:
        _note(journal, folder, changes)
        try:
            for each in changes:
                _write_beside(folder / each.path, each)
            for each in changes:
                _put(folder / each.path, each)
        except BaseException:
            _undo(folder, changes)
            raise
    except OSError as error:
        raise RoadbedError(
            f"{error.filename or folder} could not be written: {error.strerror or error}.",
            "Nothing was added: make room or get the right to write, and try again.",
        ) from error


@contextmanager
def alone(git_dir: Path) -> Iterator[Path]:
    """Hold the journal's lock, with what a killed one left taken away; the journal is gone after.

    For planning as well as for applying: two that plan at once would both follow the same migration.

    Raises:
        RoadbedError: another one is at work, or nothing can be written here.
    """
    journal = git_dir / JOURNAL
    try:
        descriptor = os.open(journal, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise RoadbedError(
            f"{journal} can't be written: {error.strerror}.", "Get the right to write there."
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RoadbedError(
                "Another `roadbed add` is at work here.", "Wait for its end, and try again."
            ) from error
        if not os.path.lexists(journal) or journal.stat().st_ino != os.fstat(descriptor).st_ino:
            raise RoadbedError(
                "Another `roadbed add` has just ended here.", "Look at what it did, and try again."
            )
        _mend(journal)
        try:
            yield journal
        finally:
            journal.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _note(journal: Path, folder: Path, changes: list[Change]) -> None:
    noted = json.dumps({"folder": str(folder), "changes": [asdict(each) for each in changes]})
    with journal.open("w", encoding="utf-8") as file:
        file.write(noted)
        file.flush()
        os.fsync(file.fileno())


def _mend(journal: Path) -> None:
    """End what was killed: complete it is kept, incomplete it goes."""
    with suppress(ValueError, KeyError, TypeError):
        noted = json.loads(journal.read_bytes() or b"null")
        if noted is not None:
            folder = Path(noted["folder"])
            changes = [Change(**each) for each in noted["changes"]]
            if not all(_is_there(folder / each.path, each) for each in changes):
                _undo(folder, changes)
            for each in changes:
                _beside(folder / each.path).unlink(missing_ok=True)


def _is_there(file: Path, change: Change) -> bool:
    if change.before is None:
        return os.path.lexists(file)
    return file.is_file() and file.read_bytes() != change.before.encode()


def _undo(folder: Path, changes: list[Change]) -> None:
    """Take away what is there and untouched, and folders that are empty then."""
    for each in changes:
        file = folder / each.path
        _beside(file).unlink(missing_ok=True)
        with suppress(OSError):
            if file.read_bytes() == each.after.encode():
                if each.before is None:
                    file.unlink()
                else:
                    _write_beside(file, Change(each.path, each.after, each.before))
                    _beside(file).replace(file)
        if each.before is None:
            for above in list(file.relative_to(folder).parents)[:-1]:
                with suppress(OSError):
                    (folder / above).rmdir()


def _beside(file: Path) -> Path:
    return file.with_name(f".{file.name}.roadbed")


def _write_beside(file: Path, change: Change) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with _beside(file).open("wb") as written:
        written.write(change.after.encode())
        written.flush()
        os.fsync(written.fileno())
    if change.before is not None:
        shutil.copymode(file, _beside(file))


def _put(file: Path, change: Change) -> None:
    if change.before is None:
        os.link(_beside(file), file)  # which, unlike a rename, replaces nothing
        _beside(file).unlink()
    else:
        _beside(file).replace(file)
