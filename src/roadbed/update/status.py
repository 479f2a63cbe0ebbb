"""`status`: how far services are behind their template, and where they have drifted from it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from roadbed import git
from roadbed.errors import RoadbedError
from roadbed.service import found
from roadbed.update.engine import OLDEST_GIT, rendered_before
from roadbed.update.origins import Origins
from roadbed.update.ownership import leave
from roadbed.update.report import File

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from roadbed.service import Service
    from roadbed.update.origins import Origin


@dataclass
class Status:
    """Where a service stands.

    Attributes:
        folder: the service's, or what was asked for if there is none.
        source, version: of its template, as it records them.
        newest: the version that `update` would bring.
        behind: the versions from the next one to the newest, oldest first.
        drift: the template's files that the service has changed (M), deleted (D) or moved (R).
        diff: the same as a patch from the template's to the service's, if it was asked for.
        error: why nothing is known; two sentences.
    """

    folder: Path
    source: str = ""
    version: str = ""
    newest: str = ""
    behind: list[str] = field(default_factory=list)
    drift: list[File] = field(default_factory=list)
    diff: str = ""
    warnings: list[str] = field(default_factory=list)
    error: RoadbedError | None = None


def statuses(paths: list[Path], *, template: str | None, diff: bool) -> Iterator[Status]:
    """Look at services, one after the other. Nothing is written.

    Args:
        paths: services' folders, or folders inside them.
        template: a path or an address, instead of what the services name.
        diff: whether the drift is wanted as a patch.

    Raises:
        RoadbedError: git is missing or too old.
    """
    git.require(OLDEST_GIT)
    with Origins(template) as origins:
        for path in paths:
            try:
                yield _status(path, origins, diff=diff)
            except RoadbedError as error:
                yield Status(path, error=error)
            except git.GitError as error:
                said = RoadbedError(f"Git said no in {path}: {error}.", "See git fsck there.")
                yield Status(path, error=said)


def _status(path: Path, origins: Origins, *, diff: bool) -> Status:
    service = found(path)
    origin = origins.of(service)
    status = Status(service.folder, service.source, service.version, warnings=origin.warnings)
    newest = origin.newest()
    status.newest = newest.name
    if origin.old is not None and newest.name != service.version:
        status.behind = origin.template.behind(origin.old, newest)
    elif newest.name != service.version:
        status.behind = [newest.name]
    with ExitStack() as stack:
        repository = stack.enter_context(service.repository.quarantined())
        _look(replace(service, repository=repository), origin, status, diff=diff)
    return status


def _look(service: Service, origin: Origin, status: Status, *, diff: bool) -> None:
    """Compare the service with its pristine rendering, the team's own files apart."""
    repository = service.repository
    rendered = rendered_before(service, origin)
    ours, before = repository.listing(service.tree), repository.listing(rendered.tree)
    leave(before, {}, ours, rendered)
    trees = (repository.tree(before), service.tree)
    # What a team added is no drift.
    options = ("-r", "--find-renames", "--diff-filter=a")
    words = iter(repository.run("diff-tree", *options, "-z", "--name-status", *trees).split("\0"))
    for change in filter(None, words):
        path = next(words)
        status.drift.append(File(path, change[0]))
        if change[0] in "RC":
            next(words)
    status.drift.sort()
    if diff:
        plain = ("-c", "diff.noprefix=false", "-c", "diff.mnemonicPrefix=false")
        output = repository.read(*plain, "diff-tree", "-p", "--binary", *options, *trees)
        status.diff = git.text(output)
