"""An entry as Markdown, and back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from markdown_it import MarkdownIt
from runbooks import ARTICLE, entries, entry

from roadbed.incidents.entry import FIELDS, Entry
from roadbed.incidents.notation import parse, render

IN_THE_ARTICLE = """\
# Incident 2025-06-15: Search timeouts
**What happened:** Search API p99 rose to 8s
**Why:** Wildcard queries missing index hints
**Fix:** Added pg_trgm indexes + gin indices
**How we caught:** Slow query log at 1s threshold
**Prevention:** Query planner tests in CI
"""


def read(text: str) -> Entry:
    return parse(text.splitlines())


def test_the_articles_own_form_is_read() -> None:
    assert read(IN_THE_ARTICLE) == Entry(**ARTICLE)


def test_it_is_written_so_that_each_field_is_a_paragraph() -> None:
    made = entry(severity="2", started="14:02", tags=["search", "Database"], links=["http://x/a,b"])
    comment = (
        "<!-- incident id=2025-06-15-search-timeouts severity=2 started=2025-06-15T14:02Z"
        " tags=search,database links=http://x/a%2Cb -->"
    )
    fields = [f"**{label}:** {ARTICLE[name]}" for name, label in FIELDS.items()]
    heading = "### Incident 2025-06-15: Search timeouts"
    assert render(made) == "\n\n".join([f"{heading}\n{comment}", *fields]) + "\n"
    paragraphs = [
        t for t in MarkdownIt("commonmark").parse(render(made)) if t.type == "paragraph_open"
    ]
    assert len(paragraphs) == len(FIELDS)


@settings(max_examples=100, deadline=None)
@given(entries())
def test_what_was_written_is_what_is_read(made: Entry) -> None:
    assert parse(render(made).split("\n")) == made


@settings(max_examples=60, deadline=None)
@given(entries())
def test_nothing_in_a_field_is_taken_for_structure(made: Entry) -> None:
    """A whole Markdown parser sees one heading, the comment, and nothing that swallows the end."""
    tokens = MarkdownIt("commonmark").parse(render(made) + "\nThe end.\n")
    outer = [token for token in tokens if token.level == 0]
    assert [t.markup for t in outer if t.type == "heading_open"] == ["###"]
    assert [t.content[:13] for t in outer if t.type == "html_block"][:1] == ["<!-- incident"]
    last = next(t for t in reversed(tokens) if t.type == "inline")
    assert last.content == "The end."
    assert last.level == 1


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a\n### x", "**Fix:** a\n\\### x"),
        ("a\n**Why:** x", "**Fix:** a\n\\**Why:** x"),
        ("a\n<!-- incidents:end -->", "**Fix:** a\n\\<!-- incidents:end -->"),
        ("a\n```\nopen", "**Fix:** a\n\\```\nopen"),
        ("a\n---", "**Fix:** a\n\\---"),
        ("a\n=======", "**Fix:** a\n\\======="),
        ("a\n\\### x", "**Fix:** a\n\\\\### x"),
        ("a\n    ### x", "**Fix:** a\n    ### x"),
        ("```sql\n### x\n```", "**Fix:**\n\n```sql\n### x\n```"),
        ("- a\n- b", "**Fix:**\n\n- a\n- b"),
        ("- a\n  ```\nb\n```", "**Fix:**\n\n- a\n  \\```\nb\n\\```"),
        ("C# is #1", "**Fix:** C# is #1"),
        ("", "**Fix:**"),
    ],
)
def test_what_would_be_structure_gets_a_backslash(text: str, written: str) -> None:
    rendered = render(entry(fix=text))
    assert f"\n\n{written}\n\n**How we caught:**" in rendered
    assert read(rendered).fix == text


@pytest.mark.parametrize(
    "title", ["C#", "a #", "#", "\\#", "a \\##", "a # b", "### x", "a: b", "`x`"]
)
def test_a_title_keeps_its_signs(title: str) -> None:
    assert read(render(entry(title=title))).title == title


def test_reading_forgives() -> None:
    text = """\
   ## Incident   2025-06-15:  Closed heading  ##

<!--  incident  severity=2  owner=nobody id -->
Some prose.
**why**: lower case
   **FIX:**
over

lines
**Fix:** once more
```
**Prevention:** in code
```
**Prevention:** real
#### Timeline
**What happened:** not a field any more
"""
    made = read(text)
    assert made == Entry(
        date="2025-06-15",
        title="Closed heading",
        why="lower case",
        fix="over\n\nlines\n**Fix:** once more\n```\n**Prevention:** in code\n```",
        prevention="real",
        severity="2",
    )
