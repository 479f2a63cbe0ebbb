"""The service's command line in a process that starts at once, and a lease that soon runs out."""

import os
import sys
from collections.abc import Mapping

import httpx2
from httpx2._transports import default
from orders import modules
from orders.kit import commands, outbox
from orders.settings import Settings

outbox.RECORDING = 1.0
outbox.POLL = 0.05
TRUST = httpx2.create_ssl_context()  # slow to make, and nothing here speaks TLS
default.create_ssl_context = lambda **_: TRUST


def work(environment: Mapping[str, str]) -> None:
    """`python -m orders outbox`."""
    os.environ.update(environment)
    sys.argv = ["orders", "outbox"]
    commands.main("orders", Settings, modules, outbox.command)
