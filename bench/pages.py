"""Page latency at depth, OFFSET against keyset: in SQL, and through the endpoint.

Through the endpoint also as sqlakeyset and fastapi-pagination make pages: by cursor, and by OFFSET
with the count that fastapi-pagination makes by default. The same application, caller and query, so
that only the paging differs.

In a generated service's own table, on its own PostgreSQL. BENCH_ROWS sets the size: depths that
the table does not reach are left out, and so are their goals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.generated import run_inside

if TYPE_CHECKING:
    from bench.results import Result

LIBRARIES = ("sqlakeyset==2.0.1787969905", "fastapi-pagination==0.16.1")


def run() -> Result:
    """Measure and report."""
    return run_inside("pages", LIBRARIES)
