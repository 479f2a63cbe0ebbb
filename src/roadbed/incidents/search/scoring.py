"""How well each entry answers a question, and why.

BM25 over weighted fields, after Robertson and Zaragoza, “The Probabilistic Relevance Framework: BM25
and Beyond” (2009). For each word of the question its own score, plus a part of what the best
synonym adds beyond it (a synonym that counted fully made keyword questions worse, measured); then a
bonus for entries that have more of the words.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from roadbed.incidents.search.synonyms import joined
from roadbed.incidents.search.words import SHORTEST, split, stem, stems

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence, Set

    from roadbed.incidents.search.synonyms import Synonyms

K1, B = 1.2, 0.75
SYNONYM = 0.6  # of what a synonym adds
HALF = 0.5  # a synonym's weight in the bonus
WEIGHTS = (6.0, 3.0, 1.0)  # of a title; of tags and service; of the body


class Match(NamedTuple):
    """A word of the question, and the stem in the entry that answers it: its own, or a synonym's."""

    asked: str
    stem: str
    exact: bool


class Score(NamedTuple):
    """How well an entry answers (above 0 if at all), and by which words."""

    value: float
    matches: list[Match]


class Index:
    """What some entries say about one question.

    Args:
        entries: what each says, by `WEIGHTS`: title; tags and service; body.
        words: of the question.
        synonyms: of its words.
        also: other stems to look for.
    """

    def __init__(
        self,
        entries: Iterable[tuple[str, str, str]],
        words: Sequence[str],
        synonyms: Synonyms,
        also: Set[str] = frozenset(),
    ) -> None:
        self._meant = {word: (stem(word), synonyms.of(stem(word))) for word in words}
        wanted = {s for own, others in self._meant.values() for s in (own, *others)} | also
        phrases = {text: word for text, word in synonyms.phrases.items() if word in wanted}
        beginnings = {each[:SHORTEST] for each in wanted}  # most words need no closer look
        known: dict[str, list[str]] = {}  # which of the wanted stems a word of a text has
        self._counts: list[dict[str, float]] = []
        self._lengths: list[float] = []
        for parts in entries:
            counts: dict[str, float] = {}
            length = 0.0
            for weight, part in zip(WEIGHTS, parts, strict=True):
                words_here = split(part)
                words_here += joined(part, phrases) if phrases else []
                length += weight * len(words_here)
                for word in words_here:
                    found = known.get(word)
                    if found is None:
                        near = word[:SHORTEST] in beginnings or not word.isalpha()
                        found = [each for each in stems(word) if each in wanted] if near else []
                        known[word] = found
                    for each in found:
                        counts[each] = counts.get(each, 0.0) + weight
            self._counts.append(counts)
            self._lengths.append(length)
        self._mean = sum(self._lengths) / len(self._lengths) if self._lengths else 1.0
        self._weights = {each: self._weight(each) for each in wanted}

    def scores(self) -> list[Score]:
        """The score of each entry."""
        return [self._score(number) for number in range(len(self._counts))]

    def has(self, number: int, stems: Set[str]) -> bool:
        """Whether an entry has one of these stems, which were looked for."""
        return not stems.isdisjoint(self._counts[number])

    def weight(self, stemmed: str) -> float:
        """How much a stem tells: the fewer entries have it, the more."""
        return self._weights.get(stemmed, 0.0)

    def _weight(self, stemmed: str) -> float:
        having = sum(stemmed in counts for counts in self._counts)
        return math.log(1 + (len(self._counts) - having + 0.5) / (having + 0.5))

    def _score(self, number: int) -> Score:
        value, covered, matches = 0.0, 0.0, []
        for word, (own, others) in self._meant.items():
            exact = self._bm25(number, own)
            best, synonym = max(((self._bm25(number, it), it) for it in others), default=(0.0, ""))
            value += exact + SYNONYM * max(0.0, best - exact)
            if exact:
                matches.append(Match(word, own, exact=True))
                covered += 1
            elif best:
                matches.append(Match(word, synonym, exact=False))
                covered += HALF
        return Score(value * (1 + covered / (len(self._meant) or 1)), matches)

    def _bm25(self, number: int, stemmed: str) -> float:
        count = self._counts[number].get(stemmed)
        if not count:
            return 0.0
        length = self._lengths[number] / self._mean
        return self._weights[stemmed] * count * (K1 + 1) / (count + K1 * (1 - B + B * length))
