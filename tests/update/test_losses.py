"""Ours and `copier update` on the cases in which work gets lost: what each of them does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from losses import CASES, Case, by_copier, by_roadbed

if TYPE_CHECKING:
    from pathlib import Path

each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@each
def test_ours_loses_nothing_and_reports_every_conflict(case: Case, tmp_path: Path) -> None:
    service = case.make(tmp_path)
    code, said = by_roadbed(service)
    assert case.fate(service, code, said) == case.ours
    assert "LOST" not in case.ours
    assert "unsaid" not in case.ours
    assert case.mine(service)


@each
def test_copiers_does_what_it_does(case: Case, tmp_path: Path) -> None:
    service = case.make(tmp_path)
    code, said = by_copier(service)
    assert case.fate(service, code, said) == case.theirs
