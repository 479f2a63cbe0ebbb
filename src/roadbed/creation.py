"""`new`: from a template to a running service, step by step.

Until the service stands at its destination, everything or nothing is made. From then on the
service is kept: a step that fails leaves those that need it undone, and says how to go on.
"""

from __future__ import annotations

import shlex
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from roadbed import commands, destination, git, rendering
from roadbed.commands import CommandFailed
from roadbed.errors import RoadbedError
from roadbed.first_commit import InAnotherRepositoryError, by_hand, commit
from roadbed.nouns import require_singular
from roadbed.steps import NotHere, State, Step, timed
from roadbed.template import opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from roadbed.rendering import Answers
    from roadbed.template import Version

NAME = "service_name"  # the question that the argument NAME answers


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


@dataclass(frozen=True)
class Rendered:
    """A rendering of the template.

    Attributes:
        path: the service's folder.
        source, version: the template's `_src_path` and the version's name.
        answers: as recorded in the service.
        warnings: what the user should know about it: a sentence or two each.
    """

    path: Path
    source: str
    version: str
    answers: Answers
    warnings: list[str]


@dataclass(frozen=True)
class Preview(Rendered):
    """What `new` would make: the files' paths, relative to the service's folder."""

    files: list[str]


@dataclass(frozen=True)
class Creation(Rendered):
    """What `new` made, in steps that may have failed, and the seconds that all of it took."""

    steps: list[Step]
    seconds: float = 0.0

    def names(self, *states: State) -> set[str]:
        """The steps that stand there."""
        return {step.name for step in self.steps if step.state in states}

    @property
    def remedy(self) -> str | None:
        """The one command that goes on, if a step failed or was stopped."""
        undone = self.names(State.FAILED, State.STOPPED, State.NOT_REACHED)
        here = shlex.quote(str(self.path))
        wanted = []
        if "commit" in undone:
            wanted += [f"git -C {here} {each}" for each in by_hand(self.path, _message(self))]
        if undone - {"commit"}:
            wanted.append(f"make -C {here} setup")
        return " && ".join(wanted) or None


def create(request: Request, report: Callable[[Step], None] = lambda step: None) -> Creation:
    """Make a service.

    Args:
        request: what to make.
        report: called when a step begins and when it ends.

    Raises:
        RoadbedError: it can't be made; nothing was written.
        KeyboardInterrupt: it was stopped before the service was there; nothing was written.
    """
    git.require()
    if "install" not in request.left_out:
        commands.require("--no-install")
    destination.require_free(request.folder)
    began = time.perf_counter()
    with _opened(request) as source:
        render = Step("render", seconds=time.perf_counter() - began)
        given = _answers(request, source)
        with timed(render, report), destination.made_whole(request.folder) as building:
            answers = source.render(building, given)
        creation = Creation(
            path=request.folder,
            source=source.recorded,
            version=source.version.name,
            answers=answers,
            warnings=source.warnings,
            steps=[render],
        )
        _finish(creation, request, report)
    creation.warnings.extend(_unanswered(answers))
    return replace(creation, seconds=time.perf_counter() - began)


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
        ).answers


@contextmanager
def _opened(request: Request) -> Iterator[_Source]:
    rendering.expect()
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
        if not template.is_published(version):
            warnings.append(
                f"{version.name} is in {template.checkout} alone, and the service records"
                f" {template.source}: push it, or give --template to update this service."
            )
        yield _Source(tree, version, template.source, warnings)


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
    answers = rendering.ask(source.tree, given) if request.interactive else given
    require_singular(str(answers.get("module", "")))
    return answers


def _finish(creation: Creation, request: Request, report: Callable[[Step], None]) -> None:
    """Take the steps after rendering: each may fail, and needs another that comes before it.

    The suite needs nothing but the installation: it begins there, and goes on beside the others.
    """
    run = partial(commands.run, at=creation.path)
    suite = commands.Command("make", "test", at=creation.path)
    later: dict[str, tuple[str, Callable[[], None]]] = {
        "lock": ("render", lambda: run(commands.uv(), "lock")),
        "install": ("lock", lambda: run("make", "install")),
        # What the application serves is known once it runs; the promise is in the first commit.
        "prepare": ("install", lambda: _prepare(creation.path)),
        "commit": ("render", lambda: _commit(creation)),
        "test": ("install", suite.wait),
    }
    with closing(suite):
        for name, (needed, action) in later.items():
            step = Step(name, detail=f"needs {needed}")
            if name in request.left_out:
                step.state, step.detail = State.LEFT_OUT, request.left_out[name]
            elif creation.names(State.STOPPED):
                step.detail = "stopped"
            elif needed in creation.names(State.DONE):
                if name == "test":
                    step.seconds = suite.seconds
                with suppress(CommandFailed, git.GitError, NotHere, KeyboardInterrupt):
                    with timed(step, report):
                        action()
                        if name == "install" and "test" not in request.left_out:
                            suite.start()
                suite.look()
            creation.steps.append(step)


def _prepare(service: Path) -> None:
    """Let a service make what it takes a running application to know, and its database.

    Raises:
        CommandFailed, KeyboardInterrupt: as `commands.run`.
        NotHere: it is made of a template that has nothing to make.
    """
    if not commands.makes(service, "prepare"):
        raise NotHere("no such target")
    commands.run("make", "prepare", at=service)


def _commit(creation: Creation) -> None:
    try:
        creation.warnings.extend(commit(creation.path, _message(creation)))
    except InAnotherRepositoryError as advice:
        creation.warnings.append(str(advice))
        raise NotHere("in another repository") from advice


def _message(creation: Creation) -> str:
    return f"Create {creation.path.name} from template {creation.version}"


def _unanswered(answers: Answers) -> list[str]:
    """What a service can't do while a question about people has no answer."""
    missing = {
        "team": "Nobody owns this service yet: no “team” was given. `make checklist` fails at"
        " unowned-module until somebody does.",
        "paging": "Nobody can be paged about this service yet: no “paging” was given."
        " `make checklist` fails at nobody-to-page until somebody can.",
    }
    return [warning for name, warning in missing.items() if answers.get(name) == ""]
