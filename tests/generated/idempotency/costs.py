"""What a key costs: two statements. And what is not paid for: a ping at every request."""

from .conftest import Charging, Headers, Sql, Start, eventually
from .proxy import proxied

USED = "SELECT last_used_at FROM api_keys WHERE starts_with($1, 'Bearer ' || prefix)"
IDLE = """
    SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'orders' AND pid <> pg_backend_pid()
"""


def test_a_key_costs_two_round_trips(
    application: Start, database_url: str, sql: Sql, me: Headers, operation: int
) -> None:
    one = {"database_pool_size": 1, "database_pool_overflow": 0}
    with proxied(database_url) as proxy, application(proxy.url, **one) as service:
        charge = Charging(service, me)
        charge(operation, "first")
        eventually("the key's last use is noted", lambda: sql.value(USED, me["Authorization"]))

        def cost(name: str, key: str) -> int:
            """Messages to the server, once every statement is prepared."""
            charge(operation, f"{key}-prepare", url=f"/api/v1/charges/{name}")
            proxy.sent.clear()
            assert charge(operation, key, url=f"/api/v1/charges/{name}").status_code == 201
            return len(proxy.sent)

        assert cost("bare", "unused") == 4  # BEGIN, caller, INSERT, COMMIT
        assert cost("keyed", "used") == 6  # and claim and answer


def test_connections_that_were_closed_while_idle_are_replaced(
    charge: Charging, sql: Sql, operation: int, key: str
) -> None:
    for number in range(5):
        assert charge(operation, f"{key}-{number}").status_code == 201
        assert sql.value(IDLE) > 0
        assert charge(operation, f"{key}-{number}-next").status_code == 201
    assert sql.rows(operation) == 10
