"""Where the template comes from, and its versions.

The template's history is read in place: from a checkout of this repository, from the bundle that
a wheel carries, or from the path or address that `--template` names. A version is a tag, a branch
or a commit; a work tree with uncommitted changes is never one.
"""

from __future__ import annotations

import json
import os
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion
from packaging.version import Version as Release

from roadbed import git
from roadbed.errors import RoadbedError
from roadbed.paths import real

if TYPE_CHECKING:
    from collections.abc import Iterator

CHECKOUT = Path(__file__).parents[2]
BUNDLE = Path(__file__).with_name("template.bundle")  # in a wheel: see hatch_build.py
ORIGIN = Path(__file__).with_name("template.json")

# Copier's own short forms, so that what it would understand works here too.
_SHORT = {"gh:": "https://github.com", "gl:": "https://gitlab.com"}


@dataclass(frozen=True)
class Version:
    """One version of the template.

    Attributes:
        name: what `git describe --tags --always` calls it, as Copier records it in `_commit`.
        commit: the full hash.
    """

    name: str
    commit: str


@dataclass(frozen=True)
class Template:
    """A template's history.

    Attributes:
        source: what a service records as `_src_path`: never with credentials.
        git_dir: the repository that holds the history.
        checkout: its work tree, if it has one.
    """

    source: str
    git_dir: Path
    checkout: Path | None = None

    def releases(self) -> list[str]:
        """The tags that are versions (PEP 440), oldest first."""
        tags = self._git("for-each-ref", "--format=%(refname:strip=2)", "refs/tags")
        return releases(tags.splitlines())

    def version(self, ref: str | None = None) -> Version:
        """The version that `ref` names; else the newest release, else the last commit.

        A pre-release has to be named, as with Copier.

        Raises:
            RoadbedError: there is no such tag, branch or commit.
        """
        if ref is None:
            newest = newest_release(self.releases())
            wanted = f"refs/tags/{newest}" if newest else "HEAD"
        else:
            wanted = ref
        if commit := self.commit(wanted):
            return Version(self._git("describe", "--tags", "--always", commit), commit)
        if ref is None:
            raise RoadbedError(
                f"The template {self.source} has no commit yet.", "Commit it, and try again."
            )
        raise RoadbedError(
            f"The template {self.source} has no tag, branch or commit “{ref}”.",
            _known(self.releases()),
        )

    def commit(self, ref: str) -> str | None:
        """The commit that a tag, a branch (if only `origin` has it) or an abbreviation names."""
        for candidate in (ref, f"refs/remotes/origin/{ref}"):
            wanted = ("--verify", "--quiet", "--end-of-options", f"{candidate}^{{commit}}")
            with suppress(git.GitError):
                return self._git("rev-parse", *wanted)
        return None

    def behind(self, old: Version, new: Version) -> list[str]:
        """The versions after `old` up to `new`, oldest first: releases, else commits."""
        if not (tags := self.releases()):
            commits = self._git("rev-list", "--reverse", f"{old.commit}..{new.commit}")
            return [commit[:7] for commit in commits.splitlines()]
        inside = set(self._git("tag", "--merged", new.commit, "--no-merged", old.commit).split())
        final = [tag for tag in tags if not Release(tag).is_prerelease or tag == new.name]
        found = [tag for tag in final if tag in inside]
        return found if not found or found[-1] == new.name else [*found, new.name]

    def follows(self, new: Version, old: Version) -> bool:
        """Whether `new` is later than `old`: by their numbers if both are releases, else by history."""
        try:
            return Release(new.name) > Release(old.name)
        except InvalidVersion:
            return not self._says("merge-base", "--is-ancestor", new.commit, old.commit)

    def text(self, version: Version, path: str) -> str:
        """The text of a file of `version`; empty if it has none there."""
        try:
            return self._git("cat-file", "blob", f"{version.commit}:{path}")
        except git.GitError:
            return ""

    def uncommitted(self) -> bool:
        """Whether the work tree holds changes that no version holds."""
        return self.checkout is not None and bool(
            git.run("status", "--porcelain", at=self.checkout, env={"GIT_OPTIONAL_LOCKS": "0"})
        )

    def is_published(self, version: Version) -> bool:
        """Whether `source` had the commit of `version`, as far as this clone of it knows."""
        if self.checkout is None or self.source == str(self.checkout):
            return True
        seen = ("for-each-ref", "--count=1", "refs/remotes")
        # A clone of one tag has seen no branch: it can't tell.
        return bool(self._git(*seen, f"--contains={version.commit}")) or not self._git(*seen)

    def write(self, version: Version, folder: Path) -> None:
        """Write the files of `version` into the new folder `folder`.

        A private index and work tree: the checkout's own stay as they are. The result depends on
        the commit alone, not on this machine's line ends, hooks or sparse checkout.
        """
        folder.mkdir()
        with TemporaryDirectory(prefix="roadbed-index-") as scratch:
            self._git(
                *("-c", "core.autocrlf=false", "-c", "core.eol=lf", "-c", "core.fsmonitor=false"),
                *("-c", f"core.hooksPath={os.devnull}", "-c", "core.splitIndex=false"),
                *("-c", "submodule.recurse=false"),
                *("read-tree", "--reset", "-u", "--no-sparse-checkout", version.commit),
                env={"GIT_WORK_TREE": str(folder), "GIT_INDEX_FILE": str(Path(scratch, "index"))},
            )

    def _says(self, *arguments: str) -> bool:
        try:
            self._git(*arguments)
        except git.GitError:
            return False
        return True

    def _git(self, *arguments: str, env: dict[str, str] | None = None) -> str:
        return git.run(*arguments, env={"GIT_DIR": str(self.git_dir)} | (env or {}))


@contextmanager
def opened(where: str | None = None) -> Iterator[Template]:
    """Open the template at `where`: a path, an address, a bundle; else this Roadbed's own.

    Raises:
        RoadbedError: there is no template with a git history.
    """
    if where is None and BUNDLE.is_file():
        with _cloned(str(BUNDLE), source=_recorded_origin() or str(BUNDLE)) as template:
            yield template
    elif where is None:
        yield _checkout(CHECKOUT)
    elif (path := real(where)).is_dir():
        yield _checkout(path)
    elif path.is_file():
        with _cloned(str(path), source=str(path)) as template:
            yield template
    elif _is_address(address := _expanded(where)):
        with _cloned(address, source=git.without_credentials(where)) as template:
            yield template
    else:
        raise RoadbedError(
            f"There is no template at {where}: no such folder, bundle or address.",
            "Give --template a git repository's path or address.",
        )


def releases(tags: list[str]) -> list[str]:
    """Of the names of tags, those that are versions (PEP 440), oldest first."""
    found = []
    for tag in tags:
        try:
            found.append((Release(tag), tag))
        except InvalidVersion:
            continue
    return [tag for _, tag in sorted(found)]


def newest_release(tags: list[str]) -> str | None:
    """The last of the sorted `tags` that is no pre-release."""
    return next((tag for tag in reversed(tags) if not Release(tag).is_prerelease), None)


def current_version() -> str:
    """The name of the version that `new` renders unless told otherwise, cheaply.

    Raises:
        RoadbedError, GitError: there is none.
    """
    if not BUNDLE.is_file():
        return _checkout(CHECKOUT).version().name
    commits = {}
    for head in git.run("bundle", "list-heads", str(BUNDLE)).splitlines():
        commit, ref = head.split(" ", 1)
        commits[ref] = commit
    tags = [ref.removeprefix("refs/tags/") for ref in commits if ref.startswith("refs/tags/")]
    return newest_release(releases(tags)) or commits["HEAD"][:7]


def origin_of(checkout: Path) -> str | None:
    """Where `checkout` was cloned from, as it may be written down: absolute, no credentials."""
    # Not `git remote get-url`: it applies `insteadOf`, which is where CI puts tokens.
    try:  # of several it fetches from the first
        url = git.run("config", "--get-all", "remote.origin.url", at=checkout).splitlines()[0]
    except (git.GitError, IndexError):
        return None
    if _is_address(url):
        return git.without_credentials(url)
    return os.path.normpath(checkout / Path(url).expanduser())


def _checkout(path: Path) -> Template:
    try:
        git_dir = Path(git.run("rev-parse", "--absolute-git-dir", at=path))
        bare = git.run("rev-parse", "--is-bare-repository", at=path) == "true"
        root = git_dir if bare else Path(git.run("rev-parse", "--show-toplevel", at=path))
    except git.GitError as error:
        raise RoadbedError(
            f"The template at {path} has no git history to read its versions from ({error}).",
            "Clone its repository instead of copying its files.",
        ) from error
    if root.resolve() != path.resolve():
        raise RoadbedError(
            f"The template at {path} is no git repository of its own, but a folder of {root}.",
            "Give --template the root of a repository.",
        )
    source = origin_of(path) or str(path)
    return Template(source, git_dir, checkout=None if bare else path)


@contextmanager
def _cloned(address: str, *, source: str) -> Iterator[Template]:
    with TemporaryDirectory(prefix="roadbed-template-") as scratch:
        git_dir = Path(scratch, "template.git")
        try:
            git.run("clone", "--bare", "--quiet", "--", address, str(git_dir))
        except git.GitError as error:
            raise RoadbedError(
                f"The template {source} could not be fetched: {error}.",
                "Check the address, your network and your access to it, and try again.",
            ) from error
        yield Template(source, git_dir)


def _recorded_origin() -> str | None:
    recorded: dict[str, str | None] = json.loads(ORIGIN.read_text(encoding="utf-8"))
    return recorded["origin"]


def _expanded(where: str) -> str:
    for short, host in _SHORT.items():
        if where.startswith(short):
            return f"{host}/{where.removeprefix(short).strip('/').removesuffix('.git')}.git"
    return where.removeprefix("git+")


def _is_address(where: str) -> bool:
    """A URL, or ssh's `host:path`; not a path."""
    return "://" in where or re.match(r"[^/]+:", where) is not None


def _known(tags: list[str]) -> str:
    if not tags:
        return "It has no releases yet: give --ref a branch or a commit, or leave it out."
    shown = ", ".join(reversed(tags[-5:]))
    return f"Its newest releases are {shown}."
