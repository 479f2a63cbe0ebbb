"""A version that is going away: a default in the service's `settings.py` says so."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from roadbed.adding.modules import parsed
from roadbed.adding.source import Edit, edited
from roadbed.errors import RoadbedError

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

_SETTING = "api_deprecated"


def deprecated(settings: Path, version: str, since: date, sunset: date | None) -> str:
    """The text of `settings.py`, with a version deprecated in it.

    Raises:
        RoadbedError: it speaks of deprecated versions already, or has no class Settings.
    """
    if sunset is not None and sunset < since:
        raise RoadbedError("The sunset comes before the deprecation.", "Give a later day.")
    tree = parsed(settings)
    text = settings.read_bytes().decode()
    classes = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == "Settings"]
    if not classes:
        raise RoadbedError(
            f"{settings} has no class Settings.", f"Set {_SETTING.upper()} in the environment."
        )
    if _SETTING in text:
        raise RoadbedError(
            f"{settings} speaks of {_SETTING} already.", f"Name {version} there by hand."
        )
    last = classes[0].body[-1]
    days = f"since={_day(since)}" + (f", sunset={_day(sunset)}" if sunset else "")
    line = f'\n\n    {_SETTING}: Mapping[str, Deprecation] = {{"{version}": Deprecation({days})}}'
    imports = (
        "from collections.abc import Mapping\nfrom datetime import date\n\n"
        "from .kit.deprecation import Deprecation\n"
    )
    first = next(n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom))
    return edited(text, [Edit.before(first, imports), Edit.after(last, line)])


def _day(day: date) -> str:
    return f"date({day.year}, {day.month}, {day.day})"
