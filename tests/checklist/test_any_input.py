"""Whatever is in a folder: an answer, never a traceback."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from checked import TODAY
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roadbed.checklist import catalogue, checking, configuration
from roadbed.checklist.formats import document, markdown, sarif, text

if TYPE_CHECKING:
    from collections.abc import Iterator

SOME = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

# What the rules look for, so that chance finds its way into them.
WORDS = [
    "import requests", "requests.get(", "timeout=", "None", "s = requests.Session()", "with", "as s",
    "from sqlalchemy import *", "select(T)", ".offset(", ".delete(", "session", "SELECT", "*", "FROM",
    "users", "WITH x AS (", "EXISTS", "CREATE TABLE t (", "OFFSET 5", "DELETE FROM", ")", "(", "'", '"',
    "'''", "f'{x}'", ";", "--", "/*", "$$", "%s", "{}", "class T(Base):", "class T(T):", "@app.get('/x')",
    "def f(x: int = Query(le=", "__tablename__ =", "[", "]", "{", "}", ":", ",", "=", "\\", "\n", "    ",
    "groups:", "- rules:", "alert: A", "expr:", "for: 5m", "histogram_quantile(0.95,", "record: r", "&a",
    "*a", "<<: *a", "!!python/object:os.system", "rate(x[1m])", "> 2 *", "annotations:", "runbook_url:",
    "# Page", "## On call", "```sh", "```", "make", "python -m", "./x", "# checklist: allow[", "RB201",
    "until=", "2026-13-45", "kind: Deployment", "spec:", "replicas:", "services:", "9" * 5000, "-1", "1e999",
    "FROM x --workers 9", "* @a", "/src/", "buckets=(", "Histogram(", "pool_size=", "create_engine(",
    "include", "%:", "\u2028", "\x00", "\udcff", "é", "💥", "openapi: 3.1.0", "paths:", "$ref:", "#/",
]  # fmt: skip
PATHS = [
    "src/app/a.py", "migrations/0001.py", "app/models.py", "q.sql", "openapi.yaml", "openapi/v1.json",
    "ops/alerts.yml", "ops/alerts_test.yml", "compose.yaml", "ops/deployment.yaml", "RUNBOOK.md",
    "README.md", "ARCHITECTURE.rst", "CODEOWNERS", "Makefile", "Dockerfile", "main.tf", "setup.cfg",
    "requirements.txt", "uv.lock", "src/app/__init__.py", "tests/test_a.py", "gunicorn.conf.py",
]  # fmt: skip

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["openapi", "paths", "/x/{id}", "get", "post", "parameters", "schema", "$ref", "type",
             "properties", "items", "responses", "200", "content", "application/json", "in", "name",
             "maximum", "enum", "anyOf", "servers", "url", "components", "x-idempotency", "groups",
             "rules", "alert", "expr", "spec", "kind", "replicas", "services", "labels", "annotations"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=20,
)  # fmt: skip


def told(files: dict[str, bytes]) -> None:
    """Check a service of these files, and tell it in every way."""
    with TemporaryDirectory(prefix="any-") as folder:
        for path, content in files.items():
            Path(folder, path).parent.mkdir(parents=True, exist_ok=True)
            Path(folder, path).write_bytes(content)
        report = checking.check(
            Path(folder), list(catalogue.RULES), configuration.Configuration(), TODAY
        )
    defects = [e.message for r in report.results for e in r.evidence if "defect" in e.message]
    assert not defects, (defects, files)
    assert json.loads(document.write([report]))
    assert json.loads(sarif.write([report], "1"))
    assert text.write(report, verbose=True).endswith(report.summary())
    assert markdown.write(report)


@SOME
@given(st.dictionaries(st.sampled_from(PATHS), st.lists(st.sampled_from(WORDS), max_size=25)))
def test_words_in_any_order(files: dict[str, list[str]]) -> None:
    told(
        {path: " ".join(words).encode("utf-8", "surrogateescape") for path, words in files.items()}
    )


@SOME
@given(st.dictionaries(st.sampled_from(PATHS), st.binary(max_size=200)))
def test_bytes_of_any_kind(files: dict[str, bytes]) -> None:
    told(files)


@SOME
@given(JSON, JSON)
def test_documents_of_any_shape(paths: Any, other: Any) -> None:
    described = {"openapi": "3.1.0", "paths": paths, "components": other}
    told(
        {
            "openapi.json": json.dumps(described).encode(),
            "openapi.yaml": json.dumps(described).encode(),
            "ops/alerts.yml": json.dumps(
                {"groups": [{"rules": [other, paths]}], "alert": 1}
            ).encode()
            + b"\nalert: x",
            "ops/rules.yml": b"alert:\n" + json.dumps({"alert": paths, "expr": other}).encode(),
            "ops/deployment.yaml": b"kind: Deployment\nspec: " + json.dumps(paths).encode(),
            "compose.yaml": b"services: " + json.dumps(other).encode(),
            "src/app/db.py": b"create_engine(url)",
        }
    )


def broken(files: dict[str, bytes]) -> Iterator[dict[str, bytes]]:
    """A service whose every file is cut short, or lacks a line."""
    for path, content in files.items():
        for place in range(0, len(content), max(1, len(content) // 8)):
            yield files | {path: content[:place]}
            yield files | {path: content[:place] + content[place + 7 :]}


def test_a_service_that_is_cut_anywhere() -> None:
    files = {
        "src/app/a.py": b"import requests\ns = requests.Session()\ns.get(f'{x}', timeout=(1, None))\n"
        b"q = 'SELECT * FROM (SELECT a FROM b) c WHERE d IN (%s)' % e\n",
        "ops/alerts.yml": b"groups:\n- rules:\n  - alert: A\n    expr: histogram_quantile(0.95, "
        b"rate(x_bucket[1m])) > 2 * histogram_quantile(0.95, rate(x_bucket[1m] offset 1d))\n"
        b"    for: 5m\n    annotations: {runbook_url: 'RUNBOOK.md#a'}\n",
        "RUNBOOK.md": b"# Page\n\nhttps://p.invalid/x\n\n```sh\nmake run && ./x 'y'\n```\n",
    }
    for each in broken(files):
        told(each)
