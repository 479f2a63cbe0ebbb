"""What would be added to a service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roadbed.adding.writing import Change
    from roadbed.service import Service


@dataclass(frozen=True)
class Plan:
    """What would be added to a service.

    Attributes:
        service: the service.
        changes: its files.
        next: commands that come after.
        warnings: a sentence or two each.
    """

    service: Service
    changes: list[Change]
    next: list[str]
    warnings: list[str]
