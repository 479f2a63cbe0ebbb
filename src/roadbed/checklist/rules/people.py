"""RB5: what a person finds at 3 a.m."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

from roadbed.checklist.evidence import Place, failed, irrelevant, passed, unknown, warned
from roadbed.checklist.facts import documents
from roadbed.checklist.facts.alerts import runbook_links
from roadbed.checklist.rule import Item, Rule
from roadbed.checklist.rules.commands import RUNBOOK_COMMAND_BROKEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadbed.checklist.evidence import Evidence
    from roadbed.checklist.facts.documents import Document, Heading
    from roadbed.checklist.service import Service

FRESH = 90  # days

# RB501 ----------------------------------------------------------------------------------------

_PAGING = re.compile(r"\b(pag(e|ing|er)\b(?! (size|limit))|on.?call|escalat)", re.IGNORECASE)
_PLACEHOLDER = re.compile(
    r"\b(TODO|TBD|FIXME|XXX+)\b|\bexample\.(com|org|net)\b|<[a-z][\w .-]*>|\byour[- _](team|name|number|org)\b"
    r"|\b(nobody|no ?one) can be paged\b|\bto be (defined|decided)\b|\blorem ipsum\b",
    re.IGNORECASE,
)
_TARGET = re.compile(
    r"https?://[^\s)>\]]+\.[^\s)>\]]+|(?<![\w/])\+?\d[\d ()/.-]{5,}\d|(?<![\w@.])@[A-Za-z][\w./-]+"
    r"|(?<!\w)#[a-z][\w-]{2,}|[\w.+-]+@[\w-]+\.[\w.-]+|(?<!\w)/(pd|page|oncall|genie)\b",
    re.IGNORECASE,
)
_VERIFIED = re.compile(r"\bverified\b\D{0,20}(\d{4}-\d{2}-\d{2})", re.IGNORECASE)


def _paging_section(runbook: Document) -> Heading | None:
    return next((each for each in runbook.headings if _PAGING.search(each.text)), None)


def nobody_to_page(service: Service) -> Iterator[Evidence]:
    """The runbook says whom to page, and how."""
    runbook = service.document("RUNBOOK")
    if runbook is None:
        yield unknown("There is no RUNBOOK to say whom to page", subject="RUNBOOK")
        return
    heading = _paging_section(runbook)
    if heading is None:
        yield failed("RUNBOOK has no section about paging somebody", runbook, subject="paging")
        return
    section = runbook.section(heading)
    place = Place(runbook.path, heading.line)
    for line, text in section.items():
        if found := _PLACEHOLDER.search(text):
            yield failed(
                f"Whom to page is left open: “{found[0]}”",
                Place(runbook.path, line),
                subject="paging",
            )
            return
    targets = {
        line: found[0]
        for line, text in section.items()
        if (found := _TARGET.search(_no_dates(text)))
    }
    if not targets:
        yield failed("The section names no link, number or handle to page", place, subject="paging")
        return
    line, target = next(iter(targets.items()))
    yield passed(f"Somebody can be paged: {target}", Place(runbook.path, line), subject="paging")
    yield from _freshness(runbook, section, service.today)


def _no_dates(text: str) -> str:
    return re.sub(r"\d{4}-\d{2}-\d{2}", "", text)


def _freshness(runbook: Document, section: dict[int, str], today: date) -> Iterator[Evidence]:
    for line, text in section.items():
        if found := _VERIFIED.search(text):
            try:
                age = (today - date.fromisoformat(found[1])).days
            except ValueError:
                continue
            if age > FRESH:
                yield warned(
                    f"Paging was last tried {age} days ago, on {found[1]}: try it",
                    Place(runbook.path, line),
                    subject="verified",
                )


# RB502 ----------------------------------------------------------------------------------------

_SEVERE = {"page", "critical", "emergency", "p1"}


def dead_runbook_link(service: Service) -> Iterator[Evidence]:
    """What an alert links to is there."""
    rules = service.alerts
    if not rules.alerts:
        yield irrelevant("There are no alerts here")
        return
    linked = set()
    for alert, link, place in runbook_links(rules):
        linked.add(alert.name)
        yield _followed(service, alert.name, link, place)
    for alert in rules.alerts:
        if alert.name not in linked and alert.labels.get("severity", "").lower() in _SEVERE:
            yield warned(
                f"{alert.name} pages somebody and links to no runbook", alert, subject=alert.name
            )
    if not linked:
        yield irrelevant("No alert has a runbook_url")


def _followed(service: Service, name: str, link: str, place: Place) -> Evidence:
    address, _, anchor = link.strip().partition("#")
    file = re.search(r"[\w./-]+\.(md|markdown|rst)$", address)
    if file is None:
        return irrelevant(f"{name} links out of this repository, which is not followed", place)
    path = _inside(service, file[0])
    if path is None:
        foreign = "://" in address and "RUNBOOK" not in address.upper()
        say = irrelevant if foreign else failed
        return say(f"{name} links to {address.rpartition('/')[2]}, which is not here", place)
    if not anchor:
        return passed(f"{name} links to {path}", place, subject=name)
    document = documents.parse(path, service.tree.text(path))
    if anchor.lower() in document.anchors:
        return passed(f"{name} links to {path}#{anchor}", place, subject=name)
    return failed(
        f"{name} links to {path}#{anchor}, and no heading has that anchor", place, subject=name
    )


def _inside(service: Service, address: str) -> str | None:
    """The file of this repository that an address ends with: the longest such path."""
    parts = [part for part in address.split("/") if part not in {"", ".", ".."}]
    for begin in range(len(parts)):
        path = "/".join(parts[begin:])
        if path in service.tree.files:
            return path
    return None


# RB503 ----------------------------------------------------------------------------------------

_OPEN = re.compile(
    r"\b(TODO|TBD|FIXME)\b(?=\s*(:|$|\*|\|))|\b(?i:lorem ipsum)\b|<(your|insert|team|name)[^>]*>",
    re.MULTILINE,
)
_SHORTEST = 15  # words


def missing_document(service: Service) -> Iterator[Evidence]:
    """README, ARCHITECTURE and RUNBOOK are there, and say something."""
    for name in ("README", "ARCHITECTURE", "RUNBOOK"):
        path = service.document_path(name)
        if path is None:
            yield failed(f"There is no {name}.md", subject=name)
            continue
        document = documents.parse(path, service.tree.text(path))
        yield _told(document, name)


def _told(document: Document, name: str) -> Evidence:
    told = dict(document.prose)
    heading = _paging_section(document) if name == "RUNBOOK" else None
    if heading is not None:  # nobody-to-page looks at that one
        told = {line: text for line, text in told.items() if line not in document.section(heading)}
    words = sum(len(text.split()) for text in document.prose.values() if not text.startswith("#"))
    if words < _SHORTEST:
        return failed(f"{name} says next to nothing ({words} words)", document, subject=name)
    for line, text in told.items():
        plain = re.sub(r"`[^`]*`", "", text)
        if found := _OPEN.search(plain):
            return failed(
                f"{name} is not finished: “{found[0]}”", Place(document.path, line), subject=name
            )
    return passed(f"{name} has {words} words", document, subject=name)


RULES = (
    Rule(
        code="RB501",
        name="nobody-to-page",
        item=Item.PAGING,
        promise="RUNBOOK says whom to page and how: a link, a number or a handle.",
        why="An alert that reaches nobody is a log line.",
        how=(
            "The section of RUNBOOK whose heading speaks of paging, on-call or escalation: it holds a"
            " target and no placeholder. `verified: 2026-01-31` older than 90 days warns, and never"
            " fails."
        ),
        mistakes="Whether somebody answers there, nothing but trying can tell.",
        mend="Write the pager's link or the number there, try it, and note the day as `verified:`.",
        sources=("the article's checklist, item 7",),
        check=nobody_to_page,
    ),
    Rule(
        code="RB502",
        name="dead-runbook-link",
        item=Item.PAGING,
        promise="Every runbook_url of an alert leads to a heading that exists.",
        why="Who is paged follows that link first.",
        how="Alerts' annotations, and the anchors that GitHub gives headings. Other sites are not asked.",
        mistakes="Anchors of another renderer than GitHub's may differ.",
        mend="Name the heading as the anchor says, or the anchor as the heading does.",
        sources=("the article: “The runbook is the most important file in production”",),
        check=dead_runbook_link,
    ),
    Rule(
        code="RB503",
        name="missing-document",
        item=Item.DOCUMENTS,
        promise="README, ARCHITECTURE and RUNBOOK exist, say something, and hold no placeholder.",
        why="New people triage without asking when the three files answer.",
        how="At the top of the repository, or in docs/. What is in fences and code spans is not read.",
        mistakes="Under another name (OPERATIONS.md) a document is not found.",
        mend="Write it: what it does and how to run it; its parts and how they fail; what to do on call.",
        sources=("the article: “Every service gets three files”",),
        check=missing_document,
    ),
    RUNBOOK_COMMAND_BROKEN,
)
