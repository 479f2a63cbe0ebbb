"""Services beside each other, and a service whose processes were killed."""

from collections.abc import Callable

import pytest

from .conftest import Home
from .machine import is_alive, make_run, postgres_of
from .rendering import Service

pytestmark = pytest.mark.xdist_group("default_home")


def test_a_second_service_takes_another_port_and_another_database(
    default_home: Home, town: Callable[..., Service]
) -> None:
    billing = town(service_name="billing", module="invoice").folder
    env = default_home.env
    with make_run(default_home.folder, env) as orders, make_run(billing, env) as second:
        assert orders.address != second.address
        assert "payments" in orders.call("/openapi.json")[1]
        assert "invoices" in second.call("/openapi.json")[1]
        orders.is_the_last_to_use(postgres_of(default_home.folder))
        assert second.call("/readyz")[0] == 200
        second.is_the_last_to_use(postgres_of(billing))


def test_after_a_kill_the_next_run_takes_the_database_over(default_home: Home) -> None:
    with make_run(default_home.folder, default_home.env) as killed:
        left_behind = postgres_of(default_home.folder)
        killed.kill()
    assert is_alive(left_behind)
    with make_run(default_home.folder, default_home.env) as following:
        assert postgres_of(default_home.folder) == left_behind
        following.is_the_last_to_use(left_behind)
