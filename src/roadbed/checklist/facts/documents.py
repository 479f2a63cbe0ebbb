"""Markdown as these rules need it: headings with their anchors, fenced blocks, and the prose."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

_FENCE = re.compile(r"^ {0,3}(?P<mark>`{3,}|~{3,})\s*(?P<info>[^`]*)$")
_HEADING = re.compile(r"^ {0,3}(?P<level>#{1,6})\s+(?P<text>.*?)\s*#*\s*$")
_ANCHOR = re.compile(r"""<a\s[^>]*(?:id|name)=["']([^"']+)["']|\{#([\w-]+)\}""", re.IGNORECASE)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


@dataclass(frozen=True)
class Heading:
    """A heading: its level (1 to 6), words and line, and the anchor that links to it."""

    level: int
    text: str
    line: int
    anchor: str


@dataclass(frozen=True)
class Block:
    """A fenced block: what it says it is (`sh`), its lines, and the line of the first."""

    info: str
    line: int
    lines: tuple[str, ...]


@dataclass
class Document:
    """A Markdown file.

    Attributes:
        prose: its lines outside of fences, by number, without comments.
    """

    path: str
    headings: list[Heading] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    prose: dict[int, str] = field(default_factory=dict)

    line = 0  # as a whole, where a place is asked for

    @cached_property
    def anchors(self) -> set[str]:
        """Every anchor that a link may name."""
        written = {a or b for text in self.prose.values() for a, b in _ANCHOR.findall(text)}
        return {heading.anchor for heading in self.headings} | written

    def section(self, heading: Heading) -> dict[int, str]:
        """The prose under a heading, its subsections included."""
        after = [each for each in self.headings if each.line > heading.line]
        end = next((each.line for each in after if each.level <= heading.level), 10**9)
        return {line: text for line, text in self.prose.items() if heading.line < line < end}


def parse(path: str, text: str) -> Document:
    """Read a Markdown file."""
    document = Document(path)
    text = _COMMENT.sub(lambda found: re.sub(r"[^\n]", "", found[0]), text)
    fence, info, begin = "", "", 0
    inside: list[str] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(text.split("\n"), 1):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark["mark"].startswith(fence) and not mark["info"].strip():
                document.blocks.append(Block(info, begin, tuple(inside)))
                fence = ""
            else:
                inside.append(line)
        elif mark:
            fence, info, begin, inside = mark["mark"], mark["info"].strip(), number + 1, []
        else:
            document.prose[number] = line
            if heading := _HEADING.match(line):
                slug = _slug(heading["text"])
                count = seen.get(slug, 0)
                seen[slug] = count + 1
                anchor = f"{slug}-{count}" if count else slug
                document.headings.append(
                    Heading(len(heading["level"]), heading["text"], number, anchor)
                )
    if fence:
        document.blocks.append(Block(info, begin, tuple(inside)))
    return document


def _slug(heading: str) -> str:
    """The anchor that GitHub and its like give a heading."""
    plain = _LINK.sub(r"\1", heading).replace("`", "").replace("*", "").lower()
    return re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-")
