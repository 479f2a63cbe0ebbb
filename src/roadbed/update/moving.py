"""Index and work tree go from one tree to another; a kill at any moment loses nothing.

Git's own fast-forward, killed, leaves a half-written tree and a lock. Here every new file is
written apart first, then a journal, then each file is renamed into place, then the index, then the
branch. So each file is whole, old or new, at any time, and the journal says how to go on or back.
What stands in the work tree and is neither old nor new is the user's, and stays.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import signal
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from tempfile import mkdtemp
from typing import IO, TYPE_CHECKING

from roadbed import git
from roadbed.errors import RoadbedError
from roadbed.repository import index_info
from roadbed.update.standing import Changes, Standing, changes, standing

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from roadbed.repository import Repository, Stage

_TOKEN = b"roadbed\n"  # an index.lock that says this is ours
_PATIENCE = 2.0  # seconds that another git or Roadbed may hold a lock
_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


class Kind(StrEnum):
    """What a move is for."""

    UPDATE = "update"  # to the new commit
    CONFLICT = "conflict"  # to a cherry-pick in progress
    RESOLVE = "resolve"  # from there to the new commit
    ABORT = "abort"  # back


@dataclass(frozen=True)
class Move:
    """Something that is done in whole or not at all.

    Attributes:
        kind: what for.
        head: the commit that the branch is at.
        before, after: trees of the whole repository.
        commit: where the branch goes, if anywhere.
        pick: the commit to be picked, in a conflict.
        message: of the commit, in a conflict.
        stages: of the files in conflict.
        also: further paths whose entry in the index is to be as in `after`.
    """

    kind: Kind
    head: str
    before: str
    after: str
    commit: str | None = None
    pick: str | None = None
    message: str = ""
    stages: list[Stage] = field(default_factory=list)
    also: list[str] = field(default_factory=list)

    @property
    def back(self) -> Move:
        """The move that undoes this one."""
        unmerged = sorted({path for *_, path in self.stages})
        return Move(Kind.ABORT, self.head, self.after, self.before, also=[*self.also, *unmerged])


@contextmanager
def exclusive(repository: Repository) -> Iterator[None]:
    """Keep other Roadbeds out of this work tree.

    Raises:
        RoadbedError: another one is at work, or nothing can be written.
    """
    try:
        _room(repository).mkdir(exist_ok=True)
        lock = (_room(repository) / "lock").open("wb")
    except OSError as error:
        raise RoadbedError(
            f"Nothing can be written in {repository.git_dir}: {error.strerror}.",
            "Make it writable, or look with --dry-run.",
        ) from error
    with lock:
        lock.write(_TOKEN)
        lock.flush()
        end = time.monotonic() + _PATIENCE
        while not _taken(lock):  # by one that was just killed, perhaps, and is not quite gone
            if time.monotonic() > end:
                raise RoadbedError(
                    f"Another roadbed is at work in {repository.root}.", "Wait until it is done."
                )
            time.sleep(0.05)
        for left in (repository.shared / "refs/roadbed").glob("*.lock"):
            _break(left)  # on Roadbed's own refs, by a git of one that was killed
        yield


def _taken(lock: IO[bytes]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def under_way(repository: Repository) -> Move | None:
    """The move that a kill has cut off, unless somebody has gone another way since."""
    try:
        written = json.loads(_journal(repository).read_text())
        stages = [(mode, content, stage, path) for mode, content, stage, path in written["stages"]]
        move = Move(**{**written, "kind": Kind(written["kind"]), "stages": stages})
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise RoadbedError(
            f"What an update that was cut off has noted, {_journal(repository)}, can't be read.",
            "See git status. If all is as it should be, remove that file.",
        ) from error
    if repository.commit() in {move.head, move.commit}:
        return move
    _journal(repository).unlink()
    return None


def require_room(repository: Repository, move: Move) -> None:
    """Make sure, before any work, that nothing of the user's stands in the way of a move.

    Raises:
        RoadbedError: something does; the files are named.
    """
    touched = changes(repository, move.before, move.after)
    _refuse(repository, move, touched, standing(repository, touched))


def perform(repository: Repository, move: Move, *, resumed: bool = False) -> list[str]:
    """Do a move, or go on with one that was cut off. The caller is `exclusive`.

    Returns:
        What was left as it stands, being the user's; only ever when `resumed`.

    Raises:
        RoadbedError: it can't be done; then nothing is.
    """
    if resumed:
        # Left by what was cut off, which is another move than the way back from it.
        _break_locks(repository, under_way(repository) or move)
    touched = changes(repository, move.before, move.after)
    room = _room(repository)
    for left in room.glob("files-*"):
        shutil.rmtree(left)
    try:
        files = Path(mkdtemp(prefix="files-", dir=room))
        with _out_of_the_way(files):
            _write(repository, touched, files)
            with _uninterrupted(), _index_locked(repository):
                if not resumed and repository.commit() != move.head:
                    raise RoadbedError(
                        f"Somebody has committed in {repository.root} in the meantime.",
                        "Nothing was changed; begin again.",
                    )
                index = _next_index(repository, move, touched)
                found = standing(repository, touched)
                if not resumed and move.kind is not Kind.ABORT:
                    _refuse(repository, move, touched, found)
                note(repository, move)
                kept = _place(repository, touched, found, files)
                _replace_index(repository, index)
                _finish(repository, move, resumed=resumed)
                _journal(repository).unlink()
    except (OSError, git.GitError) as error:
        _retreat(repository, move, error)
    return kept


def is_complete(repository: Repository, move: Move) -> bool:
    """Whether a move was cut off so late that the user may have worked on since."""
    if move.kind is Kind.CONFLICT:
        return repository.commit("CHERRY_PICK_HEAD") == move.pick
    return move.commit is not None and repository.commit() == move.commit


def complete(repository: Repository, move: Move) -> None:
    """Do the last of a move that is complete but for that; index and work tree stay."""
    _break_locks(repository, move)
    _finish(repository, move, resumed=True)
    _journal(repository).unlink()


def free_index(repository: Repository) -> bool:
    """Remove the lock of a Roadbed that was killed; whether there was one."""
    lock = repository.git_dir / "index.lock"
    try:
        ours = lock.read_bytes() == _TOKEN
    except FileNotFoundError:
        return False
    if ours:
        lock.unlink()
    return ours


def _room(repository: Repository) -> Path:
    return repository.git_dir / "roadbed"


def _journal(repository: Repository) -> Path:
    return _room(repository) / "move.json"


def note(repository: Repository, move: Move) -> None:
    """Write the journal: from now on the move is under way."""
    draft = _journal(repository).with_suffix(".new")
    draft.write_text(json.dumps(asdict(move)))
    draft.replace(_journal(repository))


def _write(repository: Repository, touched: Changes, files: Path) -> None:
    """Write all new files apart, as git checks them out here: a full disk is noticed in time."""
    new = {path: change.after for path, change in touched.items() if change.after}
    if not new:
        return
    env = {"GIT_INDEX_FILE": str(_room(repository) / "files.index")}
    (_room(repository) / "files.index").unlink(missing_ok=True)
    repository.run("update-index", "-z", "--index-info", env=env, stdin=index_info(new))
    repository.run("checkout-index", "--all", "--quiet", f"--prefix={files}/", env=env)


def _next_index(repository: Repository, move: Move, touched: Changes) -> Path:
    """The index as it will be: the user's own, but for what the move changes."""
    index = _room(repository) / "index"
    for old in (index, index.with_suffix(".lock")):
        old.unlink(missing_ok=True)
    env = {"GIT_INDEX_FILE": str(index)}
    try:
        shutil.copy(repository.git_dir / "index", index)
    except FileNotFoundError:
        repository.run("read-tree", move.head, env=env)
    after = {path: change.after for path, change in touched.items()}
    if move.also:
        whole = repository.listing(move.after)
        after |= {path: whole.get(path) for path in move.also}
    after |= {path: None for *_, path in move.stages}
    lines = [f"{mode} {content} {stage}\t{path}\0" for mode, content, stage, path in move.stages]
    # Removals first: a file may become a folder.
    gone = dict.fromkeys(after)
    there = {path: entry for path, entry in after.items() if entry}
    wanted = index_info(gone, len(move.head)) + index_info(there) + "".join(lines)
    repository.run("update-index", "-z", "--index-info", env=env, stdin=wanted)
    return index


def _refuse(
    repository: Repository, move: Move, touched: Changes, found: dict[str, Standing]
) -> None:
    blocked = {
        path
        for path, what in found.items()
        if what is Standing.OTHER or (what is Standing.NOTHING and touched[path].before)
    }
    listed = ("diff-index", "--cached", "-z", "--name-only", "--no-renames", move.head)
    staged = set(repository.run(*listed).split("\0")[:-1])
    if move.kind is Kind.CONFLICT:  # a cherry-pick in progress wants the index for itself
        blocked |= staged
    elif move.kind is Kind.UPDATE:
        blocked |= staged & touched.keys()
    if blocked:
        raise RoadbedError(
            "The update touches what is not committed here: " + ", ".join(sorted(blocked)) + ".",
            "Commit it, stash it (git stash --include-untracked) or move it away, and try again.",
        )


def _place(
    repository: Repository, touched: Changes, found: dict[str, Standing], files: Path
) -> list[str]:
    """Rename each file into place, those that go first; returns what is the user's and stays."""
    kept = sorted(path for path, what in found.items() if what is Standing.OTHER)
    todo = {path for path, what in found.items() if what in {Standing.BEFORE, Standing.NOTHING}}
    for path in sorted(todo):
        if touched[path].after is None:
            _remove(repository, path)
    for path in sorted(todo):
        if touched[path].after is not None:
            place = repository.root / path
            place.parent.mkdir(parents=True, exist_ok=True)
            if place.is_dir() and not place.is_symlink():
                place.rmdir()  # an empty one, which git does not see
            rename(files / path, place)
    return kept


def _remove(repository: Repository, path: str) -> None:
    (repository.root / path).unlink(missing_ok=True)
    for above in list(Path(path).parents)[:-1]:
        try:
            (repository.root / above).rmdir()
        except OSError:
            return


def rename(file: Path, place: Path) -> None:
    """Put a file in its place at once."""
    try:
        file.replace(place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # The repository is on another file system than its work tree.
        beside = Path(mkdtemp(prefix=".roadbed-", dir=place.parent))
        with _out_of_the_way(beside):
            copy = shutil.copy2(file, beside / place.name, follow_symlinks=False)
            Path(copy).replace(place)


def _replace_index(repository: Repository, index: Path) -> None:
    with suppress(git.GitError):  # which only says that something differs
        repository.run("update-index", "-q", "--refresh", env={"GIT_INDEX_FILE": str(index)})
    index.replace(repository.git_dir / "index")


def _finish(repository: Repository, move: Move, *, resumed: bool) -> None:
    message, pick = (repository.git_dir / name for name in ("MERGE_MSG", "CHERRY_PICK_HEAD"))
    if move.kind is Kind.CONFLICT and move.pick:
        repository.run("update-ref", "CHERRY_PICK_HEAD", move.pick)
        message.write_bytes(move.message.encode(errors="surrogateescape"))
        return
    if move.commit and not (resumed and repository.commit() == move.commit):
        repository.run("update-ref", "-m", "roadbed update", "HEAD", move.commit, move.head)
    if move.kind in {Kind.RESOLVE, Kind.ABORT} and pick.exists():
        message.unlink(missing_ok=True)
        pick.unlink()


def _retreat(repository: Repository, move: Move, error: OSError | git.GitError) -> None:
    """Undo what was done of a move, and say why."""
    why = str(error) if isinstance(error, git.GitError) else error.strerror or str(error)
    if under_way(repository) is not None and move.kind is not Kind.ABORT:
        try:
            perform(repository, move.back, resumed=True)
        except (RoadbedError, OSError, git.GitError):
            raise RoadbedError(
                f"The update stopped half-way ({why}).",
                "Nothing is lost: mend that, then roadbed update --continue or --abort.",
            ) from error
    elif under_way(repository) is not None:
        raise RoadbedError(
            f"The way back stopped half-way ({why}).",
            "Nothing is lost: mend that, then roadbed update --abort.",
        ) from error
    raise RoadbedError(
        f"The update could not be written in {repository.root}: {why}.",
        "Nothing was changed; make room or the files writable, and try again.",
    ) from error


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Let no signal cut a move off: it takes a moment, and stopping half-way is what we can't have."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    # The mask is for what git inherits. Another thread, such as that of the live display, takes the
    # signal all the same, and then the handler runs here.
    handlers = {
        each: signal.signal(each, lambda number, frame: None)
        for each in _SIGNALS
        if signal.getsignal(each) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        while late := signal.sigpending() & _SIGNALS:  # too late to stop
            signal.sigwait(late)
        for each, handler in handlers.items():
            signal.signal(each, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _index_locked(repository: Repository) -> Iterator[None]:
    """Hold git's own lock on the index, so that no other git writes it."""
    lock = repository.git_dir / "index.lock"
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            _link(_room(repository) / "lock", lock)
            break
        except FileExistsError:
            if free_index(repository):
                continue
            if time.monotonic() > end:
                raise RoadbedError(
                    f"Another git works in {repository.root}: {lock} is there.",
                    "Wait for it; if none runs, remove that file. Then try again.",
                ) from None
            time.sleep(0.05)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _link(token: Path, lock: Path) -> None:
    """Make the lock with its content at once, where the file system can."""
    try:
        os.link(token, lock)
    except FileExistsError:
        raise
    except OSError:
        with lock.open("xb") as file:
            file.write(_TOKEN)


def _break_locks(repository: Repository, move: Move) -> None:
    """Remove the locks that a killed git of ours has left on what a move ends with."""
    locks = [repository.git_dir / "HEAD.lock", repository.git_dir / "CHERRY_PICK_HEAD.lock"]
    with suppress(git.GitError):
        branch = repository.run("symbolic-ref", "--quiet", "HEAD")
        locks.append(repository.shared / f"{branch}.lock")
    for lock in locks:
        _break(lock, of={"", move.head, move.commit, move.pick})


def _break(lock: Path, *, of: Container[str | None] | None = None) -> None:
    """Remove a lock that is older than any git takes, whatever it says or if it says one of these."""
    with suppress(FileNotFoundError):
        while time.time() - lock.stat().st_mtime < _PATIENCE:
            time.sleep(0.05)
        if of is None or lock.read_text().strip() in of:
            lock.unlink()


@contextmanager
def _out_of_the_way(folder: Path) -> Iterator[None]:
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
