"""A question to some runbooks, and the incidents that answer it, the best first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from roadbed.incidents.choosing import EVERY, Filter, chosen
from roadbed.incidents.search import synonyms
from roadbed.incidents.search.scoring import Index, Match
from roadbed.incidents.search.snippet import Line, best_line
from roadbed.incidents.search.words import asked, stem

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from roadbed.incidents.choosing import Found
    from roadbed.incidents.places import Place
    from roadbed.incidents.runbook import Incident


class Hit(NamedTuple):
    """An incident that answers a question.

    Attributes:
        place, incident: where and what it is.
        score: to compare with others of the same search only.
        matches: of each word of the question that the incident has, or a synonym of it.
        line: the line that answers best.
    """

    place: Place
    incident: Incident
    score: float
    matches: list[Match]
    line: Line | None


class Answer(NamedTuple):
    """The best hits, how many there are in all, and among how many incidents."""

    hits: list[Hit]
    total: int
    searched: int


def search(
    places: Sequence[Place],
    question: str,
    *,
    wanted: Filter = EVERY,
    without: Iterable[str] = (),
    limit: int,
    warn: list[str],
) -> Answer:
    """The incidents that answer best.

    Args:
        places: runbooks.
        question: words; what stands in double quotes must be there as it is.
        wanted: which incidents count.
        without: words that must not be in them.
        limit: how many hits at most.
        warn: gets a sentence on each setting that can't be read.
    """
    phrases = [_even(phrase) for phrase in re.findall(r'"([^"]+)"', question)]
    groups = synonyms.shipped()
    for folder in dict.fromkeys(place.path.parent for place in places):
        groups.extend(synonyms.of_service(folder, warn))
    known = synonyms.Synonyms(groups)
    words = [*asked(question), *synonyms.joined(question, known.phrases)]
    # Words are weighed among all entries: a filter must not make a common word a rare one.
    found = chosen(places)
    unwanted = {stem(word) for text in without for word in asked(text)}
    index = Index(map(_parts, found), words, known, also=unwanted)
    scored = [
        (score, it)
        for number, (score, it) in enumerate(zip(index.scores(), found, strict=True))
        if score.value > 0 and wanted.accepts(it.place, it.incident)
        if not index.has(number, unwanted)
        if all(phrase in _even("\n".join(it.incident.lines)) for phrase in phrases)
    ]
    scored.sort(key=lambda pair: pair[0].value, reverse=True)  # stable: of equals the newest first
    hits = []
    for score, it in scored[:limit]:
        stems = {match.stem for match in score.matches}
        line = best_line(it.incident, stems, index.weight)
        hits.append(Hit(it.place, it.incident, score.value, score.matches, line))
    return Answer(hits, len(scored), len(found))


def _parts(found: Found) -> tuple[str, str, str]:
    """Title; tags, service and date; body: as `scoring.WEIGHTS` has it."""
    entry = found.incident.head
    lines = (line for line in found.incident.lines[1:] if not line.startswith("<!--"))
    beside = (*entry.tags, found.place.service, entry.date)
    return entry.title, " ".join(beside), "\n".join((*lines, *entry.links))


def _even(text: str) -> str:
    """A text in small letters, with single spaces."""
    return " ".join(text.lower().split())
