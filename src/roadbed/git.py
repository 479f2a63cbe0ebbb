"""Git as a child process. Every call to git in Roadbed goes through here.

A repository is always named by the caller: the variables with which a surrounding git (a hook,
an alias, `git rebase --exec`) points at *its* repository are never passed on.
"""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

from roadbed.errors import RoadbedError

if TYPE_CHECKING:
    from collections.abc import Container, Mapping
    from pathlib import Path

OLDEST = (2, 28)  # the first with `git init --initial-branch`

# `git rev-parse --local-env-vars`, but for GIT_CONFIG_COUNT: that one is the user's own
# configuration (a proxy, a credential helper), not a place.
PLACES = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NAMESPACE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
)

# How git reads the names of files, wherever it is given some.
_READINGS = tuple(f"GIT_{kind}_PATHSPECS" for kind in ("GLOB", "ICASE", "LITERAL", "NOGLOB"))

_CREDENTIALS = re.compile(r"(?<=://)[^/\s]*@")


class GitError(Exception):
    """Git said no. `str()` of it is git's own complaint in one line, without credentials."""

    def __init__(self, verb: str, output: str) -> None:
        lines = output.strip().splitlines() or [f"git {verb} failed"]
        complaint = next(
            (line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1]
        )
        plain = complaint.removeprefix("fatal: ").removeprefix("error: ")
        super().__init__(_CREDENTIALS.sub("", plain).removesuffix("."))


def run(
    *arguments: str,
    at: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
) -> str:
    """Run git in the folder `at`, with `env` added, and return its output without the last line end.

    Raises:
        GitError: git exited with another code than 0.
        RoadbedError: there is no git on PATH.
    """
    return text(read(*arguments, at=at, env=env, stdin=stdin)).removesuffix("\n")


def read(
    *arguments: str,
    at: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    no: Container[int] = (),
) -> bytes:
    """Run git as `run` does, and return its output to the byte; the codes in `no` are answers too.

    Raises:
        GitError, RoadbedError: as `run`.
    """
    unwanted = {*PLACES, *_READINGS}
    inherited = {name: value for name, value in os.environ.items() if name not in unwanted}
    given: dict[str, Any] = (
        {"stdin": subprocess.DEVNULL}
        if stdin is None
        else {"input": stdin.encode(errors="surrogateescape")}
    )
    try:
        done: subprocess.CompletedProcess[bytes] = subprocess.run(
            ["git", *arguments],
            cwd=at,
            env=inherited | dict(env or {}),
            capture_output=True,
            check=False,
            **given,
        )
    except FileNotFoundError as missing:
        if at is not None and not at.is_dir():
            raise
        raise RoadbedError(
            "There is no git on PATH.", f"Install git {_dotted(OLDEST)} or newer, and try again."
        ) from missing
    if done.returncode and done.returncode not in no:
        raise GitError(arguments[0], done.stderr.decode(errors="replace"))
    return done.stdout


def text(output: bytes) -> str:
    """What git wrote, as text; file names that are no UTF-8 survive the way there and back."""
    return output.decode(errors="surrogateescape")


def succeeds(*arguments: str, at: Path | None = None) -> bool:
    """Whether git exits with 0."""
    try:
        run(*arguments, at=at)
    except GitError:
        return False
    return True


def setting(key: str, at: Path | None = None) -> str | None:
    """A value of git's configuration: of many the last one, which is the nearest."""
    try:
        return run("config", "--get", key, at=at)
    except GitError:
        return None


def is_on(key: str, at: Path | None = None) -> bool:
    """Whether a switch of git's configuration is on, in whichever of git's spellings."""
    try:
        return run("config", "--type=bool", "--get", key, at=at) == "true"
    except GitError:
        return False


def identified(at: Path) -> bool:
    """Whether git knows author and committer without guessing from the machine's name."""
    return all(
        succeeds("-c", "user.useConfigOnly=true", "var", f"GIT_{role}_IDENT", at=at)
        for role in ("AUTHOR", "COMMITTER")
    )


def require(oldest: tuple[int, int] = OLDEST) -> None:
    """Make sure that git is there and new enough.

    Raises:
        RoadbedError: it is missing or too old.
    """
    answer = run("version")
    found = re.search(r"(\d+)\.(\d+)", answer)
    if found is None or (int(found[1]), int(found[2])) < oldest:
        raise RoadbedError(
            f"`git version` says “{answer}”, and this needs {_dotted(oldest)} or newer.",
            "Install a newer git, and try again.",
        )


def without_credentials(url: str) -> str:
    """`url` as it may be written down: no password, and over HTTP no user either.

    A user name over ssh is part of the address (`git@…`), over HTTP it is often a token.
    """
    found = re.fullmatch(r"(?P<scheme>[A-Za-z][\w+.-]*)://(?P<user>[^/]*)@(?P<rest>.*)", url)
    if found is None:
        return url
    user = found["user"].partition(":")[0]
    by_key = not found["scheme"].lower().removeprefix("git+").startswith("http")
    keep = f"{user}@" if user and by_key else ""
    return f"{found['scheme']}://{keep}{found['rest']}"


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
