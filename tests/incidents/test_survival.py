"""Incidents outlive new versions of the template that their runbook came from."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from histories import SMALL, build_file_tree, git_save
from runbooks import SECTION, entry

from roadbed.creation import Request, create
from roadbed.incidents.adding import add
from roadbed.incidents.runbook import END, START, Runbook
from roadbed.incidents.runbook import SECTION as HEADING

CHECKOUT = Path(__file__).parents[2]
RUNBOOK = "template/RUNBOOK.md.jinja"

FIRST = f"""\
# Runbook of {{{{ service_name }}}}

Primary: the owner.

## Slow or failing

1. Look at the log.

{SECTION}"""
REWRITTEN = f"""\
# {{{{ service_name }}}}: the runbook

For whoever is on call: what happened before is below.

## Not ready

Ask the database.

## Failing

1. Look at the traces.
2. Then at the log.

## Restore

From the backup.

{HEADING}

Write each one down.

{START}

{END}
"""


def render(template: Path, version: str, service: Path) -> None:
    """A service as the template's version makes it."""
    steps = ("lock", "commit", "install", "migrate", "test")
    left_out = dict.fromkeys(steps, "not needed here")
    create(Request("orders", service, template=str(template), ref=version, left_out=left_out))


def update(service: Path, template: Path, old: str, new: str) -> int:
    """Bring a service's runbook to a newer version as an update does; the number of conflicts.

    Three texts are merged: the service's, and what the old and the new version render.
    """
    scratch = service.parent / "versions"
    for version in (old, new):
        render(template, version, scratch / version / "orders")
    rendered = [str(scratch / version / "orders/RUNBOOK.md") for version in (old, new)]
    command = ["git", "merge-file", str(service / "RUNBOOK.md"), *rendered]
    return subprocess.run(command, check=False).returncode


def test_an_update_that_rewrites_every_other_section_keeps_them(tmp_path: Path) -> None:
    template = tmp_path / "template"
    build_file_tree(template, {**SMALL, RUNBOOK: FIRST})
    git_save(template, tag="v1.0.0")
    service = tmp_path / "orders"
    render(template, "v1.0.0", service)
    runbook = service / "RUNBOOK.md"
    for day in ("2025-06-14", "2025-06-16", "2025-06-15"):
        add(runbook, entry(date=day))
    before = Runbook(runbook.read_text()).incidents

    build_file_tree(template, {RUNBOOK: REWRITTEN})
    git_save(template, tag="v2.0.0")
    assert update(service, template, "v1.0.0", "v2.0.0") == 0

    text = runbook.read_text()
    after = Runbook(text).incidents
    assert [it.entry for it in after] == [it.entry for it in before]
    assert text.startswith(REWRITTEN.replace("{{ service_name }}", "orders").partition(START)[0])
    assert text.endswith(f"\n\n{END}\n")
    add(runbook, entry(date="2025-06-17"))
    assert len(Runbook(runbook.read_text()).incidents) == len(before) + 1


@pytest.mark.parametrize("document", ["template/RUNBOOK.md.jinja", "RUNBOOK.md"])
def test_the_section_is_the_last_and_its_markers_are_bare(document: str) -> None:
    text = (CHECKOUT / document).read_text("utf-8")
    last = text[text.rindex("\n## ") + 1 :]
    assert last.startswith(f"{HEADING}\n")
    assert last.endswith(f"\n\n{START}\n\n{END}\n")
    assert Runbook(text).markers is not None
