"""All Python files of a service: each parsed once, read by every collector, on every core."""

from __future__ import annotations

import ast
import gc
import os
import signal
import sys
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from roadbed.checklist.evidence import Place
from roadbed.checklist.facts import calls, histograms, pools, queries, routes, sql, tables
from roadbed.checklist.facts.module import Module

if TYPE_CHECKING:
    from collections.abc import Iterable

    from roadbed.checklist.facts.calls import OutgoingCall
    from roadbed.checklist.facts.histograms import Histogram
    from roadbed.checklist.facts.pools import Pool, Setting
    from roadbed.checklist.facts.queries import Query
    from roadbed.checklist.facts.routes import Route
    from roadbed.checklist.facts.sql import Sql
    from roadbed.checklist.facts.tables import ModelClass, TableChange
    from roadbed.checklist.tree import Tree

# Less than this is read sooner than a second process starts.
WORTH_A_PROCESS = 1_500_000  # bytes


@dataclass
class Facts:
    """What one Python file says.

    Attributes:
        error: why it can't be parsed, and its line.
        sets_default_timeout: it calls `socket.setdefaulttimeout`.
        imported: the packages that it imports, by their first name.
        buckets: its constants that may be a histogram's buckets.
    """

    path: str
    error: tuple[int, str] | None = None
    calls: list[OutgoingCall] = field(default_factory=list)
    sets_default_timeout: bool = False
    sql: list[Sql] = field(default_factory=list)
    queries: list[Query] = field(default_factory=list)
    routes: list[Route] = field(default_factory=list)
    models: list[ModelClass] = field(default_factory=list)
    changes: list[TableChange] = field(default_factory=list)
    pools: list[Pool] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)
    histograms: list[Histogram] = field(default_factory=list)
    buckets: dict[str, tuple[float, ...]] = field(default_factory=dict)
    imported: frozenset[str] = frozenset()


def read(path: str, source: bytes) -> Facts:
    """The facts of one file; its error, where it is no Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the service's own code: not ours to tell
            tree = ast.parse(source)
        return _facts(Module(path, tree))
    except SyntaxError as error:
        return Facts(path, error=(error.lineno or 0, error.msg))
    except (ValueError, RecursionError, MemoryError) as error:
        return Facts(path, error=(0, str(error) or type(error).__name__))


def _facts(module: Module) -> Facts:
    pieces = sql.collect(module)
    return Facts(
        module.path,
        calls=calls.collect(module),
        sets_default_timeout=calls.sets_default_timeout(module),
        sql=pieces,
        queries=queries.collect(module),
        routes=routes.collect(module),
        models=tables.models(module),
        changes=tables.changes(module) + [each for one in pieces for each in tables.from_sql(one)],
        pools=pools.collect(module),
        settings=pools.settings(module),
        histograms=histograms.collect(module),
        buckets=histograms.number_tuples(module),
        imported=frozenset(name.partition(".")[0] for name in module.imports.values()),
    )


def read_all(tree: Tree, paths: Iterable[str]) -> list[Facts]:
    """The facts of many files, in their order. What can't be parsed becomes the tree's problem."""
    sources = [(path, tree.data(path)) for path in paths]
    collecting = gc.isenabled()
    gc.disable()  # a syntax tree has cycles only while it lives; looking for them takes a third
    try:
        found = _on_every_core(sources)
    finally:
        if collecting:
            gc.enable()
    for facts in found:
        if facts.error:
            line, why = facts.error
            python = f"Python {sys.version_info[0]}.{sys.version_info[1]}"
            tree.problem(Place(facts.path, line), f"is no {python}: {why}")
    return found


def _on_every_core(sources: list[tuple[str, bytes]]) -> list[Facts]:
    size = sum(len(source) for _, source in sources)
    cores = min(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1, 8)
    if size < WORTH_A_PROCESS or cores == 1 or not hasattr(os, "fork"):
        return [read(*each) for each in sources]
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    context = multiprocessing.get_context("fork")
    chunk = max(1, len(sources) // (cores * 16))
    try:
        with ProcessPoolExecutor(cores, context, initializer=_leave_signals) as pool:
            # `map` forks them all. A Ctrl-C waits until each has left it to us.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                found = pool.map(read, *zip(*sources, strict=True), chunksize=chunk)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            return list(found)
    except BrokenProcessPool:  # one was killed, for its memory perhaps
        return [read(*each) for each in sources]


def _leave_signals() -> None:
    """Ctrl-C and its like are for the process that was started, not for those that it started."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
