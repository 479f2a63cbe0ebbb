"""Texts that entries come from: JSON, Markdown, and drafts to fill in."""

from __future__ import annotations

import json

from roadbed.errors import RoadbedError
from roadbed.incidents.entry import FIELDS, Entry
from roadbed.incidents.given import SEVERAL, Given, tidied
from roadbed.incidents.notation import render
from roadbed.incidents.runbook import Runbook
from roadbed.incidents.storage import MARK

# What a draft tells the person who fills it in; gone when it is read.
_INTRODUCTION = """\
<!-- One incident. Fill it in, save it and leave the editor; leave it as it is to add nothing.
     A field may have several lines. severity: 0 (worst) to 5; times: UTC; tags and links: a,b -->

"""
_HINTS = {
    "what": "<!-- what people saw, with numbers -->",
    "why": "<!-- what let it happen; not who -->",
    "fix": "<!-- what ended it -->",
    "caught": "<!-- an alert, a customer, luck? -->",
    "prevention": "<!-- the test, alert or rule that catches it next time -->",
}


def draft_of(given: Given) -> str:
    """Markdown to fill in, with what is given."""
    text = render(tidied(given), blanks=True)
    for name, hint in _HINTS.items():
        text = text.replace(f"**{FIELDS[name]}:**\n", f"**{FIELDS[name]}:** {hint}\n")
    return _INTRODUCTION + text


def from_text(text: str, name: str) -> Given:
    """Read JSON or Markdown.

    Args:
        text: an object with the names of an entry's fields, or one entry in the article's form.
        name: of where it comes from, for errors.

    Raises:
        RoadbedError: it is neither.
    """
    text = text.removeprefix(MARK)
    return _from_json(text, name) if text.lstrip()[:1] == "{" else _from_markdown(text, name)


def _from_json(text: str, name: str) -> Given:
    try:
        read: Given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RoadbedError(f"{name} is no JSON: {error}.", "Mend it, and try again.") from error
    known = Entry._fields
    given: Given = {}
    for key, value in read.items():
        if key not in known:
            raise RoadbedError(
                f"{name} has “{key}”, which no incident has.", f"The names are {', '.join(known)}."
            )
        several = key in SEVERAL
        texts = value if several and isinstance(value, list) else [value]
        if key == "severity" and type(value) is int:
            texts = [str(value)]
        if value is None:
            continue
        if isinstance(value, list) != several or not all(isinstance(text, str) for text in texts):
            kind = "a list of texts" if several else "a text"
            raise RoadbedError(f"“{key}” in {name} is not {kind}.", "Mend it, and try again.")
        given[key] = texts if several else texts[0]
    return given


def _from_markdown(text: str, name: str) -> Given:
    for hint in (_INTRODUCTION.strip(), *_HINTS.values()):
        text = text.replace(hint, "")
    found = Runbook(text, name).incidents
    if len(found) != 1:
        held = f"{len(found)} incidents" if found else "no incident"
        raise RoadbedError(
            f"{name} holds {held}, and one is added at a time.",
            "An incident begins with a line “### Incident YYYY-MM-DD: title”.",
        )
    return {key: value for key, value in found[0].entry._asdict().items() if value}
