"""RB305: the sum of all pools, and where its numbers come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from checked import ask, state

from roadbed.checklist.evidence import State
from roadbed.checklist.facts.deployment import memory_of

if TYPE_CHECKING:
    from pathlib import Path

ENGINE = "from sqlalchemy import create_engine\ne = create_engine(url{})\n"
DEFAULTS = {"src/app/db.py": ENGINE.format("")}
SETTINGS = """
    class Settings(BaseSettings):
        pool_size: int = 5
        overflow: int = Field(default=5, ge=0)
        replicas: int = 4
        web_concurrency: int = Field(2, ge=1)
        database_max_connections: int = 100
"""
FROM_SETTINGS = {
    "src/app/db.py": ENGINE.format(", pool_size=settings.pool_size, max_overflow=s.overflow"),
    "src/app/settings.py": SETTINGS,
}


def configured(**numbers: object) -> dict[str, str]:
    lines = [f"{name} = {value!r}".replace("'", '"') for name, value in numbers.items()]
    return {"pyproject.toml": "\n".join(["[tool.roadbed.check.database]", *lines])}


def test_the_articles_own_example_fails_on_a_small_machine(tmp_path: Path) -> None:
    numbers = configured(replicas=4, workers=2, instance_class="db.t4g.micro")
    result = ask(tmp_path, {**DEFAULTS, **numbers}, "pool-exceeds-database")
    assert result.state is State.FAIL
    assert result.evidence[0].message == (
        "5 replicas (a surge of 25% included) x 2 workers x (5 + 10) + 2 jobs = 152 connections at"
        " the peak; 101 that fit 1 GiB of memory - 10 reserved = 91 to be had"
    )


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ({"replicas": 4, "workers": 2, "max_connections": 100}, State.FAIL),
        ({"replicas": 10, "max_connections": 200}, State.FAIL),
        ({"replicas": 4, "workers": 2, "memory_gib": 1}, State.FAIL),
        ({"replicas": 2, "workers": 2, "max_connections": 120}, State.WARN),
        ({"replicas": 4, "workers": 2, "max_connections": 400, "memory_gib": 2}, State.WARN),
        ({"replicas": 2, "max_connections": 100}, State.PASS),
        ({"replicas": 4, "workers": 2, "instance_class": "db.m6g.large"}, State.PASS),
        ({"pooler_connections": 40, "max_connections": 100}, State.PASS),
        ({"pooler_connections": 90, "max_connections": 100}, State.FAIL),
        ({"max_connections": 100}, State.UNKNOWN),
        ({"replicas": 1}, State.UNKNOWN),
        ({"replicas": 1, "instance_class": "db.z9.huge"}, State.UNKNOWN),
    ],
)
def test_the_sum(tmp_path: Path, numbers: dict[str, object], expected: State) -> None:
    assert state(tmp_path, {**DEFAULTS, **configured(**numbers)}, "RB305") is expected


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    messages = [each.message for each in ask(tmp_path, DEFAULTS, "RB305").evidence]
    assert len(messages) == 2
    assert "without the number of replicas ([tool" in messages[0]
    assert "without the database's max_connections" in messages[1]


def test_numbers_come_from_settings(tmp_path: Path) -> None:
    result = ask(tmp_path, FROM_SETTINGS, "RB305")
    assert result.state is State.FAIL
    assert result.evidence[0].message.startswith("5 replicas (a surge of 25% included) x 2 workers")
    roomy = SETTINGS.replace("= 100", "= 500")
    assert state(tmp_path, {**FROM_SETTINGS, "src/app/settings.py": roomy}, "RB305") is State.PASS


KUBERNETES = """
    apiVersion: apps/v1
    kind: Deployment
    spec:
      replicas: {replicas}
      strategy: {{rollingUpdate: {{maxSurge: {surge}}}}}
      template:
        spec:
          containers:
            - name: app
              command: [uvicorn, app, --workers, "{workers}"]
              env:
                - {{name: DATABASE_MAX_CONNECTIONS, value: "100"}}
    ---
    kind: HorizontalPodAutoscaler
    spec: {{maxReplicas: {most}}}
"""


@pytest.mark.parametrize(
    ("replicas", "surge", "workers", "most", "peak"),
    [
        (2, "25%", 1, 2, "3 replicas (a surge of 25% included) x 1 workers"),
        (2, "0", 1, 2, "2 replicas (a surge of 0% included) x 1 workers"),
        (2, "2", 1, 2, "4 replicas (a surge of 100% included) x 1 workers"),
        (2, "0%", 3, 9, "9 replicas (a surge of 0% included) x 3 workers"),
    ],
)
def test_kubernetes(
    tmp_path: Path, replicas: int, surge: str, workers: int, most: int, peak: str
) -> None:
    manifest = KUBERNETES.format(replicas=replicas, surge=surge, workers=workers, most=most)
    result = ask(tmp_path, {**DEFAULTS, "ops/app.yaml": manifest}, "RB305")
    assert result.evidence[0].message.startswith(peak)
    assert "100 allowed" in result.evidence[0].message


def test_compose_dockerfile_and_terraform(tmp_path: Path) -> None:
    files = {
        **DEFAULTS,
        "compose.yaml": """
            services:
              app: {image: app, deploy: {replicas: 2}, environment: [WEB_CONCURRENCY=2]}
              db: {image: "postgres:18", command: postgres -c max_connections=60}
        """,
        "Dockerfile": 'FROM python\nCMD ["uvicorn", "app", "--workers", "3"]\n',
        "main.tf": 'resource "aws_db_instance" "db" {\n  instance_class = "db.t4g.medium"\n}\n',
    }
    message = ask(tmp_path, files, "RB305").evidence[0].message
    assert message.startswith("3 replicas (a surge of 25% included) x 3 workers x (5 + 10)")
    assert "60 allowed - 10 reserved = 50" in message


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (ENGINE.format(", pool_size=2, max_overflow=0"), "x (2 + 0) +"),
        ("import asyncpg\nasyncpg.create_pool(url, max_size=7)\n", "x (7 + 0) +"),
        ("from psycopg_pool import ConnectionPool\nConnectionPool(url)\n", "x (4 + 0) +"),
        ("P = 3\nengine(url, pool_size=P, max_overflow=P)\n", "x (3 + 3) +"),
    ],
)
def test_pools(tmp_path: Path, source: str, expected: str) -> None:
    files = {"src/app/db.py": source, **configured(replicas=1, max_connections=100)}
    assert expected in ask(tmp_path, files, "RB305").evidence[0].message


@pytest.mark.parametrize(
    "source",
    [
        ENGINE.format(", **options"),
        "from flask_sqlalchemy import SQLAlchemy\ndb = SQLAlchemy()\n",
    ],
)
def test_a_pool_whose_size_no_call_shows_is_unknown(tmp_path: Path, source: str) -> None:
    numbers: dict[str, object] = {"replicas": 1, "max_connections": 100}
    result = ask(tmp_path, {"src/app/db.py": source, **configured(**numbers)}, "RB305")
    assert result.state is State.UNKNOWN
    assert "the pool's size, which no call shows" in result.evidence[0].message
    numbers |= {"pool_size": 3, "pool_overflow": 4}
    said = ask(tmp_path, {"src/app/db.py": source, **configured(**numbers)}, "RB305")
    assert "x (3 + 4) +" in said.evidence[0].message
    sized = source + "engine(url, pool_size=2, max_overflow=0)\n"
    assert state(tmp_path, {"src/app/db.py": sized, **configured(**numbers)}, "RB305") is State.PASS


def test_what_is_beside_the_pools_counts(tmp_path: Path) -> None:
    numbers = configured(replicas=4, max_connections=100, beside_pools=2, jobs=4)
    result = ask(tmp_path, {**DEFAULTS, **numbers}, "RB305")
    assert "x 1 workers x ((5 + 10) + 2) + 4 jobs = 89 connections" in result.evidence[0].message


def test_null_pool_opens_what_is_asked_for(tmp_path: Path) -> None:
    files = {"src/app/db.py": ENGINE.format(", poolclass=NullPool, pool_size=1")}
    result = ask(tmp_path, {**files, **configured(replicas=1, max_connections=9)}, "RB305")
    assert result.state is State.UNKNOWN
    assert "NullPool" in result.evidence[0].message


def test_without_a_pool_there_is_no_sum(tmp_path: Path) -> None:
    for source in ("x = create_engine_of_ours(url)", "pool_size = 5", "e = engine(url, **pool)"):
        assert state(tmp_path, {"src/app/db.py": source}, "RB305") is State.NA


@pytest.mark.parametrize(
    ("instance", "gib"),
    [
        ("db.t4g.micro", 1),
        ("db.t3.2xlarge", 32),
        ("db.m6g.large", 8),
        ("db.r6g.large", 16),
        ("db.r6g.2xlarge", 64),
        ("db.c6gd.4xlarge", 32),
        ("db.z1d.large", None),
        ("m6g.large", None),
        ("db.m6g.tiny", None),
    ],
)
def test_memory_of_instance_classes(instance: str, gib: float | None) -> None:
    assert memory_of(instance) == gib
