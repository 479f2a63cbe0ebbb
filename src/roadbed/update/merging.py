"""Three trees become one, and its conflicts. Nothing on the disk is touched.

The old rendering becomes a commit, the new one its child, and git merges that child onto the
service, with its own detection of moved files.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from roadbed import git
from roadbed.repository import index_info
from roadbed.update.ownership import Left, Why, leave

if TYPE_CHECKING:
    from collections.abc import Container

    from roadbed.repository import Listing, Repository, Stage
    from roadbed.service import Service
    from roadbed.update.pristine import Pristine

MARK = "noreply@roadbed.invalid"  # the committer of what Roadbed merges, by which it knows it
# The user is the author: git takes that over when the user goes on by hand.
_BY_ROADBED = {"GIT_COMMITTER_NAME": "Roadbed", "GIT_COMMITTER_EMAIL": MARK}
_ANONYMOUS = _BY_ROADBED | {"GIT_AUTHOR_NAME": "Roadbed", "GIT_AUTHOR_EMAIL": MARK}
_AS_USUAL = (
    *("-c", "merge.renames=true", "-c", "diff.renames=true", "-c", "merge.renameLimit=10000"),
    # Else a file that a team adds is moved when the template moves what lay beside it.
    *("-c", "merge.directoryRenames=false"),
)
_BINARY = "CONFLICT (binary)"
_REASONS = {
    frozenset({1, 2, 3}): "you and the template changed the same place",
    frozenset({2, 3}): "you and the template added it, each in another way",
    frozenset({1, 2}): "you changed or moved it, and the template deletes it",
    frozenset({1, 3}): "you deleted or moved it, and the template changes it",
}
_BOTH_BINARY = "you and the template changed it, and it is binary: take one of the two"
_OTHER = "you and the template moved it, each to another place"


@dataclass(frozen=True, order=True)
class Conflict:
    """A file that has to be merged by hand.

    Attributes:
        path: relative to the service.
        reason: what happened to it on both sides, as half a sentence.
    """

    path: str
    reason: str


@dataclass(frozen=True)
class Merge:
    """What the service would be with the new version.

    Attributes:
        tree: of the whole repository; files in conflict hold markers.
        pick: the commit that holds the template's change, to be picked.
        stages: of the files in conflict.
        conflicts: the same, in words.
        left: files that the template changed and this leaves as they are, relative to the service.
    """

    tree: str
    pick: str
    stages: list[Stage]
    conflicts: list[Conflict]
    left: list[Left]


def merge(
    service: Service,
    old: Pristine,
    new: Pristine,
    *,
    names: tuple[str, str],
    message: str,
    anonymous: bool = False,
) -> Merge:
    """Merge the difference between two renderings into a service.

    Args:
        service: the service.
        old: the rendering that it came from.
        new: the rendering that it is to follow.
        names: of both versions, for markers.
        message: of the commit that is to be picked.
        anonymous: whether git need not know who the user is, as nothing will be committed.
    """
    repository = service.repository
    before, after = repository.listing(old.tree), repository.listing(new.tree)
    ours = repository.listing(service.tree)
    sizes = len(before), len(after)
    left = leave(before, after, ours, new)
    make = partial(_commit, repository, _ANONYMOUS if anonymous else _BY_ROADBED)
    while True:
        base = make(_full(service, before, old, sizes[0]), "The template before")
        pick = make(_full(service, after, new, sizes[1]), message, base)
        here = make(f"{service.head}^{{tree}}", "The service", base)
        output = repository.read(
            *_AS_USUAL, "merge-tree", "--write-tree", "-z", "--messages", here, pick, no=1
        )
        tree, stages, told = _read(git.text(output))
        deleted = _deleted(told, ours, service.prefix)
        if not deleted:
            break
        for path in deleted:
            changed = before.pop(path, None) is not None
            after.pop(path, None)
            if changed:
                left.append(Left(path, Why.DELETED))
    binary = {path for kind, paths in told if kind == _BINARY for path in paths}
    if stages:
        tree = _marked(repository, tree, [s for s in stages if s[3] not in binary], names)
    return Merge(tree, pick, stages, conflicts(service, stages, binary), sorted(left))


def conflicts(service: Service, stages: list[Stage], binary: Container[str] = ()) -> list[Conflict]:
    """The conflicts that the stages of an index stand for, in words."""
    sides: dict[str, set[int]] = {}
    for _, _, stage, path in stages:
        sides.setdefault(path, set()).add(stage)
    return [
        Conflict(
            path.removeprefix(service.prefix),
            _BOTH_BINARY if path in binary else _REASONS.get(frozenset(found), _OTHER),
        )
        for path, found in sorted(sides.items())
    ]


def _full(service: Service, listing: Listing, whole: Pristine, size: int) -> str:
    """The repository's tree with a rendering in it, or with what is left of its `size` files."""
    repository = service.repository
    tree = whole.tree if len(listing) == size else repository.tree(listing)
    return repository.grafted(tree, service.prefix, service.head)


def _commit(
    repository: Repository,
    env: dict[str, str],
    tree: str,
    message: str,
    parent: str | None = None,
) -> str:
    above = ["-p", parent] if parent else []
    return repository.run("commit-tree", tree, *above, env=env, stdin=message + "\n")


def _read(output: str) -> tuple[str, list[Stage], list[tuple[str, list[str]]]]:
    """What `merge-tree -z` says: the tree, the files in conflict, and its messages' kinds."""
    first, _, rest = output.partition("\0\0")
    tree, *lines = first.split("\0")
    stages: list[Stage] = []
    for line in filter(None, lines):
        facts, path = line.split("\t", 1)
        mode, content, stage = facts.split(" ")
        stages.append((mode, content, int(stage), path))
    told, words = [], iter(rest.split("\0"))
    while (count := next(words, "")).isdigit():
        paths = [next(words) for _ in range(int(count))]
        told.append((next(words), paths))
        next(words)
    return tree, stages, told


def _deleted(told: list[tuple[str, list[str]]], ours: Listing, prefix: str) -> list[str]:
    """The files that git asks about only since the team deleted them: they stay deleted."""
    asked = [
        [path.removeprefix(prefix) for path in paths]
        for kind, paths in told
        if kind in {"CONFLICT (modify/delete)", "CONFLICT (rename/delete)"}
    ]
    return sorted({path for paths in asked if not ours.keys() & set(paths) for path in paths})


def _marked(repository: Repository, tree: str, stages: list[Stage], names: tuple[str, str]) -> str:
    """The tree with zdiff3 markers, which git's merge-tree can't be told to write before 2.43."""
    sides: dict[str, dict[int, Stage]] = {}
    for stage in stages:
        sides.setdefault(stage[3], {})[stage[2]] = stage
    written: Listing = {}
    with TemporaryDirectory(prefix="roadbed-conflict-") as scratch:
        for path, three in sides.items():
            if not {2, 3} <= three.keys() or any(s[0][:3] != "100" for s in three.values()):
                continue
            files = [Path(scratch, side) for side in ("ours", "before", "theirs")]
            for file, number in zip(files, (2, 1, 3), strict=True):
                known = three.get(number)
                file.write_bytes(repository.read("cat-file", "blob", known[1]) if known else b"")
            labels = [f"-L{name}" for name in ("HEAD", *map("template {}".format, names))]
            repository.says("merge-file", "--quiet", "--zdiff3", *labels, *map(str, files))
            if b"<<<<<<< HEAD" in files[0].read_bytes():
                content = repository.run("hash-object", "-w", "--no-filters", str(files[0]))
                written[path] = (three[2][0], content)
        if not written:
            return tree
        env = {"GIT_INDEX_FILE": str(Path(scratch, "index"))}
        repository.run("read-tree", tree, env=env)
        repository.run("update-index", "-z", "--index-info", env=env, stdin=index_info(written))
        return repository.run("write-tree", env=env)
