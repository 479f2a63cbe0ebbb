"""What is going away, and how its clients are told: the headers of RFC 9745, 8594 and 8288."""

from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator


class Deprecation(BaseModel):
    """From `since` on clients should move; `sunset` is the day it may stop to answer.

    That day alone ends nothing: API_RETIRED does. Both begin at midnight, UTC.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    since: date
    sunset: date | None = None
    successor: str | None = None

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        if self.sunset is not None and self.sunset < self.since:
            raise ValueError("a sunset comes after the deprecation")
        return self

    def headers(self, successor: str | None) -> dict[str, str]:
        """The headers to add; `successor` is where clients go if the deprecation names nothing."""
        told = {"Deprecation": f"@{int(_midnight(self.since).timestamp())}"}
        if self.sunset is not None:
            told["Sunset"] = format_datetime(_midnight(self.sunset), usegmt=True)
        return told | link(self.successor or successor)


def link(successor: str | None) -> dict[str, str]:
    """The header that leads to the successor (RFC 5829), if there is one."""
    return {"Link": f'<{successor}>; rel="successor-version"'} if successor else {}


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
