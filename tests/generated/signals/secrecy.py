"""What a failure tells is for an operator: where it happened, and nobody's secrets."""

import importlib.util
from uuid import uuid4

import pytest

from .conftest import Serve, eventually

NIGHTMARES = {
    "a bug": "RuntimeError",
    "a column that is gone": 'column "lost" does not exist',
    "a row that is refused": 'null value in column "account_id"',
    "a value that does not fit": "Input should be a valid integer",
    "an answer that does not fit": "Input should be a valid integer",
}


@pytest.mark.parametrize("environment", ["production", "development"])
def test_a_failure_tells_nobody_s_secrets(
    environment: str, serve: Serve, database_url: str
) -> None:
    """With Rich installed: structlog hands a developer's tracebacks to it, which shows a lot."""
    assert importlib.util.find_spec("rich")
    pepper, body, parameter, key = (uuid4().hex for _ in range(4))
    with serve(ENVIRONMENT=environment, WEB_CONCURRENCY="1", API_KEY_PEPPER=pepper) as served:
        for kind in NIGHTMARES:
            answer = served.call(
                "POST",
                f"/api/v1/naps/nightmares/{kind}?parameter={parameter}",
                json={"secret": body},
                headers={"Idempotency-Key": key},
            )
            assert (kind, answer.status_code) == (kind, 500)
            assert body not in answer.text
        told = eventually(
            "each is told",
            lambda: (said := served.errors.read_text()).count("failed") >= 5 and said,
        )
        for name in (*NIGHTMARES.values(), "nightmares"):
            assert name in told.replace('\\"', '"')
        api_key = served.headers["Authorization"].rpartition("_")[2]
        for hidden in (api_key, pepper, body, parameter, key, database_url):
            assert hidden[:12] not in told  # what is long is abridged
