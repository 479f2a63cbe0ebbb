"""`update`: two renderings, one merge, and the result applied whole or not at all.

Everything is known before anything is touched: the merge is made of git's objects alone, and its
result is tried in a temporary work tree. Then a clean merge becomes one commit, and one with
conflicts an ordinary cherry-pick in progress.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from roadbed import git, rendering
from roadbed.errors import RoadbedError
from roadbed.service import found
from roadbed.steps import State, Step, timed
from roadbed.update import changelog, moving, pristine
from roadbed.update.merging import Merge, merge
from roadbed.update.moving import Kind, Move
from roadbed.update.origins import Origins
from roadbed.update.report import File, Outcome, Update
from roadbed.update.standing import changes
from roadbed.update.verifying import STEPS, verify

if TYPE_CHECKING:
    from pathlib import Path

    from roadbed.rendering import Answers
    from roadbed.service import Service
    from roadbed.steps import Report
    from roadbed.template import Version
    from roadbed.update.origins import Origin
    from roadbed.update.pristine import Pristine

OLDEST_GIT = (2, 38)  # the first with `git merge-tree --write-tree`
CHANGELOG = "CHANGELOG.md"

# Answers that name the team's own files: an update could rename the template's half alone.
_LASTING = {"service_name", "module"}


@dataclass(frozen=True)
class Request:
    """What to update, and how.

    Attributes:
        path: a service's folder, or one inside it.
        to: a tag, branch or commit of the template; None for the newest version.
        answers: to be changed.
        template: a path or an address, instead of what the service names.
        branch: a new branch for the commit; None for the current one.
        ask: ask on the terminal what new questions the template has.
        dry_run: touch nothing.
        verify: try the result before it counts.
    """

    path: Path
    to: str | None = None
    answers: Answers = field(default_factory=dict)
    template: str | None = None
    branch: str | None = None
    ask: bool = False
    dry_run: bool = False
    verify: bool = True


def update(request: Request, report: Report = lambda step: None) -> Update:
    """Bring a service to another version of its template.

    Args:
        request: what to update.
        report: called when a step begins and when it ends.

    Raises:
        RoadbedError: it can't be updated; nothing was changed.
        KeyboardInterrupt: it was stopped; nothing was changed.
    """
    git.require(OLDEST_GIT)
    with ExitStack() as stack:
        service = found(request.path)
        if request.dry_run:
            repository = stack.enter_context(service.repository.quarantined())
            service = replace(service, repository=repository)
        else:
            stack.enter_context(moving.exclusive(service.repository))
            require_ready(service, request.branch)
        fetch = Step("fetch")
        with timed(fetch, report):
            origin = stack.enter_context(Origins(request.template)).of(service)
            new = origin.newest(request.to)
        done = Update(service.folder, origin.source, service.version, new.name, steps=[fetch])
        done.warnings += origin.warnings
        if new.name == service.version and not request.answers and origin.source == service.source:
            return done
        rendering.expect()
        _run(request, service, origin, new, done, report)
        return done


def require_ready(service: Service, branch: str | None) -> None:
    """Make sure, before any work, that the repository can take an update. The caller is `exclusive`.

    Raises:
        RoadbedError: it can't now.
    """
    repository = service.repository
    if moving.under_way(repository) is not None:
        raise RoadbedError(
            f"An update of {repository.root} was cut off.",
            "Finish it with roadbed update --continue, or go back with --abort.",
        )
    moving.free_index(repository)
    operations = {
        "CHERRY_PICK_HEAD": ("cherry-pick", "roadbed update --continue or --abort, or git's own"),
        "MERGE_HEAD": ("merge", "git merge --continue or --abort"),
        "REVERT_HEAD": ("revert", "git revert --continue or --abort"),
        "rebase-merge": ("rebase", "git rebase --continue or --abort"),
        "rebase-apply": ("rebase", "git rebase --continue or --abort"),
    }
    for name, (operation, way) in operations.items():
        if (repository.git_dir / name).exists():
            raise RoadbedError(
                f"A {operation} is in progress in {repository.root}.", f"Finish it first: {way}."
            )
    if repository.run("ls-files", "--unmerged"):
        raise RoadbedError(
            f"There are unmerged files in {repository.root}.", "Resolve them first: git status."
        )
    if not git.identified(repository.root):
        raise RoadbedError(
            "Git does not know who you are: there is no user.name or user.email.",
            "Tell it: git config --global user.name …, git config --global user.email …",
        )
    if branch is None:
        if not repository.says("symbolic-ref", "--quiet", "HEAD"):
            raise RoadbedError(
                f"{repository.root} is on no branch (detached HEAD).",
                "Go to one (git switch …), or name a new one: --branch NAME.",
            )
    elif not repository.says("check-ref-format", "--branch", branch):
        raise RoadbedError(f"“{branch}” can't be the name of a branch.", "Choose another.")
    elif repository.commit(f"refs/heads/{branch}"):
        raise RoadbedError(f"The branch {branch} is there already.", "Choose another name.")


def _run(
    request: Request,
    service: Service,
    origin: Origin,
    new: Version,
    done: Update,
    report: Report,
) -> None:
    repository = service.repository
    answers = _answers(request, service, origin, new)
    with timed(_step(done, "render"), report):
        before = rendered_before(service, origin)
        after = pristine.render(service, origin.tree(new), new, origin.source, answers)
        old_log = origin.template.text(origin.old, CHANGELOG) if origin.old else ""
        done.changelog = changelog.between(old_log, origin.template.text(new, CHANGELOG))
    with timed(_step(done, "merge"), report):
        names = (service.version, new.name)
        merged = merge(
            service, before, after, names=names, message=done.title, anonymous=request.dry_run
        )
        done.files = files_changed(service, merged.tree)
        done.conflicts, done.left = merged.conflicts, merged.left
    if request.dry_run:
        done.diff = _diff(service, merged.tree)
        done.outcome = _preview(done)
        return
    if not done.files and not merged.conflicts:
        pristine.remember(repository, after)
        return
    if merged.conflicts:
        _stop_at_conflicts(request, service, merged, done, report)
    else:
        _commit(request, service, merged.tree, done, report)
    if done.outcome in {Outcome.UPDATED, Outcome.CONFLICTS}:
        pristine.remember(repository, after)


def _preview(done: Update) -> Outcome:
    if done.conflicts:
        return Outcome.CONFLICTS
    return Outcome.PREVIEW if done.files else Outcome.CURRENT


def _answers(request: Request, service: Service, origin: Origin, new: Version) -> Answers:
    """Those to the new version's questions: asked before any step draws on the terminal."""
    tree = origin.tree(new)
    asked = rendering.questions(tree)
    asked.check(request.answers)
    for name in _LASTING & request.answers.keys():
        if request.answers[name] != service.answers.get(name):
            raise RoadbedError(
                f"“{name}” was decided when the service was made: files that are the team's by now"
                " are called after it.",
                "Leave it out. For another resource: roadbed add resource NOUN.",
            )
    answers = {name: answer for name, answer in service.answers.items() if name in asked.asked}
    answers |= request.answers
    if request.ask:
        return rendering.ask(tree, answers)
    return answers


def rendered_before(service: Service, origin: Origin) -> Pristine:
    """What the template made of the service's answers at the version that it is from.

    Raises:
        RoadbedError: it is not kept, and that version can't be had.
    """
    if kept := pristine.remembered(service.repository, service.record):
        return kept
    if origin.old is None:
        raise RoadbedError(
            f"The version “{service.version}” that this service is from is neither in"
            f" {origin.template.source}, nor in this Roadbed's own template, nor kept in the"
            f" service's repository ({pristine.REF}).",
            "Give --template a clone that has it, or fetch that ref from a clone that was updated.",
        )
    tree = origin.tree(origin.old)
    known = rendering.questions(tree).asked
    answers = {name: answer for name, answer in service.answers.items() if name in known}
    return pristine.render(service, tree, origin.old, service.source, answers)


def _stop_at_conflicts(
    request: Request, service: Service, merged: Merge, done: Update, report: Report
) -> None:
    done.outcome = Outcome.CONFLICTS
    if request.branch:
        done.next = ["roadbed update"]
        done.warnings.append("Nothing was changed: a branch can't hold conflicts.")
        return
    with timed(_step(done, "apply"), report):
        listed = "".join(f"#\t{conflict.path}\n" for conflict in merged.conflicts)
        move = Move(
            Kind.CONFLICT,
            service.head,
            f"{service.head}^{{tree}}",
            merged.tree,
            pick=merged.pick,
            message=f"{done.message}\n# Conflicts:\n{listed}",
            stages=merged.stages,
        )
        moving.perform(service.repository, move)
    done.next = ["roadbed update --continue", "roadbed update --abort"]


def _commit(request: Request, service: Service, tree: str, done: Update, report: Report) -> None:
    if request.verify and not request.branch:
        # Before the suite's minute, and not only after it.
        moving.require_room(service.repository, _move(service, tree, None))
    tree = tried(service, tree, done, report, wanted=request.verify)
    if done.outcome is Outcome.RED:
        return
    with timed(_step(done, "apply"), report):
        done.commit = made(service, tree, done.message)
        if request.branch:
            done.branch = request.branch
            ref = f"refs/heads/{request.branch}"
            service.repository.run("update-ref", ref, done.commit, "0" * len(done.commit))
        else:
            moving.perform(service.repository, _move(service, tree, done.commit))
            done.branch = service.repository.run("branch", "--show-current")
    done.outcome = Outcome.UPDATED


def tried(service: Service, tree: str, done: Update, report: Report, *, wanted: bool) -> str:
    """The tree as it may be committed: tried, and with its lock renewed, if that is wanted.

    Where the service's suite says no, the outcome is `RED`, and a branch holds the candidate.
    """
    if not wanted:
        done.steps += [Step(name, State.LEFT_OUT, detail="--no-verify") for name in STEPS]
        locked = (service.folder / "uv.lock").exists()
        if locked and any(file.path == "pyproject.toml" for file in done.files):
            done.warnings.append(
                "pyproject.toml changed, and uv.lock is as it was: run uv lock, and commit it."
            )
    else:
        verdict = verify(service, tree, done.steps, report)
        if verdict.tree != tree:
            tree = verdict.tree
            done.files = files_changed(service, tree)
        if verdict.failure is not None:
            done.outcome = Outcome.RED
            done.commit = made(service, tree, done.message)
            done.branch = _free_branch(service, f"roadbed-update-{done.new}")
            service.repository.run("branch", "--no-track", done.branch, done.commit)
            done.next = [f"git diff HEAD {done.branch}", "roadbed update --no-verify"]
    return tree


def made(service: Service, tree: str, message: str) -> str:
    """A commit on top of the service's last one, signed if the user signs commits.

    No hook has a say in it, so that an update is the same on every machine.

    Raises:
        RoadbedError: it can't be signed.
    """
    repository = service.repository
    sign = ["-S"] if git.is_on("commit.gpgSign", at=repository.root) else []
    try:
        return repository.run("commit-tree", *sign, tree, "-p", service.head, stdin=message)
    except git.GitError as error:
        raise RoadbedError(
            f"The commit can't be made: {error}.",
            "Mend what it says (a key to sign with?); nothing was changed.",
        ) from error


def _move(service: Service, tree: str, commit: str | None) -> Move:
    return Move(Kind.UPDATE, service.head, f"{service.head}^{{tree}}", tree, commit)


def _free_branch(service: Service, name: str) -> str:
    number, free = 1, name
    while service.repository.commit(f"refs/heads/{free}"):
        number += 1
        free = f"{name}-{number}"
    return free


def files_changed(service: Service, tree: str) -> list[File]:
    """What differs between the service's last commit and a tree of the whole repository."""
    found = changes(service.repository, f"{service.head}^{{tree}}", tree)
    letters = {(True, True): "M", (False, True): "A", (True, False): "D"}
    return sorted(
        File(path.removeprefix(service.prefix), letters[bool(each.before), bool(each.after)])
        for path, each in found.items()
    )


def _diff(service: Service, tree: str) -> str:
    plain = ("-c", "diff.noprefix=false", "-c", "diff.mnemonicPrefix=false")
    options = ("-p", "--find-renames", "--binary", "--no-ext-diff", "--no-textconv")
    return git.text(service.repository.read(*plain, "diff-tree", *options, service.head, tree))


def _step(done: Update, name: str) -> Step:
    done.steps.append(Step(name))
    return done.steps[-1]
