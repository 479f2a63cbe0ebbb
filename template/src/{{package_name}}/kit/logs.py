"""Logs: a JSON object a line on standard error, or words and colours for a developer."""

import logging.config
import re
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TextIO

import orjson
import structlog
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from .request_id import request_id

Line = Mapping[str, object]

_WHOLE = 4096  # bytes that a pipe takes whole, whoever else writes into it (Linux' PIPE_BUF)


def access_log(environment: str) -> Callable[[Sequence[Line]], None]:
    """What writes the lines of requests without `logging`'s cost."""
    if environment == "production":
        return _write
    developers = structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        [_TIME, structlog.dev.ConsoleRenderer()],
    )

    def write(lines: Sequence[Line]) -> None:
        for line in lines:
            developers.info(**line)

    return write


def _write(lines: Sequence[Line]) -> None:
    piece = b""
    for line in map(_dumped, lines):
        if len(piece) + len(line) > _WHOLE:
            _flushed(piece)
            piece = b""
        piece += line
    _flushed(piece)


def _flushed(piece: bytes) -> None:
    sys.stderr.buffer.write(piece)
    sys.stderr.buffer.flush()


def _dumped(line: Line) -> bytes:
    options = orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE
    try:
        return orjson.dumps(line, default=str, option=options)
    except orjson.JSONEncodeError:  # what somebody put in must not cost the lines of others
        return orjson.dumps({str(key): str(line[key]) for key in line}, option=options)


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
            structlog.processors.ExceptionRenderer(_stacks),
            structlog.processors.JSONRenderer(_text),
        ]
    else:
        rendering += [structlog.dev.ConsoleRenderer(exception_formatter=_write_traceback)]
    naming: list[Processor] = [structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name]
    return structlog.stdlib.ProcessorFormatter(
        processors=rendering, foreign_pre_chain=[*naming, _TIME, _add_request]
    )


# By default structlog tells the values of all local variables, too: keys, bodies, the pepper.
_bare = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
# What messages quote: PostgreSQL's a row, Pydantic's and FastAPI's a field.
_QUOTED = re.compile(
    r"(?<=DETAIL:  )(?s:.*?)(?=\n[ |]*(?:HINT:  |\[SQL: )|\n\n(?:The above|During) |\n?\Z)"
    r"|(?<=, input_value=).*(?=, input_type=)"
    r"|(?<='input': )[^\n]*"
)


def _stacks(exc_info: ExcInfo) -> object:
    return _unquoted(_bare(exc_info))


def _write_traceback(stream: TextIO, exc_info: ExcInfo) -> None:
    stream.write("\n" + _QUOTED.sub("...", "".join(traceback.format_exception(*exc_info))))


def _unquoted(told: object) -> object:
    """What a traceback tells, without the values that a message quotes."""
    if isinstance(told, str):
        return _QUOTED.sub("...", told)
    if isinstance(told, list):
        return [_unquoted(each) for each in told]
    if isinstance(told, dict):
        return {name: _unquoted(each) for name, each in told.items()}
    return told


_TIME = structlog.processors.TimeStamper(fmt="iso", key="time")


def _add_request(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    if name := request_id.get():
        event["request_id"] = name
    return event


def _text(event: EventDict, **_: object) -> str:
    return orjson.dumps(event, default=str).decode()
