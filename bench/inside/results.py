"""What was measured, as JSON, beside the other benchmarks' results."""

from __future__ import annotations

import json
import os
import platform
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from bench.harness import RESULTS

if TYPE_CHECKING:
    from bench.harness import Measurement


def save(benchmark: str, measurements: list[Measurement], **facts: object) -> None:
    """Write a benchmark's result."""
    RESULTS.mkdir(exist_ok=True)
    machine = {
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "python": sys.version.split()[0],
        "system": platform.platform(),
    }
    result = {"measurements": [asdict(each) for each in measurements], "machine": machine, **facts}
    (RESULTS / f"{benchmark}.json").write_text(json.dumps(result, indent=2) + "\n")
