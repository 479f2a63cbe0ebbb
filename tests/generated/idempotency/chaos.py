"""Case 34: real workers are killed at random while clients retry until they have an answer."""

import asyncio
from collections.abc import Callable

from .conftest import Headers, Sql
from .harness import run


def test_34_whatever_is_killed_whenever_each_operation_is_done_once(
    sql: Sql, database_url: str, new_caller: Callable[..., Headers]
) -> None:
    callers = [new_caller() for _ in range(6)]
    outcome = asyncio.run(run(database_url, callers, kills=25))
    assert outcome.wrong == {}, outcome
    # It was a storm: attempts were cut off, and retries found what those had left behind.
    assert outcome.kills == 25
    assert outcome.broken > outcome.kills
    assert outcome.replayed > 0
    assert outcome.keys > 120
