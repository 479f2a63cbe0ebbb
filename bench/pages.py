"""Page latency at depth, OFFSET against keyset: in SQL, and through the endpoint.

In a generated service's own table, on its own PostgreSQL. BENCH_ROWS sets the size: depths that
the table does not reach are left out, and so are their goals.
"""

from __future__ import annotations

from bench.generated import run_inside


def run() -> bool:
    """Measure, report, and say whether the goals are met."""
    return run_inside("pages")
