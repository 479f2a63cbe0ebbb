"""Where incidents are in a runbook, and the same text with one more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from runbooks import EMPTY, SECTION, TRAPS, entries, entry, runbooks

from roadbed.errors import RoadbedError
from roadbed.incidents.notation import render
from roadbed.incidents.runbook import END, START, Insertion, Runbook

if TYPE_CHECKING:
    from roadbed.incidents.entry import Entry


def added(text: str, new: Entry) -> Insertion:
    runbook = Runbook(text)
    return runbook.with_entry(new._replace(id=runbook.free_id(new)))


def titles(text: str) -> list[str]:
    return [incident.entry.title for incident in Runbook(text).incidents]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(runbooks(), entries())
def test_any_runbook_takes_any_entry_and_gives_its_bytes_back(text: str, new: Entry) -> None:
    made = added(text, new)
    assert made.text[made.at :].startswith(made.block)
    assert made.text[: made.at] + made.text[made.at + len(made.block) :] == text
    before, after = Runbook(text).incidents, Runbook(made.text).incidents
    assert len(after) == len(before) + 1
    (there,) = [it for it in after if it.line == made.line]
    assert there.entry._replace(id="") == new._replace(id="")
    assert [it.entry for it in after if it is not there] == [it.entry for it in before]


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from(TRAPS), max_size=12), entries())
def test_any_text_at_all_is_refused_or_keeps_its_bytes(lines: list[str], new: Entry) -> None:
    text = "\n".join(lines)
    try:
        made = added(text, new)
    except RoadbedError:
        return
    assert made.text[: made.at] + made.text[made.at + len(made.block) :] == text
    assert new._replace(id="") in [it.entry._replace(id="") for it in Runbook(made.text).incidents]


@settings(max_examples=30, deadline=None)
@given(runbooks(), entries(), entries())
def test_a_second_one_goes_in_as_well(text: str, first: Entry, second: Entry) -> None:
    assume(not first.says_the_same_as(second))
    once = added(text, first)
    twice = added(once.text, second)
    assert len(Runbook(twice.text).incidents) == len(Runbook(text).incidents) + 2
    ids = [it.entry.id for it in Runbook(twice.text).incidents if it.entry.id]
    assert len(ids) == len(set(ids))


def test_the_newest_is_first() -> None:
    text = EMPTY
    for day in ("2025-06-15", "2025-06-17", "2025-06-14", "2025-06-16", "2025-06-15"):
        text = added(text, entry(date=day, title=f"of {day}")).text
    assert [it.id for it in Runbook(text).incidents] == [
        "2025-06-17-of-2025-06-17",
        "2025-06-16-of-2025-06-16",
        "2025-06-15-of-2025-06-15-2",
        "2025-06-15-of-2025-06-15",
        "2025-06-14-of-2025-06-14",
    ]
    assert text.startswith(EMPTY[: EMPTY.index(END)])
    assert text.endswith(f"\n\n{END}\n")
    assert "\n\n\n" not in text


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_the_entry_has_the_files_line_ending(ending: str) -> None:
    made = added(EMPTY.replace("\n", ending), entry(what="a\nb"))
    assert made.block == render(entry(what="a\nb")).replace("\n", ending) + ending
    assert made.line == 9


def test_it_stands_where_an_editor_goes() -> None:
    made = added(EMPTY, entry())
    assert made.text.split("\n")[made.line - 1] == "### Incident 2025-06-15: Search timeouts"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", f"## Incidents\n\n{START}\n\n@\n{END}\n"),
        ("# R", f"# R\n\n## Incidents\n\n{START}\n\n@\n{END}\n"),
        ("# R\n\n", f"# R\n\n## Incidents\n\n{START}\n\n@\n{END}\n"),
        ("# R\r\n", f"# R\r\n\r\n## Incidents\r\n\r\n{START}\r\n\r\n@\r\n{END}\r\n"),
        ("## Incidents", f"## Incidents\n\n{START}\n\n@\n{END}\n"),
        ("## Incidents\n\nText\n", f"## Incidents\n\n{START}\n\n@\n{END}\n\nText\n"),
        ("## Incidents ##\nText\n", f"## Incidents ##\n\n{START}\n\n@\n{END}\n\nText\n"),
    ],
)
def test_without_markers_a_section_is_made(text: str, expected: str) -> None:
    made = added(text, entry())
    assert made.new_section
    ending = "\r\n" if "\r" in text else "\n"
    assert made.text == expected.replace(
        "@", render(entry()).rstrip("\n").replace("\n", ending) + ending
    )
    assert not added(made.text, entry(title="Another")).new_section


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"{START}\n", f"has no line “{END}”"),
        (f"{END}\n", f"has no line “{START}”"),
        (f"{START}\n{START}\n", f"has no line “{END}”"),
        (f"{END}\n{START}\n", "more than one pair of incident markers, or one upside down"),
        (f"{SECTION}\n{SECTION}", "more than one pair"),
        (f"{START}\n{START}\n{END}\n", "more than one pair"),
        (f"{START} newest first\n{END}\n", f"has no line “{START}”"),
        (f"<pre>\n\n{SECTION}", "inside of other markup"),
        (f"<!-- hidden\n{SECTION}", "inside of other markup"),
        ("```\nnever closed\n", "inside of other markup"),
        ("- x\n\n<script>\n", "inside of other markup"),
    ],
)
def test_an_ambiguous_place_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(RoadbedError, match=sentence):
        added(text, entry())


def test_headings_of_the_runbook_end_an_entry_and_deeper_ones_do_not() -> None:
    text = (
        "# Incident 2025-06-15: One\n**Why:** a\n\n#### Timeline\n- 14:02\n\n"
        "### Incident 2025-06-14: Two\n**Why:** b\n\n## Restore\nPurge\n"
        "```\n### Incident 2025-06-13: In code\n```\n"
    )
    one, two = Runbook(text).incidents
    assert (one.line, one.end, one.lines[-1]) == (1, 5, "- 14:02")
    assert (two.line, two.end, two.lines[-1]) == (7, 8, "**Why:** b")


def test_ids_are_what_is_written_and_else_what_date_and_title_give() -> None:
    text = (
        "### Incident 2025-06-15: Größe: 5 %\n\n"
        "### Incident 2025-06-14: New name\n<!-- incident id=2025-06-14-old-name -->\n\n"
        f"### Incident 2025-06-13: !!!\n\n### Incident 2025-06-12: {'long word ' * 9}\n"
    )
    assert [it.id for it in Runbook(text).incidents] == [
        "2025-06-15-größe-5",
        "2025-06-14-old-name",
        "2025-06-13",
        "2025-06-12-long-word-long-word-long-word-long-word-long-word-long-word",
    ]
