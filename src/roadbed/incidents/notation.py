"""An entry as Markdown, and back: `parse(render(entry)) == entry`.

Text that would be read as something else (a heading, a label, a marker, a fence that is never
closed, HTML that swallows what follows) gets a backslash, as Markdown itself has it. Reading takes
one away. Closed fences are left alone, inside and out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadbed.incidents.entry import FIELDS, TIMES, Entry
from roadbed.incidents.markdown import FENCE, HEADING, closing, prose

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LEVEL = 3  # of an incident's heading, under "## Incidents"
INCIDENT = re.compile(r" {0,3}(#{1,6})[ \t]+Incident[ \t]+([0-9]{4}-[0-9]{2}-[0-9]{2}):(.*)$")

_COMMENT = re.compile(r" {0,3}<!--[ \t]+incident[ \t](.*)-->[ \t]*$")
_LABELS = {label.lower(): name for name, label in FIELDS.items()}
_BOLD = rf"\*\*({'|'.join(FIELDS.values())})(?::\*\*|\*\*:)"
_LABEL = re.compile(rf" {{0,3}}{_BOLD}[ \t]*(.*)$", re.IGNORECASE)

# Patterns that reading seldom needs are texts: `re` compiles them at their first use.
_SPECIAL = (
    r"#{1,6}(?=[ \t]|$)"  # a heading
    r"|(?:=+|-+)[ \t]*$"  # the line under one
    r"|<(?:[!?]|/?(?:pre|script|style|textarea)\b)"  # HTML that a blank line does not end
    r"|(?:<{7}|>{7}|\|{7})"  # git's conflict markers
    rf"|{_BOLD}"
    r"|`{3,}|~{3,}"
)
_TO_ESCAPE = rf"(?i)( {{0,3}})(?=\\*(?:{_SPECIAL}))"
_ESCAPED = rf"(?i)( {{0,3}})\\(?=\\*(?:{_SPECIAL}))"
_BLOCK = r"`{3}|~{3}|[-*+][ \t]|[0-9]{1,9}[.)][ \t]|[>|]"


def render(entry: Entry, *, blanks: bool = False) -> str:
    """The article's form, with a blank line between the fields so that they are paragraphs.

    Args:
        entry: its id may be empty, and then there is none.
        blanks: name what machines need even where it is empty, for a person to fill in.
    """
    title = re.sub(r"(^|[ \t])(\\*#+)$", r"\1\\\2", entry.title)
    attributes = {
        "id": entry.id,
        "severity": entry.severity,
        **{name: getattr(entry, name) for name in TIMES},
        "tags": ",".join(entry.tags),
        "links": ",".join(entry.links),
    }
    pairs = [
        f"{name}={value}"
        for name, value in attributes.items()
        if value or (blanks and name != "id")
    ]
    comment = f"<!-- incident {' '.join(pairs)} -->\n" if pairs else ""
    fields = [f"**{label}:**{_value(getattr(entry, name))}\n" for name, label in FIELDS.items()]
    heading = f"{'#' * LEVEL} Incident {entry.date}: {title}".rstrip(" ")
    return f"{heading}\n{comment}\n" + "\n".join(fields)


def parse(lines: Sequence[str]) -> Entry:
    """Read an entry.

    Args:
        lines: without endings; `INCIDENT` matches the first.
    """
    fields = _fields(lines[1:])

    def field(name: str) -> str:
        return "\n".join(fields.get(name, [])).strip(" \t\n")

    return head(lines)._replace(
        what=field("what"),
        why=field("why"),
        fix=field("fix"),
        caught=field("caught"),
        prevention=field("prevention"),
    )


def head(lines: Sequence[str]) -> Entry:
    """Read an entry but for its five fields, which take the longest and which a search does without.

    Args:
        lines: as for `parse`.
    """
    heading = INCIDENT.match(lines[0])
    if heading is None:
        raise ValueError(lines[0])
    attributes = _attributes(lines[1:])

    def attribute(name: str) -> str:
        return attributes.get(name, "")

    return Entry(
        date=heading[2],
        title=_title(heading[3]),
        severity=attribute("severity"),
        started=attribute("started"),
        detected=attribute("detected"),
        resolved=attribute("resolved"),
        tags=tuple(filter(None, attribute("tags").split(","))),
        links=tuple(filter(None, attribute("links").split(","))),
        id=attribute("id"),
    )


def _attributes(lines: Sequence[str]) -> dict[str, str]:
    """What the comment says, which stands first if there is one."""
    first = next((line for line in lines if line.strip(" \t")), "")
    comment = _COMMENT.match(first)
    return dict(pair.partition("=")[::2] for pair in comment[1].split()) if comment else {}


def _fields(lines: Sequence[str]) -> dict[str, list[str]]:
    """The lines of each field. A label that was there before is text, a heading ends them all."""
    fields: dict[str, list[str]] = {}
    text: list[str] = []  # of the field that we are in; before the first it goes nowhere
    outside = {index for index, _ in prose(lines)}
    for index, line in enumerate(lines):
        if index not in outside:
            text.append(line)
        elif "#" in line[:4] and HEADING.match(line):
            break
        elif (label := _label(line)) and label[0] not in fields:
            text = fields[label[0]] = [_plain(label[1])]
        else:
            text.append(_plain(line))
    return fields


def _plain(line: str) -> str:
    """A line without the backslash that `_escaped` gave it."""
    found = re.match(_ESCAPED, line) if "\\" in line else None
    return found[1] + line[found.end() :] if found else line


def field_of(line: str) -> str:
    """The name of the field whose label this line begins with, if any."""
    return (_label(line) or ("", ""))[0]


def _label(line: str) -> tuple[str, str] | None:
    """A field's name and what follows its label."""
    label = _LABEL.match(line) if "**" in line else None
    return (_LABELS[label[1].lower()], label[2]) if label else None


def _title(rest: str) -> str:
    """The rest of a heading without the `#` that may close it."""
    if "#" not in rest:
        return rest.strip(" \t")
    open_ended = re.sub(r"(^|[ \t])#+[ \t]*$", "", rest).strip(" \t")
    return re.sub(r"(^|[ \t])\\(\\*#+)$", r"\1\2", open_ended)


def _value(text: str) -> str:
    """What follows a label: on its line, or below it where the text begins with a list or the like."""
    if not text:
        return ""
    apart = "\n\n" if re.match(_BLOCK, text) else " "
    return apart + "\n".join(_escaped(text.split("\n")))


def _escaped(lines: list[str]) -> Iterator[str]:
    index = 0
    while index < len(lines):
        found = re.match(_TO_ESCAPE, lines[index])
        end = _end_of_code(lines, index)
        if end is not None:
            yield from lines[index : end + 1]
            index = end
        elif found:
            yield found[1] + "\\" + lines[index][found.end() :]
        else:
            yield lines[index]
        index += 1


def _end_of_code(lines: list[str], index: int) -> int | None:
    """Where a fence that opens here is closed, if all of it stands as far in as its opening.

    Otherwise a list item could end inside of it, and then what closes it would open another.
    """
    opening = FENCE.match(lines[index])
    end = closing(lines, index)
    if opening is None or end is None:
        return None
    inside = [line for line in lines[index + 1 : end + 1] if line.strip(" \t")]
    return end if all(line.startswith(opening[1]) for line in inside) else None
