"""An update that is killed: no byte of the user's is lost, and one command ends it.

In a process of its own and with the git processes that it starts, at random moments and at chosen
lines. The long form, whole programs killed, is `make bench only=kills`.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from histories import git
from losses import lines

from roadbed.errors import RoadbedError
from roadbed.service import found
from roadbed.update import moving, resuming, standing
from roadbed.update.engine import Request, update
from roadbed.update.report import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import FrameType

    from roadbed.repository import Repository

    from .conftest import Home

TRACED = {moving.__file__, standing.__file__}


@pytest.fixture(autouse=True)
def litter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill leaves scratch folders: here, and not in everybody's."""
    (tmp_path / "litter").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "litter"))


@pytest.fixture
def busy(home: Home) -> Home:
    """A service with work in it: committed, staged, changed, untracked; its update is rendered."""
    home.commit(e_txt="e\n", f_txt="f\n")
    home.write("e.txt", "changed\n")
    home.write("f.txt", "staged\n")
    git(home.service, "add", "f.txt")
    home.write("g.txt", "untracked\n")
    return home


def conflicting(home: Home) -> Home:
    git(home.service, "stash", "--quiet", "--include-untracked")
    home.commit(a_txt=lines(at20="MINE"))
    home.write("g.txt", "untracked\n")
    return home


def traced(work: Callable[[], object], *, until_death: int | None = None) -> int:
    """How many lines of its own a move runs through; at one of them everything is killed."""
    seen = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal seen
        if frame.f_code.co_filename not in TRACED:
            return None
        if event == "line":
            seen += 1
            if seen == until_death:
                os.kill(0, signal.SIGKILL)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return seen


def in_a_child(work: Callable[[], object]) -> int:
    """Start work in a process, and a process group, of its own."""
    child = os.fork()
    if child:
        return child
    try:
        os.setpgid(0, 0)
        work()
    finally:
        os._exit(0)


def ended(home: Home, way: str) -> None:
    """Nothing is left of an update that was cut off, after at most one command."""
    try:
        done = (
            resuming.go_on(home.service, verify=False)
            if way == "continue"
            else resuming.go_back(home.service)
        )
        assert not [warning for warning in done.warnings if "Left as" in warning]
        if done.outcome is Outcome.CONFLICTS:
            assert (home.service / ".git/CHERRY_PICK_HEAD").exists()
            resuming.go_back(home.service)
    except RoadbedError as nothing:
        if "No update is in progress" not in nothing.what:
            raise


def state(home: Home) -> dict[str, bytes | str]:
    seen = home.everything()
    seen.pop("for-each-ref")
    return seen


def locks(home: Home) -> list[str]:
    """Git's locks that are left, by their place in `.git`; Roadbed's own scratch is another thing."""
    repository = home.service / ".git"
    left = (lock.relative_to(repository) for lock in repository.rglob("*.lock"))
    return [str(lock) for lock in left if lock.parts[0] != "roadbed"]


def test_killed_at_any_line_of_its_it_is_whole_after_one_command(busy: Home) -> None:
    old = state(busy)
    begun = found(busy.service)

    def work() -> None:
        update(Request(busy.service, verify=False))

    work()
    new = state(busy)
    head = git(busy.service, "rev-parse", "HEAD")
    tree = git(busy.service, "rev-parse", "HEAD^{tree}")
    move = moving.Move(moving.Kind.UPDATE, begun.head, f"{begun.head}^{{tree}}", tree, head)

    def again() -> None:
        with moving.exclusive(begun.repository):
            moving.perform(begun.repository, move)

    _reset(busy, begun.head, old)
    total = traced(again)
    assert state(busy) == new
    seen = set()
    for number, death in enumerate(range(1, total, total // 26)):
        _reset(busy, begun.head, old)
        os.waitpid(in_a_child(partial(traced, again, until_death=death)), 0)
        ended(busy, "continue" if number % 2 else "abort")
        after = state(busy)
        assert after in (old, new), death
        assert not locks(busy)
        seen.add("new" if after == new else "old")
    assert seen == {"old", "new"}


@pytest.mark.parametrize("torn", [False, True])
def test_killed_at_random_with_its_gits_it_is_whole_after_one_command(
    busy: Home, torn: bool
) -> None:
    """Whatever it runs at that moment dies with it: git as well."""
    home = conflicting(busy) if torn else busy
    old, begun = state(home), found(home.service)
    update(Request(home.service, verify=False))  # also to have the rendering ready
    if torn:
        ended(home, "abort")
        pick = git(home.service, "rev-parse", "refs/roadbed/aborted")
        assert pick
    new = state(home)
    dice = Random(7)  # noqa: S311
    head = git(home.service, "rev-parse", "HEAD")

    def again() -> None:
        update(Request(home.service, verify=False))

    for number in range(12):
        if not torn:
            _reset(home, begun.head, old)
        child = in_a_child(again)
        time.sleep(dice.uniform(0.1, 0.6))
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        if (home.service / ".git/CHERRY_PICK_HEAD").exists():
            ended(home, "abort")
        else:
            ended(home, "continue" if number % 2 else "abort")
        after = state(home)
        same = {key: value for key, value in after.items() if key != "log --format=%H"}
        expected = [{k: v for k, v in s.items() if k != "log --format=%H"} for s in (old, new)]
        for each in (same, *expected):
            each.pop("status --porcelain=v2")
        assert same in expected
        assert not locks(home)
    assert head


def _reset(home: Home, head: str, old: dict[str, bytes | str]) -> None:
    """Back to before, by other means than those that are tested."""
    git(home.service, "reset", "--quiet", "--hard", head)
    for name, content in old.items():
        if isinstance(content, bytes):
            home.write(name, content)
    git(home.service, "add", "f.txt")
    assert state(home) == old


def lock(home: Home, name: str, content: str) -> None:
    """A lock that a git, killed a minute ago, has left."""
    place = home.service / ".git" / f"{name}.lock"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(content)
    minute_ago = time.time() - 60
    os.utime(place, (minute_ago, minute_ago))


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> list[moving.Move]:
    """The moves of which a journal was written."""
    moves: list[moving.Move] = []
    note = moving.note

    def kept(repository: Repository, move: moving.Move) -> None:
        moves.append(move)
        note(repository, move)

    monkeypatch.setattr(moving, "note", kept)
    return moves


@pytest.mark.parametrize("way", ["continue", "abort"])
@pytest.mark.parametrize("late", [False, True])
def test_the_branchs_locks_of_a_killed_git_are_gone_after_one_command(
    busy: Home, noted: list[moving.Move], way: str, late: bool
) -> None:
    """Git takes HEAD's lock and the branch's, renames the branch's, and removes HEAD's."""
    old, begun = state(busy), found(busy.service)
    update(Request(busy.service, verify=False))
    new, (move,) = state(busy), noted
    if not late:
        git(busy.service, "update-ref", "refs/heads/main", begun.head)
        lock(busy, "refs/heads/main", f"{move.commit}\n")
    lock(busy, "HEAD", "")
    moving.note(begun.repository, move)
    ended(busy, way)
    assert state(busy) == (new if late or way == "continue" else old)
    assert not locks(busy)


@pytest.mark.parametrize("way", ["continue", "abort"])
def test_a_picks_lock_of_a_killed_git_is_gone_after_one_command(
    busy: Home, noted: list[moving.Move], way: str
) -> None:
    home = conflicting(busy)
    old, begun = state(home), found(home.service)
    update(Request(home.service, verify=False))
    (move,) = noted
    (home.service / ".git/CHERRY_PICK_HEAD").unlink()
    lock(home, "CHERRY_PICK_HEAD", f"{move.pick}\n")
    moving.note(begun.repository, move)
    ended(home, way)
    assert state(home) == old
    assert not locks(home)


def test_a_lock_that_is_somebody_elses_stays(busy: Home, noted: list[moving.Move]) -> None:
    """A branch that goes somewhere else is not ours to free: it is said, and nothing is lost."""
    begun = found(busy.service)
    update(Request(busy.service, verify=False))
    git(busy.service, "reset", "--quiet", "--hard", begun.head)
    moving.note(begun.repository, noted[0])
    lock(busy, "refs/heads/main", "0123456789" * 4)
    refused = busy.update("--continue")
    assert refused.exit_code == 2
    assert "main.lock" in refused.stderr
    assert locks(busy) == ["refs/heads/main.lock"]


@pytest.mark.parametrize("linked", [False, True])
def test_a_lock_on_the_renderings_that_are_kept_goes_with_the_next_command(
    busy: Home, linked: bool
) -> None:
    """Work trees have that ref in common, wherever each keeps what is its own."""
    place = busy.service.with_name("side") if linked else busy.service
    if linked:
        git(busy.service, "worktree", "add", "--quiet", "-b", "side", str(place))
    lock(busy, "refs/roadbed/pristine", "")
    update(Request(place, verify=False))
    assert git(busy.service, "rev-parse", "--verify", "refs/roadbed/pristine")
    assert not locks(busy)


def test_a_user_who_edits_after_the_kill_keeps_the_edit(busy: Home) -> None:
    begun = found(busy.service)
    update(Request(busy.service, verify=False))
    head, tree = git(busy.service, "rev-parse", "HEAD", "HEAD^{tree}").splitlines()
    git(busy.service, "reset", "--quiet", "--hard", begun.head)
    move = moving.Move(moving.Kind.UPDATE, begun.head, f"{begun.head}^{{tree}}", tree, head)
    with moving.exclusive(begun.repository):
        moving.note(begun.repository, move)
    busy.write("a.txt", "edited after the kill\n")
    refused = busy.update()
    assert refused.exit_code == 2
    assert "was cut off" in refused.stderr
    done = busy.update("--continue")
    assert done.exit_code == 0
    assert "Left as you have changed them since: a.txt" in done.stderr
    assert busy.text("a.txt") == "edited after the kill\n"
    assert git(busy.service, "rev-parse", "HEAD") == head


def test_a_disk_that_takes_no_more_leaves_nothing_behind(
    busy: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The third file can't be put into place: the first two go back."""
    old, placed = state(busy), []
    rename = moving.rename

    def full(file: Path, place: Path) -> None:
        placed.append(place)
        if len(placed) == 3:
            raise OSError(28, "No space left on device")
        rename(file, place)

    monkeypatch.setattr(moving, "rename", full)
    result = busy.update()
    assert result.exit_code == 2
    assert "No space left on device" in result.stderr
    assert "Nothing was changed" in result.stderr
    assert state(busy) == old
    assert not locks(busy)


def test_two_at_once_are_one_after_the_other(busy: Home) -> None:
    begun = found(busy.service)
    with moving.exclusive(begun.repository):
        result = busy.update()
    assert result.exit_code == 2
    assert "Another roadbed is at work" in result.stderr
    assert busy.update().exit_code == 0


def test_a_kill_after_the_last_step_takes_nothing_of_what_was_done_since(busy: Home) -> None:
    """Only the journal was left: what was staged since then stays staged."""
    begun = found(busy.service)
    update(Request(busy.service, verify=False))
    head, tree = git(busy.service, "rev-parse", "HEAD", "HEAD^{tree}").splitlines()
    move = moving.Move(moving.Kind.UPDATE, begun.head, f"{begun.head}^{{tree}}", tree, head)
    moving.note(begun.repository, move)
    busy.write("a.txt", "staged since\n")
    git(busy.service, "add", "a.txt")
    before = state(busy)
    for way in ("--continue", "--abort"):
        moving.note(begun.repository, move)
        assert busy.update(way).exit_code == 0
        assert state(busy) == before


def test_a_resolution_that_is_staged_survives_a_journal_that_was_left(busy: Home) -> None:
    home = conflicting(busy)
    begun = found(home.service)
    home.update()
    pick = git(home.service, "rev-parse", "CHERRY_PICK_HEAD")
    home.write("a.txt", "resolved\n")
    git(home.service, "add", "a.txt")
    before = state(home)
    tree = f"{begun.head}^{{tree}}"
    move = moving.Move(
        moving.Kind.CONFLICT, begun.head, tree, f"{pick}^{{tree}}", None, pick, "M\n"
    )
    moving.note(begun.repository, move)
    home.update("--continue")
    assert state(home) == before
    assert home.update("--continue").exit_code == 0
    assert home.text("a.txt") == "resolved\n"


def test_a_commit_in_the_meantime_is_not_run_over(busy: Home) -> None:
    begun = found(busy.service)
    busy.commit(z_txt="in the meantime\n")
    before = state(busy)
    move = moving.Move(
        moving.Kind.UPDATE,
        begun.head,
        f"{begun.head}^{{tree}}",
        f"{begun.head}^{{tree}}",
        begun.head,
    )
    with (
        pytest.raises(RoadbedError, match="Somebody has committed"),
        moving.exclusive(begun.repository),
    ):
        moving.perform(begun.repository, move)
    assert state(busy) == before
    assert not locks(busy)
