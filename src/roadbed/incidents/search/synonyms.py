"""Words of operations that mean one thing: `synonyms.txt`, and a service's own."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from roadbed.incidents.search.words import stem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


class Synonyms:
    """Groups of words and phrases; a phrase is one word, joined by `_`.

    Args:
        groups: words or phrases that mean one thing; a word may be in several.

    Attributes:
        phrases: all of them, and the word that each is.
    """

    def __init__(self, groups: Iterable[Sequence[str]]) -> None:
        self._of: dict[str, set[str]] = {}
        self.phrases: dict[str, str] = {}
        for group in groups:
            stems = set()
            for word in map(str.lower, group):
                joined = "_".join(word.split())
                stems.add(stem(joined))
                if joined != word:
                    self.phrases[word] = joined
            for each in stems:
                self._of.setdefault(each, set()).update(stems - {each})

    def of(self, stemmed: str) -> set[str]:
        """The stems that mean the same."""
        return self._of.get(stemmed, set())


def joined(text: str, phrases: Mapping[str, str]) -> list[str]:
    """The phrases in `text`, each as one word."""
    small = text.lower()
    return [
        word
        for phrase, word in phrases.items()
        if phrase in small and re.search(rf"\b{re.escape(phrase)}\b", small)
    ]


def shipped() -> list[list[str]]:
    """The groups that Roadbed brings."""
    lines = Path(__file__).with_name("synonyms.txt").read_text("utf-8").splitlines()
    return [
        [word.strip() for word in line.split(",")]
        for line in lines
        if line.strip() and not line.startswith("#")
    ]


def of_service(folder: Path, warn: list[str]) -> list[list[str]]:
    """The groups in `[tool.roadbed.search]` of a service's pyproject.toml.

    Args:
        folder: the service's.
        warn: gets a sentence where they can't be read; a search goes on without them.
    """
    file = folder / "pyproject.toml"
    try:
        content = file.read_bytes()
    except OSError:
        return []
    if b"roadbed" not in content:
        return []
    import tomllib

    try:
        table = tomllib.loads(content.decode()).get("tool", {}).get("roadbed", {}).get("search", {})
        groups = table.get("synonyms", [])
        if all(isinstance(word, str) for group in groups for word in group):
            return [list(group) for group in groups if isinstance(group, list)]
    except (ValueError, AttributeError, TypeError):
        pass
    warn.append(
        f'{file}: [tool.roadbed.search] holds no lists such as synonyms = [["sku", "item"]].'
    )
    return []
