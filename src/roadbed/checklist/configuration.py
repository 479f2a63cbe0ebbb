"""`[tool.roadbed.check]` in a service's pyproject.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from roadbed.errors import RoadbedError

if TYPE_CHECKING:
    from pathlib import Path

_DATABASE = {
    "max_connections": (int,),
    "instance_class": (str,),
    "memory_gib": (int, float),
    "pooler_connections": (int,),
    "replicas": (int,),
    "workers": (int,),
    "pool_size": (int,),
    "pool_overflow": (int,),
    "beside_pools": (int,),
    "jobs": (int,),
    "work_mem_mib": (int, float),
}


@dataclass(frozen=True)
class Waiver:
    """Why a promise need not be kept somewhere.

    Attributes:
        rules: names or codes.
        until: the last day on which it is fresh.
        pattern: of the paths that it is about; every one when it is empty.
        subject: of the evidence that it is about; every one when it is empty.
        path, line: where it is written.
    """

    rules: tuple[str, ...]
    reason: str
    until: date | None
    path: str
    line: int
    pattern: str = ""
    subject: str = ""
    in_source: bool = False


@dataclass(frozen=True)
class Configuration:
    """What a service says about its check.

    Attributes:
        exclude: patterns of files that are not looked at.
        openapi: the document's path, where it has an unusual one.
        database: numbers that no file of the service shows.
    """

    exclude: tuple[str, ...] = ()
    openapi: str | None = None
    database: dict[str, Any] = field(default_factory=dict)
    waivers: tuple[Waiver, ...] = ()


def read(root: Path) -> Configuration:
    """The configuration of the service at `root`; the default without any.

    Raises:
        RoadbedError: it is broken.
    """
    file = root / "pyproject.toml"
    if not file.is_file():
        return Configuration()
    try:
        text = file.read_bytes().decode()
        table = tomllib.loads(text).get("tool", {}).get("roadbed", {}).get("check", {})
    except (OSError, ValueError, RecursionError) as error:
        raise RoadbedError(
            f"{file} can't be read: {error}.", "Mend it: the check reads its settings from there."
        ) from error
    except AttributeError:
        table = None
    if not isinstance(table, dict):
        raise _broken("tool.roadbed.check is no table")
    return _configuration(table, text)


def _configuration(table: dict[str, Any], text: str) -> Configuration:
    known = {"exclude", "openapi", "database", "waive"}
    if odd := sorted(table.keys() - known):
        raise _broken(f"there is no setting “{odd[0]}”; there are {', '.join(sorted(known))}")
    exclude = table.get("exclude", [])
    if not (isinstance(exclude, list) and all(isinstance(each, str) for each in exclude)):
        raise _broken("“exclude” is a list of patterns")
    openapi = table.get("openapi")
    if not isinstance(openapi, str | None):
        raise _broken("“openapi” is a path")
    database = table.get("database", {})
    if not isinstance(database, dict):
        raise _broken("“database” is a table")
    for name, value in database.items():
        if name not in _DATABASE:
            raise _broken(f"there is no “database.{name}”; there are {', '.join(_DATABASE)}")
        if isinstance(value, bool) or not isinstance(value, _DATABASE[name]):
            raise _broken(
                f"“database.{name}” is {' or '.join(k.__name__ for k in _DATABASE[name])}"
            )
    waive = table.get("waive", [])
    if not (isinstance(waive, list) and all(isinstance(each, dict) for each in waive)):
        raise _broken("“waive” is written as [[tool.roadbed.check.waive]]")
    lines = [
        number
        for number, line in enumerate(text.split("\n"), 1)
        if line.strip().replace(" ", "").startswith("[[tool.roadbed.check.waive]]")
    ]
    waivers = tuple(
        _waiver(each, lines[place] if place < len(lines) else 0) for place, each in enumerate(waive)
    )
    return Configuration(tuple(exclude), openapi, database, waivers)


def _waiver(table: dict[str, Any], line: int) -> Waiver:
    known = {"rule", "reason", "until", "path", "subject"}
    if odd := sorted(table.keys() - known):
        raise _broken(f"a waiver has no “{odd[0]}”; it has {', '.join(sorted(known))}")
    if not isinstance(table.get("rule"), str):
        raise _broken("a waiver names its “rule”")
    until = table.get("until")
    if isinstance(until, str):
        try:
            until = date.fromisoformat(until)
        except ValueError:
            raise _broken(f"“until = {until}” of a waiver is no date: 2027-01-31") from None
    if until is not None and type(until) is not date:
        raise _broken("“until” of a waiver is a date: 2027-01-31")
    texts = {name: table.get(name, "") for name in ("reason", "path", "subject")}
    for name, value in texts.items():
        if not isinstance(value, str):
            raise _broken(f"“{name}” of a waiver is text")
    return Waiver(
        rules=(table["rule"],),
        reason=texts["reason"].strip(),
        until=until,
        path="pyproject.toml",
        line=line,
        pattern=texts["path"],
        subject=texts["subject"],
    )


def _broken(what: str) -> RoadbedError:
    return RoadbedError(
        f"[tool.roadbed.check] in pyproject.toml is broken: {what}.", "Mend it, and check again."
    )
