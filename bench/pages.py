"""Page latency at depth, OFFSET against keyset: in SQL, and through the endpoint.

In a generated service's own table, on its own PostgreSQL. BENCH_ROWS sets the size: depths that
the table does not reach are left out, and so are their goals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.generated import run_inside

if TYPE_CHECKING:
    from bench.results import Result


def run() -> Result:
    """Measure and report."""
    return run_inside("pages")
