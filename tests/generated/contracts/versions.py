"""Two versions side by side, and how the older one ends."""

from datetime import date
from uuid import UUID, uuid4

import pytest
from orders.kit.deprecation import Deprecation
from orders.settings import Settings
from pydantic import ValidationError
from starlette.testclient import TestClient

from .conftest import Starter

NEW = {"amount": 9900, "currency": "USD"}
# RFC 9745 and 8594: midnight, UTC, of both days.
SINCE, SUNSET = "@1769817600", "Fri, 31 Jul 2026 00:00:00 GMT"
ENDING = {"v1": Deprecation(since=date(2026, 1, 31), sunset=date(2026, 7, 31))}


def links(client: TestClient, path: str) -> list[str]:
    """The successors that an answer names."""
    lines = client.get(path).headers.get_list("Link")
    return [line for line in lines if "successor-version" in line]


def test_a_route_of_v1_carries_on_when_v2_has_its_own(client: TestClient) -> None:
    assert client.get(f"/api/v1/parcels/{uuid4()}").json() == {"kilograms": 2}
    assert client.get(f"/api/v2/parcels/{uuid4()}").json() == {"grams": 2000}


def test_v2_serves_what_v1_does_but_for_its_own(client: TestClient) -> None:
    assert client.get("/api/v2/parcels").json() == {"kilograms": 20}
    key = {"Idempotency-Key": str(uuid4())}
    created = client.post("/api/v2/payments", json=NEW, headers=key)
    assert created.status_code == 201
    assert created.headers["Location"].startswith("/api/v2/payments/")
    older = created.headers["Location"].replace("v2", "v1")
    assert client.get(older).json() == created.json()


def test_what_v2_adds_is_not_in_v1(client: TestClient) -> None:
    assert client.get("/api/v2/letters/longest").status_code == 200
    assert client.get("/api/v1/letters/longest").status_code == 404
    assert client.get("/api/v3/parcels").status_code == 404


def test_every_version_is_closed(service: TestClient) -> None:
    for path in ("/api/v2/payments", "/api/v2/letters/longest", f"/api/v2/parcels/{uuid4()}"):
        assert service.get(path).status_code == 401


def test_the_document_has_each_route_of_each_version_once(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert "grams" in paths["/api/v2/parcels/{id}"]["get"]["description"]
    assert "kilograms" in paths["/api/v1/parcels/{public_id}"]["get"]["description"]
    assert "/api/v2/parcels/{public_id}" not in paths
    v1, v2 = ({p[7:] for p in paths if p.startswith(f"/api/{v}/")} for v in ("v1", "v2"))
    assert v2 - v1 == {"/letters/longest", "/parcels/{id}"}
    assert v1 - v2 == {"/parcels/{public_id}"}
    assert paths["/api/v1/parcels"]["get"]["deprecated"] is True
    assert "deprecated" not in paths["/api/v1/payments"]["get"]


def test_a_405_knows_the_methods_of_both_files(client: TestClient) -> None:
    answer = client.put(f"/api/v2/payments/{uuid4()}")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, PATCH, DELETE")


def test_a_deprecated_route_says_so_whatever_it_answers(client: TestClient) -> None:
    for path in ("/api/v1/parcels", "/api/v1/parcels?least=x"):
        headers = client.get(path).headers
        assert (headers["Deprecation"], headers["Sunset"]) == (SINCE, SUNSET)
        assert headers["Link"] == '</api/v2/parcels>; rel="successor-version"'
    elsewhere = client.get("/api/v1/parcels/of/somebody").headers
    assert elsewhere["Link"] == '<https://elsewhere.test/parcels>; rel="successor-version"'
    assert "Sunset" not in elsewhere


def test_a_route_that_stays_says_nothing(client: TestClient) -> None:
    for path in ("/api/v1/payments", f"/api/v1/parcels/{uuid4()}", "/api/v1/nothing", "/livez"):
        assert not {"Deprecation", "Sunset"} & set(client.get(path).headers)
        assert links(client, path) == []


def test_what_is_deprecated_in_v2_has_no_successor(client: TestClient) -> None:
    assert client.get("/api/v2/parcels").headers["Deprecation"] == SINCE
    assert links(client, "/api/v2/parcels") == []


def test_a_deprecated_version_says_so_on_every_answer(start: Starter) -> None:
    with start(api_deprecated=ENDING) as client:
        for method, path, status in (
            ("GET", "/api/v1/payments", 200),
            ("GET", "/api/v1/nothing", 404),
            ("PUT", "/api/v1/payments", 405),
            ("GET", "/api/v1/payments/x", 422),
        ):
            answer = client.request(method, path)
            assert answer.status_code == status
            assert (answer.headers["Deprecation"], answer.headers["Sunset"]) == (SINCE, SUNSET)
        assert links(client, "/api/v1/payments") == ['</api/v2/payments>; rel="successor-version"']
        # The pages' own links are still there.
        assert 'rel="first"' in client.get("/api/v1/payments").headers["Link"]
        for path in ("/api/v2/payments", "/livez", "/openapi.json", "/api"):
            assert "Deprecation" not in client.get(path).headers
        document = client.get("/openapi.json").json()["paths"]
        assert document["/api/v1/payments"]["get"]["deprecated"] is True
        assert "deprecated" not in document["/api/v2/payments"]["get"]
        client.headers["Authorization"] = "Bearer nobody"
        assert client.get("/api/v1/payments").headers["Deprecation"] == SINCE


def test_a_replayed_answer_is_announced_once(start: Starter) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    with start(api_deprecated=ENDING) as client:
        for _ in range(2):
            answer = client.post("/api/v1/payments", json=NEW, headers=key)
            assert answer.headers.get_list("Deprecation") == [SINCE]
            assert len(answer.headers.get_list("Link")) == 1
    assert answer.headers["Idempotent-Replayed"] == "true"


def test_a_sunset_that_has_passed_ends_nothing(start: Starter) -> None:
    past = {"v1": Deprecation(since=date(2020, 1, 1), sunset=date(2020, 2, 1))}
    with start(api_deprecated=past) as client:
        assert client.get("/api/v1/payments").status_code == 200


def test_a_retired_version_is_410_and_leads_to_the_next(start: Starter) -> None:
    with start(api_retired="v1") as client:
        for method, path in (("GET", "/payments"), ("POST", "/payments"), ("GET", "/nothing")):
            answer = client.request(method, f"/api/v1{path}")
            assert answer.status_code == 410
            assert answer.json()["type"] == "urn:problem:version-retired"
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.headers["Link"] == f'</api/v2{path}>; rel="successor-version"'
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert client.get("/api/v1").status_code == 410
        assert client.get("/api/v2/payments").status_code == 200
        assert client.get("/api/v10/payments").status_code == 404
        assert client.get("/readyz").status_code == 200
    with start(api_retired=("v2",)) as client:
        assert client.get("/api/v2/payments").status_code == 410
        assert links(client, "/api/v2/payments") == []
        assert client.get("/api/v1/payments").status_code == 200


def test_a_successor_is_no_place_for_headers_of_ones_own(start: Starter) -> None:
    with start(api_retired="v1") as client:
        answer = client.get("/api/v1/x%0d%0aX-Evil:%20yes/%3E;%22%00é")
        assert "X-Evil" not in answer.headers
        assert answer.headers["Link"] == (
            '</api/v2/x%0D%0AX-Evil%3A%20yes/%3E%3B%22%00%C3%A9>; rel="successor-version"'
        )


def test_logs_and_metrics_can_read_version_and_request(service: TestClient) -> None:
    for version in ("v1", "v2"):
        told = service.get(f"/api/{version}/parcels/which/version")
        assert told.json() == {"version": version, "request": told.headers["X-Request-ID"]}
        assert UUID(told.headers["X-Request-ID"]).version == 4


@pytest.mark.parametrize("given", ["9f-1.a_B", "x" * 128])
def test_a_clients_request_id_is_taken(service: TestClient, given: str) -> None:
    for path in ("/livez", "/api/v1/payments", "/nothing"):
        assert service.get(path, headers={"X-Request-ID": given}).headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a\tb", '{"a": 1}', "é"])
def test_one_that_is_unfit_for_a_log_is_not(service: TestClient, given: str) -> None:
    headers = {b"X-Request-ID": given.encode("latin-1")}
    assert UUID(service.get("/livez", headers=headers).headers["X-Request-ID"])  # type: ignore[arg-type]


def test_the_environment_sets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@localhost/nothing")
    monkeypatch.setenv("API_DEPRECATED", '{"v1": {"since": "2026-01-31", "sunset": "2026-07-31"}}')
    monkeypatch.setenv("API_RETIRED", "v1, v2")
    settings = Settings()
    assert settings.api_deprecated == ENDING
    assert settings.api_retired == ("v1", "v2")
    monkeypatch.setenv("API_RETIRED", "")
    assert Settings().api_retired == ()
    monkeypatch.setenv("API_RETIRED", "1")  # it would end nothing, and nobody would know
    with pytest.raises(ValidationError):
        Settings()
    monkeypatch.delenv("API_RETIRED")
    for wrong in (
        '{"v1": {}}',
        '{"1": {"since": "2026-01-31"}}',
        '{"v1": {"since": "2026-02-01", "sunset": "2026-01-31"}}',
    ):
        monkeypatch.setenv("API_DEPRECATED", wrong)
        with pytest.raises(ValidationError):
            Settings()
