"""The probes answer what an orchestrator needs to know."""

from starlette.testclient import TestClient


def test_the_process_is_alive(client: TestClient) -> None:
    assert client.get("/livez").status_code == 200


def test_it_is_ready_while_the_database_answers(client: TestClient) -> None:
    assert client.get("/readyz").status_code == 200
