"""Text as words, and words as stems, so that “timeouts” finds “timeout” and “caching” “cache”."""

from __future__ import annotations

import re
from functools import cache
from string import punctuation

_JOINING = ".:/-_"  # inside of a word, and around it nothing
_APART = str.maketrans(dict.fromkeys(set(punctuation) - set(_JOINING), " "))
_PART = re.compile(r"\w+")

STOP_WORDS = frozenset(
    """
    a about after again all also am an and any are as at be because been before but by can could did
    do does doing for from get got had has have he her his how i if in into is it its just me my no
    not of off on once one only or our out over she should since so some than that the their them
    then there these they this those to too under until up us very was we were what when where which
    while who why will with would you your
    """.split()  # noqa: SIM905 (a list would take a line a word)
)

# The longest first: of what ends a word, one is taken away and another put in its place.
_ENDINGS = (
    ("ingly", ""),
    ("ness", ""),
    ("ings", ""),
    ("ions", ""),
    ("ies", "y"),
    ("ied", "y"),
    ("ing", ""),
    ("ion", ""),
    ("ers", ""),
    ("ed", ""),
    ("es", ""),
    ("er", ""),
    ("ly", ""),
    ("s", ""),
)
SHORTEST = 3  # letters of a stem: it begins with the same three as its word


def split(text: str) -> list[str]:
    """The words of `text` in small letters, with what may stand around them: `(slow.` is `slow.`."""
    return text.lower().translate(_APART).split()


def asked(text: str) -> list[str]:
    """The words of a question, each once: stop words only where there is nothing else.

    What holds a digit is a code and stays whole: `INC-12` does not ask for every 12.
    """
    words: list[str] = []
    for word in split(text):
        whole = word.strip(_JOINING)
        is_code = any(letter.isdigit() for letter in whole)
        words.extend([whole] if is_code else _PART.findall(whole))
    words = list(dict.fromkeys(words))
    return [word for word in words if word not in STOP_WORDS] or words


@cache
def stems(word: str) -> tuple[str, ...]:
    """What a word of a text is found by: its stem; of `INC-12` and `job:p95` the parts, and the whole."""
    whole = word.strip(_JOINING)
    parts = [whole] if whole.isalnum() else _PART.findall(whole)
    return (*map(stem, parts), *([whole] if len(parts) > 1 else []))


@cache
def stem(word: str) -> str:
    """A word without its ending. Codes (`504`, `p99`, `http_requests_total`) stay whole."""
    if len(word) <= SHORTEST or not word.isalpha():
        return word
    for ending, instead in _ENDINGS:
        left = word.removesuffix(ending)
        if left != word and len(left) >= SHORTEST and not (ending == "s" and left[-1] in "su"):
            word = left + instead
            break
    if len(word) > SHORTEST and word[-1] == word[-2] and word[-1] not in "aeiou":
        word = word[:-1]
    if len(word) > SHORTEST and word[-1] == "e":
        word = word[:-1]
    return word
