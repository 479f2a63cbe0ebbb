"""Incidents outlive new versions of the template that their runbook came from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from histories import SMALL, build_file_tree, git_save, made
from runbooks import SECTION, entry

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


def update(service: Path) -> subprocess.CompletedProcess[str]:
    """Bring a service to the newest version."""
    command = [sys.executable, "-m", "roadbed", "update", "--no-verify"]
    return subprocess.run(command, cwd=service, check=False, capture_output=True, text=True)


def test_an_update_that_rewrites_every_other_section_keeps_them(tmp_path: Path) -> None:
    template = tmp_path / "template"
    build_file_tree(template, {**SMALL, RUNBOOK: FIRST})
    git_save(template, tag="v1.0.0")
    service = made(template, tmp_path / "orders")
    runbook = service / "RUNBOOK.md"
    for day in ("2025-06-14", "2025-06-16", "2025-06-15"):
        add(runbook, entry(date=day))
    git_save(service, "What happened")
    before = Runbook(runbook.read_text()).incidents

    build_file_tree(template, {RUNBOOK: REWRITTEN})
    git_save(template, tag="v2.0.0")
    done = update(service)
    assert done.returncode == 0, done.stderr

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
