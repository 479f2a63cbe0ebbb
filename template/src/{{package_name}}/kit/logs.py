"""Logs: a JSON object a line on standard error, or words and colours for a developer."""

import logging.config
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from .request_id import request_id


def access_log(environment: str) -> Callable[..., None]:
    """What writes the line of a request, an event and its fields, without `logging`'s cost."""
    if environment == "production":
        return _write
    developers: Callable[..., None] = structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        [structlog.processors.add_log_level, _TIME, structlog.dev.ConsoleRenderer()],
    ).info
    return developers


def _write(event: str, **fields: object) -> None:
    fields |= {"event": event, "level": "info", "time": datetime.now(UTC)}
    options = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE
    sys.stderr.buffer.write(orjson.dumps(fields, default=str, option=options))
    sys.stderr.buffer.flush()


def config(environment: str) -> dict[str, Any]:
    """The configuration of `logging` for everything else, Uvicorn's lines included."""
    handler = {"class": "logging.StreamHandler", "formatter": "line"}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": f"{__name__}.formatter", "environment": environment}},
        "handlers": {"stderr": handler},
        "root": {"level": "INFO", "handlers": ["stderr"]},
        # SQLAlchemy's pools tell the open and the close of each connection.
        "loggers": {f"{__package__}.database.CountedPool": {"level": "WARNING"}},
    }


def configure(environment: str) -> None:
    """Let what this process says through `logging` look so, before anything is said."""
    logging.config.dictConfig(config(environment))


def formatter(environment: str) -> logging.Formatter:
    """Renders a line of `logging` as the access log's lines are."""
    rendering: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if environment == "production":
        rendering += [
            structlog.processors.dict_tracebacks,
            structlog.processors.JSONRenderer(_text),
        ]
    else:
        rendering += [structlog.dev.ConsoleRenderer()]
    naming: list[Processor] = [structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name]
    return structlog.stdlib.ProcessorFormatter(
        processors=rendering, foreign_pre_chain=[*naming, _TIME, _add_request]
    )


_TIME = structlog.processors.TimeStamper(fmt="iso", key="time")


def _add_request(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    if name := request_id.get():
        event["request_id"] = name
    return event


def _text(event: EventDict, **_: object) -> str:
    return orjson.dumps(event, default=str).decode()
