"""A service on disk: its repository, and what it records of the template it came from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadbed import git
from roadbed.errors import RoadbedError
from roadbed.paths import real
from roadbed.rendering import ANSWERS_FILE, answers_in
from roadbed.repository import Repository

if TYPE_CHECKING:
    from pathlib import Path

    from roadbed.rendering import Answers


@dataclass(frozen=True)
class Service:
    """A service, as its repository's last commit has it.

    Attributes:
        folder: where it is.
        repository: whose work tree it is, or is a part of.
        prefix: its folder in that, with a slash at the end; empty if it is the whole.
        head: the last commit.
        tree: the service's own tree in it.
        record: the id of the answers file's content: what `rendered from` means to a cache.
        version: the template's version, as Copier records it in `_commit`.
        source: where the template is, as Copier records it in `_src_path`.
        answers: to the template's questions.
    """

    folder: Path
    repository: Repository
    prefix: str
    head: str
    tree: str
    record: str
    version: str
    source: str
    answers: Answers

    @property
    def name(self) -> str:
        """What its folder is called."""
        return self.folder.name


def found(path: Path) -> Service:
    """The service that the folder `path` is, or is in.

    Raises:
        RoadbedError: there is none, it is in no repository, or its answers say nothing.
    """
    start = real(path)
    folder = next((f for f in (start, *start.parents) if (f / ANSWERS_FILE).is_file()), None)
    if folder is None:
        raise RoadbedError(
            f"There is no service at {start}: no {ANSWERS_FILE} in it or above it.",
            "Name the folder of a service, or go there.",
        )
    try:
        repository = Repository.around(folder)
    except git.GitError as error:
        raise RoadbedError(
            f"The service {folder} is in no git repository ({error}).",
            "Make it one, as git merges what changed: git init && git add . && git commit",
        ) from error
    head = repository.commit()
    if head is None:
        raise RoadbedError(
            f"The repository {repository.root} has no commit yet.",
            "Commit the service: git add . && git commit",
        )
    prefix = folder.relative_to(os.path.realpath(repository.root)).as_posix()
    prefix = "" if prefix == "." else f"{prefix}/"
    file = folder / ANSWERS_FILE
    try:
        wanted = (f"{head}:{prefix}", f"{head}:{prefix}{ANSWERS_FILE}")
        tree, record = repository.run("rev-parse", *wanted).splitlines()
    except git.GitError:
        tree = record = ""
    if not record:
        raise RoadbedError(
            f"The answers file {file} is not committed.", "Commit it: git add . && git commit"
        )
    version, source, answers = recorded(repository, record, file)
    return Service(folder, repository, prefix, head, tree, record, version, source, answers)


def recorded(repository: Repository, blob: str, file: Path) -> tuple[str, str, Answers]:
    """The version, the place and the answers in a blob, which `file` has or had as its content.

    Raises:
        RoadbedError: it does not say them.
    """
    answers = answers_in(repository.read("cat-file", "blob", blob), file)
    version, source = answers.pop("_commit", None), answers.pop("_src_path", None)
    if not (isinstance(version, str) and isinstance(source, str)):
        raise RoadbedError(
            f"The answers file {file} does not record “_commit” and “_src_path”: where the service"
            " came from.",
            f"Look for them in its history: git log -p -- {ANSWERS_FILE}",
        )
    asked = {name: answer for name, answer in answers.items() if not name.startswith("_")}
    return version, source, asked
