"""`update --continue` and `update --abort`: out of conflicts, and out of what a kill cut off."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from roadbed import git
from roadbed.errors import RoadbedError
from roadbed.rendering import ANSWERS_FILE
from roadbed.service import found, recorded
from roadbed.steps import Step, timed
from roadbed.update import moving
from roadbed.update.engine import OLDEST_GIT, files_changed, made, tried
from roadbed.update.merging import MARK, Conflict, conflicts
from roadbed.update.moving import Kind, Move
from roadbed.update.report import Outcome, Update

if TYPE_CHECKING:
    from roadbed.repository import Repository, Stage
    from roadbed.service import Service
    from roadbed.steps import Report

KEPT = "refs/roadbed/aborted"  # what somebody had resolved before going back


def go_on(path: Path, *, verify: bool, report: Report = lambda step: None) -> Update:
    """Finish an update: the resolved conflicts become a commit, what was cut off is completed.

    Args:
        path: a service's folder, or one inside it.
        verify: try the result before it counts.
        report: called when a step begins and when it ends.

    Raises:
        RoadbedError: no update is in progress.
        KeyboardInterrupt: it was stopped; nothing was changed.
    """
    git.require(OLDEST_GIT)
    service = found(path)
    repository = service.repository
    with moving.exclusive(repository):
        done, freed = _begun(service), moving.free_index(repository)
        move = moving.under_way(repository)
        if move is not None:
            _finish(service, move, done)
            return done
        pick = _picked(repository)
        if pick is None:
            return _nothing(repository, done, freed=freed)
        _conclude(service, done, verify=verify, report=report)
    return done


def go_back(path: Path) -> Update:
    """Undo an update that is not finished: every file as it was before.

    What somebody had resolved by then is kept under `refs/roadbed/aborted`.

    Raises:
        RoadbedError: no update is in progress, or it can't be undone now.
    """
    git.require(OLDEST_GIT)
    service = found(path)
    repository = service.repository
    with moving.exclusive(repository):
        done, freed = _begun(service), moving.free_index(repository)
        done.outcome = Outcome.ABORTED
        move = moving.under_way(repository)
        if move is not None and move.commit and moving.is_complete(repository, move):
            _finish(service, move, done)  # too late: it is done but for its journal
        elif move is not None:
            back = move if move.kind is Kind.ABORT else move.back
            _keep(moving.perform(repository, back, resumed=True), done)
        elif _picked(repository) is None:
            return _nothing(repository, done, freed=freed)
        else:
            _abort(repository, done)
    return done


def _begun(service: Service) -> Update:
    return Update(service.folder, service.source, service.version, service.version)


def _picked(repository: Repository) -> str | None:
    """The commit of ours that is being picked."""
    pick = repository.commit("CHERRY_PICK_HEAD")
    if pick is None or repository.run("log", "-1", "--format=%ce", pick) != MARK:
        return None
    return pick


def _nothing(repository: Repository, done: Update, *, freed: bool) -> Update:
    if freed:
        done.outcome = Outcome.CURRENT
        done.warnings.append("Nothing was in progress; a killed update's lock is removed.")
        return done
    raise RoadbedError(
        f"No update is in progress in {repository.root}.", "Begin one: roadbed update"
    )


def _finish(service: Service, move: Move, done: Update) -> None:
    if moving.is_complete(service.repository, move):
        moving.complete(service.repository, move)
    else:
        _keep(moving.perform(service.repository, move, resumed=True), done)
    if move.kind is Kind.CONFLICT:
        done.outcome = Outcome.CONFLICTS
        done.conflicts = _unmerged(service)
        done.next = ["roadbed update --continue", "roadbed update --abort"]
        return
    done.outcome = Outcome.ABORTED if move.kind is Kind.ABORT else Outcome.UPDATED
    done.commit = move.commit
    done.branch = service.repository.run("branch", "--show-current")
    _renew(service, done, move.after)


def _renew(service: Service, done: Update, tree: str) -> None:
    """Say which version a tree of the repository is of."""
    file = f"{tree}:{service.prefix}{ANSWERS_FILE}"
    done.new, done.source, _ = recorded(
        service.repository, service.repository.run("rev-parse", file), service.folder / ANSWERS_FILE
    )


def _keep(paths: list[str], done: Update) -> None:
    if paths:
        done.warnings.append(
            f"Left as you have changed them since: {', '.join(paths)}. See git diff."
        )


def _unmerged(service: Service) -> list[Conflict]:
    stages: list[Stage] = []
    for line in service.repository.run("ls-files", "--unmerged", "-z").split("\0")[:-1]:
        facts, path = line.split("\t", 1)
        mode, content, stage = facts.split(" ")
        stages.append((mode, content, int(stage), path))
    return conflicts(service, stages)


def _conclude(service: Service, done: Update, *, verify: bool, report: Report) -> None:
    repository = service.repository
    open_ = _unmerged(service) or [
        Conflict(path.removeprefix(service.prefix), "conflict markers are left in it")
        for path in _with_markers(repository)
    ]
    if open_:
        done.outcome, done.conflicts = Outcome.CONFLICTS, open_
        done.next = ["git add …", "roadbed update --continue", "roadbed update --abort"]
        return
    with TemporaryDirectory(prefix="roadbed-index-") as scratch:
        copy = Path(scratch, "index")
        copy.write_bytes((repository.git_dir / "index").read_bytes())
        tree = repository.run("write-tree", env={"GIT_INDEX_FILE": str(copy)})
    _renew(service, done, tree)
    message = _message(repository)
    resolved = tried(service, tree, done, report, wanted=verify)
    if done.outcome is Outcome.RED:
        done.next = ["roadbed update --continue", "roadbed update --abort"]
        return
    done.files = files_changed(service, resolved)
    step = Step("apply")
    done.steps.append(step)
    with timed(step, report):
        head_tree = repository.run("rev-parse", f"{service.head}^{{tree}}")
        if resolved != head_tree:
            done.commit = made(service, resolved, message)
        move = Move(Kind.RESOLVE, service.head, tree, resolved, done.commit)
        moving.perform(repository, move)
        done.branch = repository.run("branch", "--show-current")
    done.outcome = Outcome.UPDATED if done.commit else Outcome.CURRENT


def _message(repository: Repository) -> str:
    lines = git.text((repository.git_dir / "MERGE_MSG").read_bytes()).splitlines()
    return "\n".join(line for line in lines if not line.startswith("#")).strip() + "\n"


def _with_markers(repository: Repository) -> list[str]:
    """What is to be committed and still holds the markers of a conflict."""
    listed = ("diff-index", "--cached", "-z", "--name-only", "--no-renames", "--diff-filter=d")
    paths = repository.run(*listed, "HEAD").split("\0")[:-1]
    wanted = ("grep", "--cached", "-l", "-z", "-I", "-E", "^(<{7}|[|]{7}|>{7}) ", "--")
    literal = (f":(literal){path}" for path in paths)
    return git.text(repository.read(*wanted, *literal, no=1)).split("\0")[:-1] if paths else []


def _abort(repository: Repository, done: Update) -> None:
    head = repository.commit() or ""
    listed = ("diff-index", "--cached", "-z", "--name-only", "--no-renames", head)
    touched = sorted(set(repository.run(*listed).split("\0")[:-1]))
    with TemporaryDirectory(prefix="roadbed-index-") as scratch:
        env = {"GIT_INDEX_FILE": str(Path(scratch, "index"))}
        repository.run("read-tree", head, env=env)
        paths = "".join(f"{path}\0" for path in touched)
        # As they stand on the disk, resolved or not.
        repository.run(
            *("update-index", "--add", "--remove", "-z", "--stdin"), env=env, stdin=paths
        )
        now = repository.run("write-tree", env=env)
    work = repository.run("commit-tree", now, "-p", head, stdin="Resolved when it was aborted\n")
    repository.run("update-ref", KEPT, work)
    move = Move(Kind.ABORT, head, now, f"{head}^{{tree}}", also=touched)
    _keep(moving.perform(repository, move), done)
    done.warnings.append(f"What the files held until now is kept in {KEPT} ({work[:9]}).")
