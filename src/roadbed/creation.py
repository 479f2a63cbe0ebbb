"""`new`: from a template to a running service, step by step.

Until the service stands at its destination, everything or nothing is made. From then on the
service is kept: a step that fails leaves out what needs it, and says how to go on.
"""

from __future__ import annotations

import os
import shlex
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from roadbed import commands, destination, git, rendering
from roadbed.commands import CommandFailed
from roadbed.errors import RoadbedError
from roadbed.template import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from roadbed.rendering import Answers
    from roadbed.template import Version

NAME = "service_name"  # the question that the argument NAME answers
NEUTRAL = ("Roadbed", "noreply@roadbed.invalid")  # who commits where nobody is configured


class State(StrEnum):
    """Where a step stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    LEFT_OUT = "left out"
    STOPPED = "stopped"


@dataclass
class Step:
    """One step of the way.

    Attributes:
        name: render, lock, commit, install, migrate or test.
        seconds: how long it took (wall time).
        detail: why it was left out, or the end of the output where it failed.
    """

    name: str
    state: State = State.WAITING
    seconds: float = 0.0
    detail: str = ""


@dataclass(frozen=True)
class Request:
    """What to make.

    Attributes:
        name: the service's name, the answer to `service_name`.
        folder: where, an absolute path.
        answers: to the template's other questions.
        template: a path or an address; None for Roadbed's own.
        ref: a tag, branch or commit; None for the newest release.
        interactive: ask on the terminal what `answers` leaves open.
        left_out: steps that are not wanted, and the option that said so.
    """

    name: str
    folder: Path
    answers: Answers = field(default_factory=dict)
    template: str | None = None
    ref: str | None = None
    interactive: bool = False
    left_out: dict[str, str] = field(default_factory=dict)


@dataclass
class Creation:
    """What was made.

    Attributes:
        path: the service's folder.
        source, version: the template's `_src_path` and the version's name.
        answers: as recorded in the service.
        steps: in their order.
        warnings: a sentence or two each.
    """

    path: Path
    source: str
    version: str
    answers: Answers
    steps: list[Step]
    warnings: list[str]

    def state(self, *steps: str) -> set[State]:
        """The states of the named steps."""
        return {step.state for step in self.steps if step.name in steps}

    @property
    def failed(self) -> bool:
        """Whether a step failed."""
        return any(step.state is State.FAILED for step in self.steps)

    @property
    def stopped(self) -> bool:
        """Whether the user stopped it."""
        return any(step.state is State.STOPPED for step in self.steps)

    @property
    def remedy(self) -> str | None:
        """The one command that goes on, after a step failed or was stopped."""
        if not (self.failed or self.stopped):
            return None
        here = shlex.quote(str(self.path))
        wanted = [f"make -C {here} setup"] * (
            not self.state("lock", "install", "migrate", "test") <= {State.DONE, State.LEFT_OUT}
        )
        if not self.state("commit") <= {State.DONE, State.LEFT_OUT}:
            wanted.append(
                f"git -C {here} add --all && git -C {here} commit -m 'Create {self.path.name}'"
            )
        return " && ".join(wanted)


@dataclass(frozen=True)
class Preview:
    """What `new` would make: the files' paths, relative to the service's folder."""

    path: Path
    source: str
    version: str
    answers: Answers
    files: list[str]
    warnings: list[str]


def create(request: Request, report: Callable[[Step], None] = lambda step: None) -> Creation:
    """Make a service.

    Args:
        request: what to make.
        report: called when a step begins and when it ends.

    Raises:
        RoadbedError: it can't be made; nothing was written.
        KeyboardInterrupt: it was stopped before the service was there; nothing was written.
    """
    _require_tools(request)
    destination.require_free(request.folder)
    began = time.perf_counter()
    with _opened(request) as source:
        render = Step("render", seconds=time.perf_counter() - began)
        given = _answers(request, source)

        with _timed(render, report), destination.made_whole(request.folder) as building:
            answers = source.render(building, given)
        creation = Creation(
            path=request.folder,
            source=source.recorded,
            version=source.version.name,
            answers=answers,
            steps=[render],
            warnings=source.warnings,
        )
    _finish(creation, request, report)
    creation.warnings += _unanswered(answers)
    return creation


def preview(request: Request) -> Preview:
    """Render a service to a temporary place, and say what `create` would make.

    Raises:
        RoadbedError: it could not be made.
    """
    git.require()
    destination.require_free(request.folder)
    with _opened(request) as source, TemporaryDirectory(prefix="roadbed-preview-") as scratch:
        building = Path(scratch, request.folder.name)
        answers = source.render(building, _answers(request, source))
        files = [str(p.relative_to(building)) for p in building.rglob("*") if not p.is_dir()]
        return Preview(
            path=request.folder,
            source=source.recorded,
            version=source.version.name,
            answers=answers,
            files=sorted(files),
            warnings=source.warnings + _unanswered(answers),
        )


@dataclass(frozen=True)
class _Source:
    """A version of the template, as files."""

    tree: Path
    version: Version
    recorded: str
    warnings: list[str]

    def render(self, folder: Path, answers: Answers) -> Answers:
        return rendering.render(
            self.tree, folder, answers, version=self.version, source=self.recorded
        )


@contextmanager
def _opened(request: Request) -> Iterator[_Source]:
    with opened(request.template) as template, TemporaryDirectory(prefix="roadbed-") as scratch:
        version = template.version(request.ref)
        tree = Path(scratch, "template")
        template.write(version, tree)
        warnings = []
        if template.uncommitted():
            warnings.append(
                f"{template.checkout} has changes that are not committed: they are not in this"
                f" service, which was made from {version.name}."
            )
        yield _Source(tree, version, template.source, warnings)


def _require_tools(request: Request) -> None:
    git.require()
    if "install" not in request.left_out:
        commands.require_make()


def _answers(request: Request, source: _Source) -> Answers:
    """The answers to render with: those given and, on a terminal, those asked for."""
    questions = rendering.questions(source.tree)
    questions.check(request.answers)
    if request.answers.get(NAME, request.name) != request.name:
        raise RoadbedError(
            f"The service is called “{request.name}” and, by -d {NAME}=…, something else.",
            "Name it once.",
        )
    given = {NAME: request.name} if NAME in questions.asked else {}
    given |= request.answers
    return rendering.ask(source.tree, given) if request.interactive else given


def _finish(creation: Creation, request: Request, report: Callable[[Step], None]) -> None:
    """Take the steps after rendering: each may fail, and leaves out those that need it."""
    run = partial(commands.run, at=creation.path)
    later: dict[str, tuple[str | None, Callable[[], None]]] = {
        "lock": (None, lambda: run(commands.uv(), "lock")),
        "commit": (None, lambda: _commit(creation)),
        "install": ("lock", lambda: run("make", "install")),
        "migrate": ("install", lambda: run("make", "migrate")),
        "test": ("migrate", lambda: run("make", "test")),
    }
    states: dict[str | None, State] = {None: State.DONE}
    for name, (needed, action) in later.items():
        step = Step(name)
        creation.steps.append(step)
        if name in request.left_out:
            step.state, step.detail = State.LEFT_OUT, request.left_out[name]
        elif creation.stopped:
            step.state, step.detail = State.LEFT_OUT, "stopped"
        elif states[needed] is not State.DONE:
            step.state, step.detail = State.LEFT_OUT, f"needs {needed}"
        else:
            with suppress(CommandFailed, git.GitError, _NotHere, KeyboardInterrupt):
                with _timed(step, report):
                    action()
        states[name] = step.state


class _NotHere(Exception):
    """A step that is not for this place; `str()` of it says why."""


@contextmanager
def _timed(step: Step, report: Callable[[Step], None]) -> Iterator[None]:
    began = time.perf_counter() - step.seconds
    step.state = State.RUNNING
    report(step)
    try:
        yield
        step.state = State.DONE
    except BaseException as error:
        states = {_NotHere: State.LEFT_OUT, KeyboardInterrupt: State.STOPPED}
        step.state = states.get(type(error), State.FAILED)
        step.detail = str(error)
        raise
    finally:
        step.seconds = time.perf_counter() - began
        report(step)


def _commit(creation: Creation) -> None:
    """Make the service a git repository with all of it in one commit."""
    folder = creation.path
    around = _repository_around(folder)
    if around is not None:
        creation.warnings.append(
            f"The service lies in the repository {around}, so it is none of its own: commit it"
            f" there (git add {shlex.quote(str(folder))})."
        )
        raise _NotHere("in another repository")
    default = git.setting("init.defaultBranch") or "main"
    git.run("init", "--quiet", f"--initial-branch={default}", at=folder)
    who: list[str] = []
    if not _identified(folder):
        name, email = NEUTRAL
        who = ["-c", f"user.name={name}", "-c", f"user.email={email}", "-c", "commit.gpgSign=false"]
        creation.warnings.append(
            f"Git knows no user.name and user.email here: the first commit is by {name} <{email}>."
            " For yours: git config --global user.name …, user.email …, then"
            " git commit --amend --reset-author."
        )
    git.run("add", "--all", at=folder)
    # What is committed is the template's, as it is: no hook of this machine has a say in it.
    message = f"Create {folder.name} from template {creation.version}"
    hooks = ["-c", f"core.hooksPath={os.devnull}"]
    git.run(*who, *hooks, "commit", "--quiet", "--message", message, at=folder)


def _repository_around(folder: Path) -> str | None:
    """The work tree that `folder` would be a part of, unless that ignores it."""
    try:
        around = git.run("rev-parse", "--show-toplevel", at=folder)
    except git.GitError:
        return None
    ignored = git.succeeds("check-ignore", "--quiet", folder.name, at=folder.parent)
    return None if ignored else around


def _identified(folder: Path) -> bool:
    """Whether git knows author and committer without guessing from the machine's name."""
    return all(
        git.succeeds("-c", "user.useConfigOnly=true", "var", f"GIT_{role}_IDENT", at=folder)
        for role in ("AUTHOR", "COMMITTER")
    )


def _unanswered(answers: Answers) -> list[str]:
    """What a service can't do while a question about people has no answer."""
    missing = {
        "team": "Nobody owns this service yet: no “team” was given.",
        "paging": "Nobody can be paged about this service yet: no “paging” was given.",
    }
    return [warning for name, warning in missing.items() if answers.get(name) == ""]
