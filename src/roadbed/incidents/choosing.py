"""Which incidents are meant, of all those in some runbooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from roadbed.incidents.places import Place
    from roadbed.incidents.runbook import Incident


class Filter(NamedTuple):
    """Which incidents count at all; what is empty does not matter.

    Attributes:
        tags, services, severities: of which it has one.
        since: the first day, `YYYY-MM-DD`.
    """

    tags: Sequence[str] = ()
    services: Sequence[str] = ()
    severities: Sequence[str] = ()
    since: str = ""

    def accepts(self, place: Place, incident: Incident) -> bool:
        """Whether it counts."""
        entry = incident.head
        if self.tags and not {tag.lower() for tag in self.tags} & {t.lower() for t in entry.tags}:
            return False
        if self.services and place.service not in self.services:
            return False
        if self.severities and entry.severity not in self.severities:
            return False
        return entry.date >= self.since


EVERY = Filter()


class Found(NamedTuple):
    """An incident and where it is."""

    place: Place
    incident: Incident


def chosen(places: Iterable[Place], wanted: Filter = EVERY) -> list[Found]:
    """The incidents that count, the newest first."""
    found = [
        Found(place, incident)
        for place in places
        for incident in place.runbook.incidents
        if wanted.accepts(place, incident)
    ]
    return sorted(found, key=lambda it: it.incident.head.date, reverse=True)
