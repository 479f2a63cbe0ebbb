"""A new service becomes a git repository, with all of it in one commit."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from roadbed import git

if TYPE_CHECKING:
    from pathlib import Path

NEUTRAL = ("Roadbed", "noreply@roadbed.invalid")  # who commits where git knows nobody


class InAnotherRepositoryError(Exception):
    """The folder is a part of another repository's work tree. `str()` of it says what to do."""


def commit(folder: Path, message: str) -> list[str]:
    """Make `folder` a repository with one commit.

    Returns:
        What the user should know about it: a sentence or two each.

    Raises:
        InAnotherRepositoryError: it lies in one, so nothing was done.
        GitError: git said no.
    """
    if (around := _repository_around(folder)) is not None:
        raise InAnotherRepositoryError(
            f"The service lies in the repository {around}, so it is none of its own: commit it"
            f" there (git add {shlex.quote(str(folder))})."
        )
    branch = git.setting("init.defaultBranch") or "main"
    git.run("init", "--quiet", f"--initial-branch={branch}", at=folder)
    # What is committed is the template's, as it is: no hook of this machine has a say in it, nor what
    # its user ignores everywhere.
    git.run("-c", f"core.excludesFile={os.devnull}", "add", "--all", at=folder)
    settings = ["-c", f"core.hooksPath={os.devnull}"]
    warnings = []
    if not git.identified(folder):
        name, email = NEUTRAL
        settings += ["-c", f"user.name={name}", "-c", f"user.email={email}"]
        settings += ["-c", "commit.gpgSign=false"]
        warnings.append(
            f"Git knows no user.name and user.email here: the first commit is by {name} <{email}>."
            " For yours: git config --global user.name …, user.email …, then"
            " git commit --amend --reset-author."
        )
    git.run(*settings, "commit", "--quiet", "--message", message, at=folder)
    return warnings


def by_hand(folder: Path, message: str) -> list[str]:
    """The commands of git that do, in `folder`, what `commit` has not done or not all of."""
    own = (folder / ".git").exists()
    if not own and _repository_around(folder) is not None:
        return ["add --all ."]
    return [*([] if own else ["init"]), "add --all", f"commit -m {shlex.quote(message)}"]


def _repository_around(folder: Path) -> str | None:
    """The work tree that `folder` would be a part of, unless that ignores it."""
    try:
        around = git.run("rev-parse", "--show-toplevel", at=folder)
    except git.GitError:
        return None
    ignored = git.succeeds("check-ignore", "--quiet", folder.name, at=folder.parent)
    return None if ignored else around
