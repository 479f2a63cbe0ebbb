"""What would be added to a service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roadbed.adding.writing import Change
    from roadbed.service import Service

# What is to be done with what was added: promised, drawn, tried, kept.
NEXT = ("make contract accept=1", "make documents", "make test", "git add --all && git commit")


@dataclass(frozen=True)
class Plan:
    """What would be added to a service.

    Attributes:
        service: the service.
        changes: its files.
        warnings: a sentence or two each.
    """

    service: Service
    changes: list[Change]
    warnings: list[str]
