"""A RUNBOOK.md as text: where its incidents are, and the same text with one more.

They stand between two bare marker lines, newest first, in the last section. The markers carry no
prose and never change, and nothing stands after them: measured, that place survives three-way
merges with a template that rewrites all the rest.
"""

from __future__ import annotations

from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

from roadbed.errors import RoadbedError
from roadbed.incidents.markdown import HEADING, bare, prose, split
from roadbed.incidents.notation import INCIDENT, head, parse, render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roadbed.incidents.entry import Entry

START, END = "<!-- incidents:start -->", "<!-- incidents:end -->"
SECTION = "## Incidents"

_SECTION_LEVEL = 2


class Incident(NamedTuple):
    """An entry at its place.

    Attributes:
        head: the entry but for its five fields.
        lines: of the file, from the heading on, without endings; no empty ones at the end.
        line: the heading's, counted from 1.
    """

    head: Entry
    lines: Sequence[str]
    line: int

    @property
    def entry(self) -> Entry:
        """All of it."""
        return parse(self.lines)

    @property
    def id(self) -> str:
        """The one that is written there, or what date and title give."""
        return self.head.id or self.head.own_id

    @property
    def end(self) -> int:
        """Its last line, counted from 1."""
        return self.line + len(self.lines) - 1


class Insertion(NamedTuple):
    """A text with one more entry.

    Attributes:
        text: all of it. Without `block`, which begins at the offset `at`, it is the old text.
        line: of its heading, counted from 1.
        new_section: whether there were no markers, and a section was made for them.
    """

    text: str
    at: int
    block: str
    line: int
    new_section: bool


class Runbook:
    """What a text says about incidents.

    Args:
        text: of the file, without a byte order mark.
        name: of the file, for errors.
    """

    def __init__(self, text: str, name: str = "RUNBOOK.md") -> None:
        self.text = text
        self.name = name
        self.lines = split(text)
        self.bare = [bare(line) for line in self.lines]

    @cached_property
    def _outline(self) -> list[tuple[int, str]]:
        """Headings and markers, by index."""
        return [
            (index, line)
            for index, line in prose(self.bare)
            if line[:4].lstrip(" ")[:1] in {"#", "<"} and (HEADING.match(line) or _marker(line))
        ]

    @cached_property
    def incidents(self) -> list[Incident]:
        """All entries, in the order of the file."""
        found = []
        outline = self._outline
        for number, (index, line) in enumerate(outline):
            heading = INCIDENT.match(line)
            if heading is None:
                continue
            later = (outline[at] for at in range(number + 1, len(outline)))
            end = next((at for at, other in later if _ends(heading[1], other)), len(self.bare))
            lines = self.bare[index:end]
            while not _filled(lines[-1]):
                lines.pop()
            found.append(Incident(head(lines), lines, index + 1))
        return found

    @cached_property
    def markers(self) -> tuple[int, int] | None:
        """The indexes of the two marker lines, if there are any.

        Raises:
            RoadbedError: they are no pair.
        """
        found = [(index, _marker(line)) for index, line in self._outline if _marker(line)]
        if [marker for _, marker in found] == [START, END]:
            return found[0][0], found[1][0]
        if not found:
            return None
        kinds = {marker for _, marker in found}
        lines = ", ".join(str(index + 1) for index, _ in found)
        wrong = (
            f"has no line “{END if kinds == {START} else START}”"
            if len(kinds) == 1
            else "has more than one pair of incident markers, or one upside down"
        )
        raise RoadbedError(
            f"{self.name} {wrong} (markers on line {lines}).",
            f"Leave one line “{START}” and one “{END}” below it, with the entries between them.",
        )

    @property
    def ending(self) -> str:
        """The line ending of the file: that of its start marker, or of its first line."""
        line = self.lines[self.markers[0]] if self.markers else "".join(self.lines[:1])
        return line[len(bare(line)) :] or "\n"

    def find(self, entry: Entry) -> Incident | None:
        """The incident that says the same, under whichever id."""
        return next((it for it in self.incidents if it.entry.says_the_same_as(entry)), None)

    def with_entry(self, entry: Entry) -> Insertion:
        """Insert an entry, which has a free id, before those that are not newer.

        Everything else stays as it is, byte for byte.

        Raises:
            RoadbedError: there is no place for it.
        """
        insertion = self.with_lines(split(render(entry)), entry.date)
        self._confirm(insertion, entry)
        return insertion

    def with_lines(self, lines: Sequence[str], date: str) -> Insertion:
        """Insert the lines of an entry; they get the file's own endings.

        Raises:
            RoadbedError: the markers are no pair.
        """
        if self.markers:
            index = self._place(*self.markers, date)
            above = ["\n"] if _filled(self.bare[index - 1]) else []
            block, skipped = [*above, *lines, "\n"], len(above)
        else:
            index, above, below = self._place_of_a_section()
            block = [*above, f"{START}\n", "\n", *lines, "\n", f"{END}\n", *below]
            skipped = len(above) + 2
        written = "".join(bare(line) + self.ending for line in block)
        if index and self.lines[index - 1] == self.bare[index - 1]:  # the last line has no ending
            written = self.ending + written
        kept = "".join(self.lines[:index])
        return Insertion(
            text=kept + written + "".join(self.lines[index:]),
            at=len(kept),
            block=written,
            line=index + skipped + 1,
            new_section=not self.markers,
        )

    def free_id(self, entry: Entry) -> str:
        """The entry's id, or that with the first number that is free."""
        wanted = entry.id or entry.own_id
        taken = {incident.id for incident in self.incidents}
        numbered = (f"{wanted}-{number}" for number in count(2))
        return wanted if wanted not in taken else next(i for i in numbered if i not in taken)

    def _place(self, start: int, end: int, date: str) -> int:
        """The index of the first entry between the markers that is not newer, or of the end."""
        older = (it.line - 1 for it in self.incidents if it.head.date <= date)
        return next((index for index in older if start < index < end), end)

    def _place_of_a_section(self) -> tuple[int, list[str], list[str]]:
        """Under the heading that is there, or a new one at the end: index, lines before and after."""
        for index, line in self._outline:
            if line.rstrip(" \t#") == SECTION:
                below = ["\n"] if any(map(_filled, self.bare[index + 1 : index + 2])) else []
                return index + 1, ["\n"], below
        above = ["\n"] if any(map(_filled, self.bare[-1:])) else []
        return len(self.lines), [*above, f"{SECTION}\n", "\n"], []

    def _confirm(self, insertion: Insertion, entry: Entry) -> None:
        """Read the new text again, and have a parser of all Markdown agree on where the markers are."""
        from markdown_it import MarkdownIt

        again = Runbook(insertion.text, self.name)
        seen = [
            token.map[0]
            for token in MarkdownIt("commonmark").parse(insertion.text)
            if token.type == "html_block" and token.level == 0 and token.map
            if _marker(token.content.rstrip("\n"))
        ]
        there = [(incident.line, incident.entry) for incident in again.incidents]
        if (
            again.markers is None
            or seen != list(again.markers)
            or (insertion.line, entry) not in there
        ):
            raise RoadbedError(
                f"The incidents of {self.name} stand inside of other markup: of a code block, a"
                " comment or an HTML element that is not closed.",
                "Close it above them, and try again.",
            )


def _filled(line: str) -> bool:
    return bool(line.strip(" \t"))


def _marker(line: str) -> str:
    """Which marker this line is, if it is one: alone, and at the very left."""
    text = line.rstrip(" \t")
    return text if text in {START, END} else ""


def _ends(heading: str, line: str) -> bool:
    """Whether an entry under `heading` (its `#` signs) ends at this heading or marker."""
    other = HEADING.match(line)
    return (
        not other
        or bool(INCIDENT.match(line))
        or len(other[1]) <= max(len(heading), _SECTION_LEVEL)
    )
