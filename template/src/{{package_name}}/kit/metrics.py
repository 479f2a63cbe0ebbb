"""Metrics for Prometheus. Served by `serve` on a port of their own, summed over its workers."""

import asyncio
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client import start_http_server as listen
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

log = logging.getLogger(__name__)

# Each at most 1.5 times the one before: with coarser ones, a p95 that doubles stays unseen.
BUCKETS = (
    0.005, 0.0075, 0.011, 0.016, 0.024, 0.036, 0.054, 0.08, 0.12, 0.18,
    0.26, 0.38, 0.56, 0.84, 1.25, 1.8, 2.7, 4.0, 6.0, 8.0, 10.0,
)  # fmt: skip
EVERY = 1.0  # seconds between two looks at what the process counts by itself

REQUESTS = Counter("http_requests", "Answers.", ["method", "route", "status"])
DURATION = Histogram(
    "http_request_duration_seconds",
    "From the first byte of a request to the last one of its answer.",
    ["method", "route"],
    buckets=BUCKETS,
)


def _gauge(name: str, what: str) -> Gauge:
    return Gauge(name, what, multiprocess_mode="livesum")


IN_FLIGHT = _gauge("http_requests_in_flight", "Requests that are being answered.")
READY = _gauge("ready", "Processes that take requests.")
IN_USE = _gauge("database_connections_in_use", "Connections that requests hold.")
WAITING = _gauge("database_connections_waiting", "Requests that wait for a connection.")
LIMIT = _gauge("database_connections_limit", "Connections that may be held at once.")
INFO = Gauge(
    "service_info",
    "The version of the service and of the template that it was last updated to.",
    ["service", "version", "template_version"],
    multiprocess_mode="livemax",
)
IDEMPOTENCY = Counter("idempotency_outcomes", "Requests with an Idempotency-Key.", ["outcome"])
RATE_LIMIT = Counter("rate_limit_decisions", "Looks at a limit.", ["policy", "decision"])
OUTGOING = Counter("outgoing_requests", "Calls to other services.", ["host", "outcome"])
OUTGOING_SECONDS = Counter("outgoing_request_seconds", "Time spent in those calls.", ["host"])


def template_version() -> str:
    """What the service was last updated to, as far as the working directory knows."""
    with suppress(OSError):
        answers = Path(".copier-answers.yml").read_text(encoding="utf-8")
        if found := re.search(r"^_commit: *['\"]?([^'\"\n]+)", answers, re.MULTILINE):
            return found[1].strip()
    return "unknown"


class Sampler:
    """Tells Prometheus, once a second, what the parts of this process count for themselves."""

    def __init__(self) -> None:
        self._gauges: list[tuple[Gauge, Callable[[], float]]] = []
        self._counters: list[tuple[Counter, Mapping[Any, float]]] = []
        self._told: dict[tuple[Counter, tuple[str, ...]], float] = {}

    def show(self, gauge: Gauge, value: Callable[[], float]) -> None:
        """Let `gauge` show what `value` returns."""
        self._gauges.append((gauge, value))

    def count(
        self, counter: Counter, counted: Mapping[str, float] | Mapping[tuple[str, str], float]
    ) -> None:
        """Let `counter` follow what is counted: sums that only grow, by the counter's labels."""
        self._counters.append((counter, counted))

    def sample(self) -> None:
        """Look once."""
        for gauge, value in self._gauges:
            gauge.set(value())
        for counter, counted in self._counters:
            for key, total in list(counted.items()):
                labels = (key,) if isinstance(key, str) else key
                counter.labels(*labels).inc(total - self._told.get((counter, labels), 0))
                self._told[counter, labels] = total

    @contextmanager
    def running(self) -> Iterator[None]:
        """Look every second, and once at the end."""

        async def run() -> None:
            while True:
                self.sample()
                await asyncio.sleep(EVERY)

        task = asyncio.create_task(run())
        try:
            yield
        finally:
            task.cancel()
            self.sample()


@contextmanager
def served(host: str, port: int, *, processes: int = 1) -> Iterator[None]:
    """Serve `/metrics` in a thread; 0 serves none. With several processes, those made inside."""
    if port == 0:
        yield
    elif processes == 1:
        with _listening(host, port, REGISTRY):
            yield
    else:
        with TemporaryDirectory(prefix="metrics-") as folder:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
            registry = CollectorRegistry()
            registry.register(_Workers(folder))
            with _listening(host, port, registry):
                yield


@contextmanager
def _listening(host: str, port: int, registry: CollectorRegistry) -> Iterator[None]:
    try:
        server, _ = listen(port, host, registry)
    except OSError as error:
        # Requests matter more than numbers; nobody who can't be scraped stays unnoticed.
        log.warning("no metrics: METRICS_PORT %s can't be had: %s", port, error.strerror)
        yield
        return
    yield
    server.shutdown()


class _Workers(Collector):
    """What all workers counted, without the gauges of those that died."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._files = MultiProcessCollector(None, folder)  # type: ignore[no-untyped-call]

    def collect(self) -> Iterable[Metric]:
        for file in Path(self._folder).glob("gauge_live*_*.db"):
            pid = int(file.stem.rpartition("_")[2])
            if not _runs(pid):
                mark_process_dead(pid, self._folder)  # type: ignore[no-untyped-call]
        found: Iterable[Metric] = self._files.collect()  # type: ignore[no-untyped-call]
        return found


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
