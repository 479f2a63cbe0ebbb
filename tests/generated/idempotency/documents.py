"""What a client can read about it, for a route behind `include_router`: case 47."""

from typing import Any

import pytest
from starlette.testclient import TestClient


@pytest.fixture(params=["/api/v1/payments", "/api/v1/charges"])
def operation(service: TestClient, request: pytest.FixtureRequest) -> dict[str, Any]:
    """A POST of the OpenAPI document."""
    document = service.get("/openapi.json").json()
    found: dict[str, Any] = document["paths"][request.param]["post"]
    return found


def test_47_the_header_is_documented(operation: dict[str, Any]) -> None:
    (header,) = (each for each in operation["parameters"] if each["name"] == "Idempotency-Key")
    assert (header["in"], header["required"]) == ("header", True)
    assert header["description"]


def test_47_the_refusals_are_documented(service: TestClient) -> None:
    document = service.get("/openapi.json").json()
    responses = document["paths"]["/api/v1/payments"]["post"]["responses"]
    assert {"400", "409", "422"} <= responses.keys()
