"""A contract, alerts, a histogram and owners, as small as they may be."""

import json
from typing import Any

PAYMENT = {
    "type": "object",
    "properties": {
        "public_id": {"type": "string", "format": "uuid"},
        "amount": {"type": "integer"},
    },
}
PAGE = {
    "type": "object",
    "properties": {
        "items": {"type": "array", "items": {"$ref": "#/components/schemas/Payment"}},
        "next": {"type": "string"},
    },
}
KEY = {"name": "Idempotency-Key", "in": "header", "required": True, "schema": {"type": "string"}}
ID = {
    "name": "public_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "format": "uuid"},
}
LIMIT = {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}}


def answer(schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"responses": {"200": {"description": "as asked", "content": content}}}


DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "orders", "version": "1"},
    "paths": {
        "/api/v1/payments": {
            "get": {"parameters": [LIMIT], **answer("Page")},
            "post": {"parameters": [KEY], **answer("Payment")},
        },
        "/api/v1/payments/{public_id}": {
            "get": {"parameters": [ID], **answer("Payment")},
            "patch": {"parameters": [ID, KEY], **answer("Payment")},
        },
        "/livez": {"get": {"responses": {"200": {"description": "alive"}}}},
    },
    "components": {"schemas": {"Payment": PAYMENT, "Page": PAGE}},
}

ALERTS = """\
groups:
  - name: latency
    rules:
      - record: service:p95
        expr: histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[1m])))
      - record: service:p95_baseline
        expr: quantile_over_time(0.5, service:p95[1d] offset 10m)
      - alert: P95LatencyDoubled
        expr: service:p95 > 2 * service:p95_baseline and sum(rate(http_requests_total[1m])) > 1
        for: 5m
        labels:
          severity: page
        annotations:
          runbook_url: RUNBOOK.md#slow-or-failing
"""

METRICS = '''\
"""How long requests take."""

from prometheus_client import Histogram

DURATION = Histogram(
    "http_request_duration_seconds",
    "how long requests take",
    buckets=(0.005, 0.0075, 0.011, 0.0165, 0.0245, 0.0365, 0.0545, 0.0815, 0.122, 0.183),
)
'''


def parts(package: str) -> dict[str, str]:
    """The files by their paths."""
    return {
        "openapi/v1.json": json.dumps(DOCUMENT, indent=2) + "\n",
        "ops/alerts.yml": ALERTS,
        f"src/{package}/kit/metrics.py": METRICS,
        ".github/CODEOWNERS": f"/src/{package}/modules/ @acme/ledger\n",
    }
