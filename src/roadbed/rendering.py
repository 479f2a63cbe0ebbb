"""Copier: a version of the template and answers become a tree of files.

The only module that imports Copier, and only when something is rendered (it takes half a second).
Copier renders from a plain folder, which is twice as fast as letting it clone a repository; the
two facts that it then cannot know, `_commit` and `_src_path`, are written as it would have
written them. Rendering never runs a template's code.
"""

from __future__ import annotations

import difflib
import gc
import os
import re
import shutil
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import TYPE_CHECKING, Any

import yaml
from pathspec import GitIgnoreSpec

from roadbed.errors import RoadbedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from roadbed.template import Version

ANSWERS_FILE = ".copier-answers.yml"

Answers = dict[str, Any]

# What Copier takes for a yes or a no. It takes any other text for a yes.
_YES_OR_NO = frozenset(
    ["y", "yes", "t", "true", "on", "1", "n", "no", "f", "false", "off", "0", "null", "none"]
)


@dataclass(frozen=True)
class Questions:
    """What a template asks.

    Attributes:
        asked: names of the questions, in their order.
        computed: names of the values that follow from the answers (`when: false`).
        switches: names of the questions that are answered by yes or no.
        answers_file: where a rendering keeps its answers, relative to its root.
        subdirectory: the folder of the template's files, in the template.
    """

    asked: tuple[str, ...]
    computed: tuple[str, ...]
    switches: tuple[str, ...]
    answers_file: str
    subdirectory: str

    def check(self, answers: Mapping[str, Any]) -> None:
        """Make sure that each of the answers is one to a question.

        Raises:
            RoadbedError: one is computed, or to nothing that the template knows, or neither yes nor
                no. (Copier itself would let the first override the computation, ignore the second,
                and take the third for a yes.)
        """
        for name, answer in answers.items():
            if name in self.computed:
                raise RoadbedError(
                    f"“{name}” is no question: it is computed from the other answers.",
                    f"Leave it out; the questions are {', '.join(self.asked)}.",
                )
            if name not in self.asked:
                near = difflib.get_close_matches(name, self.asked, n=1, cutoff=0.5)
                raise RoadbedError(
                    f"The template has no question “{name}”.",
                    f"Did you mean “{near[0]}”?"
                    if near
                    else f"Its questions are {', '.join(self.asked)}.",
                )
            if name in self.switches and str(answer).lower() not in _YES_OR_NO:
                raise RoadbedError(
                    f"“{answer}” is neither yes nor no, for “{name}”.", "Answer true or false."
                )


@dataclass(frozen=True)
class Rendering:
    """What a rendering left, beside its files.

    Attributes:
        answers: as recorded: those to the questions, without what is computed from them.
        team: the patterns (as in `.gitignore`) of the files that belong to the team from then on.
    """

    answers: Answers
    team: tuple[str, ...]


def questions(tree: Path) -> Questions:
    """Read the questions of the template in the folder `tree`.

    Raises:
        RoadbedError: there is no `copier.yml`, or it can't be read.
    """
    found = [path for path in (tree / "copier.yml", tree / "copier.yaml") if path.is_file()]
    if not found:
        raise RoadbedError(
            "The template has no copier.yml at its root, at the version that was asked for.",
            "Give --template a Copier template, or --ref another version of it.",
        )
    try:
        loaded = _load(found[0].read_bytes())
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RoadbedError(
            f"The template's {found[0].name} can't be read: {_one_line(error)}.",
            "Mend it, commit it, and try again.",
        ) from error
    entries: dict[str, Any] = loaded if isinstance(loaded, dict) else {}
    names = [name for name in entries if not name.startswith("_")]
    computed = [
        name
        for name in names
        if isinstance(entries[name], dict) and entries[name].get("when") is False
    ]
    return Questions(
        asked=tuple(name for name in names if name not in computed),
        computed=tuple(computed),
        switches=tuple(
            name
            for name in names
            if isinstance(entries[name], dict) and entries[name].get("type") == "bool"
        ),
        answers_file=entries.get("_answers_file", ANSWERS_FILE),
        subdirectory=entries.get("_subdirectory", ""),
    )


def expect() -> None:
    """Begin to import Copier beside what else is to be done: git's work, mostly, takes as long."""
    Thread(target=import_module, args=("copier",), daemon=True).start()


def ask(tree: Path, given: Answers) -> Answers:
    """Ask on the terminal what `given` leaves open, and return all answers.

    Apart from `render`, so that answering takes none of its seconds and nothing is on the disk
    while somebody thinks.

    Raises:
        RoadbedError: an answer in `given` is refused.
        KeyboardInterrupt: the user left.
    """
    file = questions(tree).answers_file
    with TemporaryDirectory(prefix="roadbed-answers-") as scratch:
        _copy(tree, Path(scratch), given, exclude=["*", f"!{file}"])
        return _recorded(Path(scratch, file))


def render(
    tree: Path, folder: Path, answers: Answers, *, version: Version, source: str
) -> Rendering:
    """Render the template in `tree` into the new folder `folder`, questions open at their default.

    Raises:
        RoadbedError: an answer is refused, or the template can't be rendered.
        OSError: a file could not be written.
    """
    file = questions(tree).answers_file
    team = _copy(tree, folder, answers, defaults=True)
    if not (folder / file).is_file():
        raise RoadbedError(
            f"The template renders no {file}, which every later update needs.",
            "Add a file named “{{_copier_conf.answers_file}}.jinja” to it (see Copier's manual).",
        )
    _record(folder / file, tree, {"_commit": version.name, "_src_path": source})
    return Rendering(_recorded(folder / file), team)


def render_files(
    tree: Path, folder: Path, answers: Answers, computed: Answers, files: tuple[str, ...]
) -> None:
    """Render some files of the template in `tree` into the new folder `folder`.

    The others are not even looked at: Copier would take a second to find out what they are called.

    Args:
        tree: the template.
        folder: where.
        answers: to its questions.
        computed: values in place of those that would follow from the answers.
        files: which, as patterns (as in `.gitignore`) of paths in the template.

    Raises:
        RoadbedError: an answer is refused, or the template can't be rendered.
        OSError: a file could not be written.
    """
    asked = questions(tree)
    with TemporaryDirectory(prefix="roadbed-part-") as scratch:
        part = Path(scratch)
        wanted = GitIgnoreSpec.from_lines(files).match_tree_files(tree / asked.subdirectory)
        chosen = [Path(asked.subdirectory, path) for path in wanted]
        for path in [*chosen, *(file.relative_to(tree) for file in tree.glob("copier.y*ml"))]:
            (part / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(tree / path, part / path)
        _copy(part, folder, {**answers, **computed}, defaults=True)


def read_answers(file: Path) -> Answers:
    """The answers in a YAML file.

    Raises:
        RoadbedError: it is not there, or holds no mapping.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise RoadbedError(
            f"The answers file {file} can't be read: {error.strerror}.", "Check its path."
        ) from error
    return answers_in(content, file)


def answers_in(content: bytes, file: Path) -> Answers:
    """The answers in what a YAML file held.

    Raises:
        RoadbedError: it holds no mapping.
    """
    try:
        loaded = _load(content)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise RoadbedError(
            f"The answers file {file} is no YAML: {_one_line(error)}.", "Mend it, and try again."
        ) from error
    if not isinstance(loaded, dict):
        raise RoadbedError(
            f"The answers file {file} holds no mapping of questions to answers.",
            "Write one line for each answer, such as “team: payments”.",
        )
    return {str(name): answer for name, answer in loaded.items()}


def _recorded(file: Path) -> Answers:
    return {name: value for name, value in read_answers(file).items() if not name.startswith("_")}


def _load(content: bytes) -> Any:
    # libyaml's loader, where PyYAML has it, is ten times as fast. Both are the safe one.
    return yaml.load(content, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506


def _copy(
    tree: Path,
    folder: Path,
    answers: Answers,
    *,
    defaults: bool = False,
    exclude: list[str] | None = None,
) -> tuple[str, ...]:
    """Let Copier copy; returns the patterns of `_skip_if_exists`."""
    with _nothing_collected(), _compiled_once():
        return _copied(tree, folder, answers, defaults=defaults, exclude=exclude)


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Without the garbage collector importing and rendering take a sixth less: nothing is freed."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


@contextmanager
def _compiled_once() -> Iterator[None]:
    """Copier compiles each part of each path each time: a thousand templates, 170 different ones.

    Jinja's cache of compiled templates is for those that a loader finds.
    """
    from jinja2 import Environment

    before = Environment.from_string
    Environment.from_string = cache(before)  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        Environment.from_string = before  # type: ignore[method-assign]


def _copied(
    tree: Path, folder: Path, answers: Answers, *, defaults: bool, exclude: list[str] | None
) -> tuple[str, ...]:
    import copier
    from copier.errors import CopierError
    from jinja2.exceptions import TemplateError
    from plumbum import local

    # With no git to be found, Copier spares itself one git process for each file: they could only
    # tell it that a plain folder is no repository.
    with local.env(PATH=os.devnull), warnings.catch_warnings(action="ignore"):
        try:
            done = copier.run_copy(
                str(tree),
                folder,
                data=answers,
                defaults=defaults,
                exclude=exclude or (),
                # Neither this user's default answers nor this user's trust in other templates.
                settings=copier.Settings(),
                quiet=True,
            )
            return tuple(
                done.jinja_env.from_string(pattern).render(done.answers.combined)
                for pattern in done.all_skip_if_exists
            )
        except KeyboardInterrupt as left:
            raise KeyboardInterrupt from left
        except (CopierError, TemplateError, ValueError, TypeError) as error:
            raise _refusal(error, answers) from error


def _refusal(error: Exception, answers: Answers) -> RoadbedError:
    words = _one_line(error)
    if found := re.fullmatch(r"Validation error for question '(\w+)': (.+)", words):
        name, why = found.groups()
        return RoadbedError(
            f"“{answers.get(name, '')}” won't do as {name}: {why.removesuffix('.')}.",
            "Give another name." if name == "service_name" else f"Give another: -d {name}=….",
        )
    if found := re.fullmatch(r"Invalid choice for '(\w+)': .+ is not in (.+)", words):
        name, choices = found.groups()
        return RoadbedError(
            f"“{answers.get(name, '')}” is no choice for {name}.", f"Choose one of {choices}."
        )
    if found := re.fullmatch(r'Question "(\w+)" is required', words):
        return RoadbedError(
            f"The question {found[1]} has no default.", f"Answer it: -d {found[1]}=…."
        )
    if type(error).__name__ == "UnsafeTemplateError":
        return RoadbedError(
            "The template wants to run code of its own (tasks, migrations or extensions).",
            "Roadbed never does; take them out, or render it with Copier.",
        )
    return RoadbedError(
        f"The template can't be rendered: {words.removesuffix('.')}.",
        "Check the answers; if they are right, the template is wrong.",
    )


def _record(file: Path, tree: Path, facts: dict[str, str]) -> None:
    """Replace the line on the temporary folder by `facts`, in the words of Copier's own filter."""
    written, rendered_from = file.read_bytes(), _yaml({"_src_path": str(tree)})
    if written.count(rendered_from) != 1:
        raise RoadbedError(
            f"The template's {file.name} does not record where it came from.",
            "Its content has to be “{{ _copier_answers|to_nice_yaml }}” (see Copier's manual).",
        )
    file.write_bytes(written.replace(rendered_from, _yaml(facts)))


def _yaml(facts: dict[str, str]) -> bytes:
    # As `to_nice_yaml` of jinja2-ansible-filters does.
    return yaml.dump(facts, indent=4, allow_unicode=True, default_flow_style=False).encode()


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
