"""Points in time, as people write them and as an entry keeps them: ISO 8601 in UTC, to the minute."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta


def day(text: str) -> date | None:
    """The day that `YYYY-MM-DD` names, if there is such a day."""
    try:
        return date.fromisoformat(text) if re.fullmatch(r"[0-9]{4}(-[0-9]{2}){2}", text) else None
    except ValueError:
        return None


def moment(text: str) -> datetime | None:
    """The time that an ISO 8601 text names; UTC where it says no zone."""
    if "T" not in text.upper() and " " not in text:
        return None
    try:
        read = datetime.fromisoformat(text)
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def written(text: str, on: str) -> str:
    """A time as an entry keeps it; what is no time stays as it is, for `faults.py` to say so.

    Args:
        text: `14:02` (on the incident's day) or ISO 8601; UTC where it says no zone.
        on: the incident's day.
    """
    clock = re.fullmatch(r"([0-9]{1,2}):([0-9]{2})Z?", text)
    read = moment(f"{on}T{clock[1]:>02}:{clock[2]}" if clock else text)
    if read is None:
        return text
    shown = read.isoformat(timespec="seconds" if read.second else "minutes")
    return shown.removesuffix("+00:00") + "Z"


def today() -> date:
    """Here."""
    return datetime.now().astimezone().date()


def last_day_anywhere() -> date:
    """The latest day that has begun somewhere on Earth: what is after it is in the future."""
    return (datetime.now(UTC) + timedelta(hours=14)).date()
