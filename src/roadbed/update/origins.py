"""Where a service's versions come from.

The place that the service names; where that can't be had (another machine, no network) or has not
got the service's version, this Roadbed's own template.
"""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self

from packaging.version import InvalidVersion
from packaging.version import Version as Release

from roadbed.errors import RoadbedError
from roadbed.paths import real
from roadbed.rendering import questions
from roadbed.template import Template, Version, opened

if TYPE_CHECKING:
    from types import TracebackType

    from roadbed.service import Service


class Files:
    """The files of versions, each written once."""

    def __init__(self, folder: Path) -> None:
        """Write them below `folder`."""
        self._folder = folder
        self._written: dict[str, Path] = {}

    def of(self, template: Template, version: Version) -> Path:
        """The folder that holds the files of a version."""
        if version.commit not in self._written:
            folder = self._folder / version.commit
            template.write(version, folder)
            self._written[version.commit] = folder
        return self._written[version.commit]


@dataclass
class Origin:
    """The history that a service's versions are in.

    Attributes:
        template: the history.
        source: what the service is to record as its `_src_path` from now on.
        recorded: the name of the version that the service is from.
        old: that version; None if the history has lost it.
        files: of its versions.
        warnings: why it is not the place that the service names: a sentence or two each.
    """

    template: Template
    source: str
    recorded: str
    old: Version | None
    files: Files
    warnings: list[str] = field(default_factory=list)

    def newest(self, to: str | None = None) -> Version:
        """The version to go to: `to`, else the newest, but never an older one than the service has.

        Raises:
            RoadbedError: there is no such version, or it is older.
        """
        new = self.template.version(to)
        if self.old is not None and new.commit == self.old.commit:
            return self.old
        if self._follows(new):
            return new
        if to is None and self.old is not None:
            return self.old
        raise RoadbedError(
            f"{new.name} is older than {self.recorded}, which this service is from.",
            "A service is not brought back; revert the commit that updated it instead.",
        )

    def _follows(self, new: Version) -> bool:
        if self.old is not None:
            return self.template.follows(new, self.old)
        with suppress(InvalidVersion):
            return Release(new.name) > Release(self.recorded)
        return True  # what is lost can't be compared

    def tree(self, version: Version) -> Path:
        """The folder that holds the files of a version."""
        return self.files.of(self.template, version)


class Origins:
    """The histories that services come from, each opened once: many services share one."""

    def __init__(self, template: str | None = None) -> None:
        """Let `template` (a path or an address), if given, override what the services name."""
        self._override = template
        self._stack = ExitStack()
        self._opened: dict[str | None, Template | RoadbedError] = {}
        scratch = self._stack.enter_context(TemporaryDirectory(prefix="roadbed-versions-"))
        self._files = Files(Path(scratch))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def of(self, service: Service) -> Origin:
        """Where the versions of `service` come from.

        Raises:
            RoadbedError: neither of the places can be had.
        """
        if self._override is not None:
            template = self._open(self._override)
            old = _version(template, service.version)
            return Origin(template, template.source, service.version, old, self._files)
        named: Origin | None = None
        try:
            template = self._open(_trusted(service))
            old = _version(template, service.version)
            trouble = f"The template {template.source} has no version “{service.version}” any more"
            named = Origin(
                template, service.source, service.version, old, self._files, [f"{trouble}."]
            )
        except RoadbedError as error:
            trouble = error.what.removesuffix(".")
        if named is not None and named.old is not None:
            named.warnings.clear()
            return named
        own = self._own(service)
        if own is not None:
            own.warnings.append(
                f"{trouble}: versions come from this Roadbed's own template instead."
            )
            return own
        if named is not None:
            return named
        raise RoadbedError(
            f"{trouble}; and this Roadbed's own template has no version “{service.version}”"
            " with this service's questions.",
            "Give --template the path or address of the template that it was made from.",
        )

    def _own(self, service: Service) -> Origin | None:
        """Roadbed's own template, unless it is another one that has a version of the same name."""
        try:
            template = self._open(None)
        except RoadbedError:
            return None
        old = _version(template, service.version)
        if old is None:
            return None
        origin = Origin(template, service.source, service.version, old, self._files)
        asked = questions(origin.tree(old)).asked
        return origin if service.answers.keys() <= set(asked) else None

    def _open(self, where: str | None) -> Template:
        if where not in self._opened:
            try:
                self._opened[where] = self._stack.enter_context(opened(where))
            except RoadbedError as error:
                self._opened[where] = error
        known = self._opened[where]
        if isinstance(known, RoadbedError):
            raise known
        return known


def _trusted(service: Service) -> str:
    """Where a service says that its template is: anywhere but in itself.

    A repository that comes along with a clone brings a configuration, and with that commands.

    Raises:
        RoadbedError: it is a folder inside the service's repository.
    """
    place = real(service.source)
    if place.is_dir() and real(service.repository.root) in place.parents:
        raise RoadbedError(
            f"The template {service.source} is a folder of the service's own repository.",
            "Give --template the path or address of the template, if you trust it.",
        )
    return service.source


def _version(template: Template, name: str) -> Version | None:
    commit = template.commit(name)
    return Version(name, commit) if commit else None
