"""Runbooks and entries for tests: the article's own, and any that Hypothesis can think of."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from roadbed.incidents.entry import FIELDS, TIMES, Entry
from roadbed.incidents.given import tidied
from roadbed.incidents.runbook import END, START

# The article's own incident, in its words.
ARTICLE: dict[str, Any] = {
    "date": "2025-06-15",
    "title": "Search timeouts",
    "what": "Search API p99 rose to 8s",
    "why": "Wildcard queries missing index hints",
    "fix": "Added pg_trgm indexes + gin indices",
    "caught": "Slow query log at 1s threshold",
    "prevention": "Query planner tests in CI",
}

SECTION = f"## Incidents\n\n{START}\n\n{END}\n"
EMPTY = f"# Runbook of orders\n\nPage the owner.\n\n{SECTION}"


def given(**changes: Any) -> dict[str, Any]:
    """What the article gives, but for `changes`."""
    return ARTICLE | changes


def entry(**changes: Any) -> Entry:
    """The article's entry, but for `changes`, with its id."""
    made = tidied(given(**changes))
    return made if made.id else made._replace(id=made.own_id)


# Lines that mean something to Markdown, to git or to us.
TRAPS = [
    *(
        START,
        END,
        f"{START} prose",
        f" {END}",
        f"> {START}",
        f"`{START}`",
        "<!-- incident id=x -->",
    ),
    *(
        "### Incident 2025-06-15: Search timeouts",
        "# Incident 2024-01-01: x",
        "## Incidents",
        "#",
        "#x",
    ),
    *("**Why:** because", "**why**: because", "**Fix:**", "\\**Fix:**", "\\\\### x", "\\", "\\```"),
    *(
        "```",
        "~~~",
        "````",
        "``` sql",
        "```a`b",
        "  ```",
        "   ~~~",
        "    ```",
        "\t```",
        "- ```",
        "> ~~~",
    ),
    *(
        "---",
        "===",
        "- - -",
        "***",
        "-",
        "=",
        "| a | b |",
        "|---|---|",
        "- a",
        "1. b",
        "  - c",
        "> d",
    ),
    *(
        "<!-- open",
        "-->",
        "<pre>",
        "</pre>",
        "<script>",
        "<div>",
        "<?php",
        "<![CDATA[",
        "<x@y>",
        "<B>",
    ),
    *(
        "<<<<<<< HEAD",
        "=======",
        ">>>>>>> other",
        "||||||| base",
        "<<<<<<<",
        "[a]: b",
        "[a]:",
        "a  ",
    ),
    *(
        "U+2028:\u2028### x",
        "NEL\u0085",
        "\u00a0x",
        "\ufeffx",
        "Größe",
        "日本",
        "🔥",
        "",
        " ",
        "\t",
        "p99",
    ),
]
_LETTERS = st.characters(exclude_categories=["Cs", "Cc"])
_LINES = st.sampled_from(TRAPS) | st.text(_LETTERS, max_size=12)
TEXTS = st.lists(_LINES, max_size=7).map("\n".join)
_WORDS = st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=6)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    """Any entry that was given to `add`, whatever its fields hold."""
    days = st.dates().map(str).filter(lambda day: len(day) == len("2025-06-15"))
    titles = (_LINES | TEXTS).filter(lambda text: text.strip(" \t\n") != "")
    made: dict[str, Any] = {"date": draw(days), "title": draw(titles)}
    made |= {name: draw(TEXTS) for name in FIELDS}
    made |= {"severity": draw(st.sampled_from(["", "0", "5", "SEV-2"]))}
    made |= {name: draw(st.sampled_from(["", "14:02", "2025-06-15T14:02+02:00"])) for name in TIMES}
    made |= {name: draw(st.lists(_WORDS, max_size=3)) for name in ("tags", "links")}
    tidy = tidied(made)
    return tidy._replace(id=draw(st.sampled_from([tidy.own_id, "renamed-since"])))


# Blocks that are closed where they end: whatever follows them is Markdown again.
_BLOCKS = st.sampled_from(
    [
        *(
            "# Runbook",
            "## Slow or failing",
            "Text\nover lines  ",
            "- a\n  - b\n\n      code",
            "Title\n---",
        ),
        *(
            f"```\n{START}\n### Incident 2025-01-01: x\n```",
            f"~~~md\n{END}\n```\n~~~",
            "    ```\n    x",
        ),
        *(
            f"> {START}\n> ```",
            f"- {END}",
            f"`{START}`",
            f"{START} prose",
            f"text {END}",
            "a\u2028b\x0c",
        ),
        *(
            "| a |\n|---|\n| b |",
            "<div>\n\n</div>",
            "<!-- closed -->",
            "1. x\n   ```\n   y\n   ```",
            "\ttab",
        ),
        *(
            "# Incident 2024-02-03: Of long ago\n**What happened:** x\n**Why:** y",
            "[a]: b",
            "\u00a0",
            "",
        ),
    ]
)
_HELD = st.sampled_from(
    [
        "### Incident 2025-07-01: Newer\n\n**Why:** x",
        "# Incident 2025-05-01: Older\n**What happened:** a\n**Why:** b\n\n#### Timeline\n\n- 14:02 x",
        "### Incident 2025-06-15: Search timeouts\n<!-- incident id=kept tags=a -->\n\n**Fix:** c",
        "Prose between them.",
        f"```\n{END}\n```",
    ]
)


@st.composite
def runbooks(draw: st.DrawFn) -> str:
    """Any runbook with valid markers, in any line ending, with or without one at the end."""
    above = draw(st.lists(_BLOCKS, max_size=4))
    held = draw(st.lists(_HELD, max_size=3, unique=True))
    below = draw(st.lists(_BLOCKS, max_size=2))
    apart = draw(st.sampled_from(["\n\n", "\n\n\n"]))
    inside = draw(st.sampled_from(["\n", "\n\n"])) if not held else "\n\n"
    text = apart.join([*above, "## Incidents", inside.join([START, *held, END]), *below])
    ending = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    return text.replace("\n", ending) + draw(st.sampled_from(["", ending, ending * 2]))
