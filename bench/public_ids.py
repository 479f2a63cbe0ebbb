"""What random public ids (UUID v4) cost against ones in the order of time (v7), and what they hide.

Bulk insert time, index size and WAL bytes, in a generated service's own table. There is no goal:
v7 tells everybody when a row was made, and this is what hiding it costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.generated import run_inside

if TYPE_CHECKING:
    from bench.results import Result


def run() -> Result:
    """Measure and report."""
    return run_inside("public_ids")
