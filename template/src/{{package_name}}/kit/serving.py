"""`serve`: the server of production, with its metrics on a port of their own."""

import argparse
from collections.abc import Callable
from typing import Any

import uvicorn

from . import logs, metrics
from .database import TRANSACTION_TIMEOUT_MS
from .settings import KitSettings


def command(application: str) -> Callable[[Any], None]:
    """What adds `serve` to the command line; `application` is a factory, as Uvicorn names it."""

    def run(_: argparse.Namespace, settings: KitSettings) -> None:
        processes = settings.web_concurrency
        logs.configure(settings.environment)
        with metrics.served(settings.host, settings.metrics_port, processes=processes):
            uvicorn.run(
                application,
                factory=True,
                host=settings.host,
                port=settings.port,
                workers=processes,
                log_config=logs.config(settings.environment),
                access_log=False,
                server_header=False,
                # A worker that loads on a busy machine answers its parent late; one that is killed
                # while the parent asks is missed for as long.
                timeout_worker_healthcheck=20,
                # A request that may still commit is waited for.
                timeout_graceful_shutdown=TRANSACTION_TIMEOUT_MS // 1000 + 5,
            )

    def add(verbs: Any) -> None:  # noqa: ANN401 argparse names no type for it
        serve = verbs.add_parser("serve", help="serve on PORT, metrics on METRICS_PORT")
        serve.set_defaults(run=run)

    return add
