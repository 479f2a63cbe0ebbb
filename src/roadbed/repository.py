"""A repository with a work tree, and a private place to write to it without being seen."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from roadbed import git

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# A file of a tree: its mode and the id of its content, both as git writes them.
Entry = tuple[str, str]
Listing = dict[str, Entry]
# A side of a file in conflict: mode, content, 1 to 3 (before, ours, theirs), path.
Stage = tuple[str, str, int, str]

# No hook, file watcher or sparse checkout of this machine has a say in what Roadbed makes.
_PLAIN = (
    *("-c", f"core.hooksPath={os.devnull}", "-c", "core.fsmonitor=false"),
    *("-c", "core.sparseCheckout=false", "-c", "core.safecrlf=false"),
    # Else a temporary work tree becomes the one that the submodules' own settings name.
    *("-c", "submodule.recurse=false", "-c", "color.ui=false"),
)


@dataclass(frozen=True)
class Repository:
    """A repository, seen from one of its work trees.

    Attributes:
        root: the top of the work tree.
        git_dir: what is this work tree's own: `HEAD`, the index.
        env: variables that every call to git gets.
    """

    root: Path
    git_dir: Path
    env: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def around(cls, folder: Path) -> Repository:
        """The repository whose work tree `folder` is in.

        Raises:
            GitError: there is none.
        """
        asked = git.run("rev-parse", "--show-toplevel", "--absolute-git-dir", at=folder)
        root, git_dir = asked.splitlines()
        return cls(Path(root), Path(git_dir))

    @property
    def shared(self) -> Path:
        """What all work trees of the repository have in common: its branches and other refs."""
        try:
            return self.git_dir / (self.git_dir / "commondir").read_text().strip()
        except FileNotFoundError:
            return self.git_dir

    def run(
        self, *arguments: str, env: Mapping[str, str] | None = None, stdin: str | None = None
    ) -> str:
        """Run git at the top of the work tree, and return its output without the last line end.

        Raises:
            GitError: git said no.
        """
        given = {**self.env, **(env or {})}
        return git.run(*_PLAIN, *arguments, at=self.root, env=given, stdin=stdin)

    def read(self, *arguments: str, no: int = 0) -> bytes:
        """As `run`, to the byte; the exit code `no` is an answer too."""
        return git.read(*_PLAIN, *arguments, at=self.root, env=self.env, no={no})

    def says(self, *arguments: str) -> bool:
        """Whether git exits with 0."""
        try:
            self.run(*arguments)
        except git.GitError:
            return False
        return True

    def commit(self, ref: str = "HEAD") -> str | None:
        """The commit that `ref` names."""
        try:
            return self.run("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        except git.GitError:
            return None

    def listing(self, tree: str) -> Listing:
        """All files of a tree, by path."""
        found: Listing = {}
        for line in self.run("ls-tree", "-r", "-z", "--full-tree", tree).split("\0")[:-1]:
            facts, path = line.split("\t", 1)
            mode, _, content = facts.split(" ")
            found[path] = (mode, content)
        return found

    def tree(self, listing: Listing) -> str:
        """The tree that holds these files and no other."""
        with TemporaryDirectory(prefix="roadbed-index-") as scratch:
            env = {"GIT_INDEX_FILE": str(Path(scratch, "index"))}
            self.run("update-index", "-z", "--index-info", env=env, stdin=index_info(listing))
            return self.run("write-tree", env=env)

    def grafted(self, tree: str, prefix: str, onto: str) -> str:
        """The tree `onto` with `tree` in place of its folder `prefix`, which ends in a slash."""
        if not prefix:
            return tree
        *above, name = prefix.rstrip("/").split("/")
        for depth in range(len(above), -1, -1):
            folder = "/".join(above[:depth])
            lines = self.run("ls-tree", "-z", f"{onto}:{folder}").split("\0")[:-1]
            kept = [line for line in lines if line.split("\t", 1)[1] != name]
            made = "".join(f"{line}\0" for line in [*kept, f"040000 tree {tree}\t{name}"])
            tree = self.run("mktree", "-z", stdin=made)
            name = above[depth - 1] if depth else ""
        return tree

    @contextmanager
    def quarantined(self) -> Iterator[Repository]:
        """This repository, whose new objects go to a place of their own and vanish in the end.

        So that a dry run leaves no trace, and works where nothing can be written.
        """
        objects = self.run("rev-parse", "--path-format=absolute", "--git-path", "objects")
        escaped = objects.replace("\\", "\\\\").replace('"', '\\"')
        with TemporaryDirectory(prefix="roadbed-objects-") as scratch:
            apart = {
                "GIT_OBJECT_DIRECTORY": scratch,
                "GIT_ALTERNATE_OBJECT_DIRECTORIES": f'"{escaped}"',
                "GIT_OPTIONAL_LOCKS": "0",
            }
            yield replace(self, env={**self.env, **apart})


def index_info(listing: Mapping[str, Entry | None], width: int = 40) -> str:
    """Files as `git update-index -z --index-info` reads them; without an entry they are removed.

    `width` is the length of the repository's ids: 40 digits, or 64 with SHA-256.
    """
    return "".join(
        f"{entry[0]} {entry[1]} 0\t{path}\0" if entry else f"0 {'0' * width}\t{path}\0"
        for path, entry in listing.items()
    )
