"""RB201: which calls wait for ever, which do not, and which nobody can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from checked import ask, lines, state

from roadbed.checklist.evidence import State

if TYPE_CHECKING:
    from pathlib import Path

FOREVER = {
    "requests": "import requests\nrequests.get(url)",
    "an alias": "import requests as r\nr.post(url, json={})",
    "a name": "from requests import get as fetch\nfetch(url)",
    "a session": "import requests\ns = requests.Session()\ns.get(url)",
    "a session in a with": "import requests\nwith requests.Session() as s:\n    s.get(url)",
    "a session of an object": (
        "import requests\nclass C:\n    def __init__(self): self.s = requests.Session()\n"
        "    def f(self): return self.s.put(url)"
    ),
    "a plain adapter": (
        "import requests\nfrom requests.adapters import HTTPAdapter\ns = requests.Session()\n"
        "s.mount('https://', HTTPAdapter(max_retries=3))\ns.get(url)"
    ),
    "None": "import requests\nrequests.get(url, timeout=None)",
    "no read": "import requests\nrequests.get(url, timeout=(3, None))",
    "a constant that is None": "import requests\nT = None\nrequests.get(url, timeout=T)",
    "in a thread": "import asyncio, requests\nasyncio.to_thread(requests.get, url)",
    "httpx without": "import httpx\nhttpx.AsyncClient(timeout=None)",
    "httpx, no read": "import httpx\nhttpx.Client(timeout=httpx.Timeout(5, read=None))",
    "httpx, later": "import httpx\nc = httpx.Client()\nc.get(url, timeout=None)",
    "httpx, a parameter": "import httpx\ndef f(c: httpx.Client): c.get(url, timeout=None)",
    "a client of our own": (
        "import httpx\nclass Client(httpx.AsyncClient):\n"
        "    def __init__(self): super().__init__(timeout=None)"
    ),
    "aiohttp without": (
        "import aiohttp\naiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None))"
    ),
    "aiohttp, connect alone": (
        "import aiohttp\naiohttp.ClientSession(timeout=aiohttp.ClientTimeout(connect=5))"
    ),
    "urllib": "from urllib.request import urlopen\nurlopen(url)",
    "urllib3": "import urllib3\nhttp = urllib3.PoolManager()\nhttp.request('GET', url)",
    "http.client": "import http.client\nhttp.client.HTTPSConnection('host')",
    "smtplib": "import smtplib\nwith smtplib.SMTP('host', 25) as s: s.sendmail(a, b, c)",
    "a socket": "import socket\nsocket.create_connection(('host', 1))",
    "asyncio": "import asyncio\nasync def f(): await asyncio.open_connection('host', 1)",
    "gRPC": (
        "from . import pay_pb2_grpc\nstub = pay_pb2_grpc.PayStub(channel)\nstub.Charge(request)"
    ),
    "redis": "import redis\nredis.Redis(host='h', socket_connect_timeout=1)",
    "twilio": "from twilio.rest import Client\nClient(sid, token)",
    "paramiko": "import paramiko\nc = paramiko.SSHClient()\nc.connect('host')",
    "a socket's default of None": (
        "import socket, urllib.request as u\nsocket.setdefaulttimeout(None)\nu.urlopen(url)"
    ),
}
LIMITED = {
    "a number": "import requests\nrequests.get(url, timeout=3)",
    "both": "import requests\nrequests.get(url, timeout=(3, 10))",
    "a setting": "import requests\nrequests.get(url, timeout=settings.timeout)",
    "a constant": "import requests\nT = 3\nrequests.get(url, timeout=T)",
    "by position": "from urllib.request import urlopen\nurlopen(url, None, 5)",
    "a session": "import requests\ns = requests.Session()\ns.get(url, timeout=3)",
    "httpx by itself": "import httpx\nhttpx.get(url)",
    "httpx, for a part": "import httpx\nhttpx.Client(timeout=httpx.Timeout(5, write=None))",
    "a client of our own": (
        "import httpx\nclass Client(httpx.AsyncClient):\n"
        "    def __init__(self, **more): super().__init__(timeout=httpx.Timeout(3), **more)"
    ),
    "httpx2": "import httpx2\nhttpx2.AsyncClient(timeout=LIMITS)",
    "aiohttp": "import aiohttp\naiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=9))",
    "aiohttp, in parts": (
        "import aiohttp\nlimit = aiohttp.ClientTimeout(sock_connect=3, sock_read=9)\n"
        "aiohttp.ClientSession(timeout=limit)"
    ),
    "urllib3": "import urllib3\nhttp = urllib3.PoolManager(timeout=3)\nhttp.request('GET', url)",
    "around it": (
        "import asyncio\nasync def f():\n    async with asyncio.timeout(5):\n"
        "        await asyncio.open_connection('host', 1)"
    ),
    "waited for": (
        "import asyncio\nasync def f():\n"
        "    await asyncio.wait_for(asyncio.open_connection('host', 1), 5)"
    ),
    "every socket": (
        "import socket, urllib.request\nsocket.setdefaulttimeout(5)\nurllib.request.urlopen(url)"
    ),
    "gRPC": (
        "from . import pay_pb2_grpc\nstub = pay_pb2_grpc.PayStub(channel)\n"
        "stub.Charge(request, timeout=3)"
    ),
    "redis": "import redis\nredis.Redis(socket_timeout=1, socket_connect_timeout=1)",
    "redis by address": "import redis\nredis.from_url('redis://h?socket_timeout=1')",
    "a pool brings it": "import redis\nredis.Redis(connection_pool=pool)",
    "asyncpg": "import asyncpg\nasyncpg.connect(url, timeout=5)",
}
NOT_OUT = {
    "another's get": "import requests\ncache.get(key)\nrouter.get('/x')",
    "a dictionary": "import requests\nd = {}\nd.get('x')",
    "our own module": "from app import requests\nrequests.get(url)",
    "a parameter": "import os\ndef f(requests): requests.get(url)",
    "a parameter of the same name": "import requests\ndef f(requests): requests.get(url)",
    "in a string": "text = 'requests.get(url)'",
    "only imported": "import requests\nSession = requests.Session\nf = requests.get",
    "a name that changed": "import requests\ns = requests.Session()\ns = Other()\ns.get(url)",
    "a gRPC stream": (
        "from . import pay_pb2_grpc\nstub = pay_pb2_grpc.PayStub(channel)\n"
        "async def f():\n    async for event in stub.Watch(request): print(event)"
    ),
}
UNKNOWN = {
    "a mapping": "import requests\nrequests.get(url, **options)",
    "a parameter of None": "import requests\ndef f(timeout=None): requests.get(url, timeout=timeout)",
    "perhaps None": "import requests\nrequests.get(url, timeout=3 if fast else None)",
    "an adapter": (
        "import requests\ns = requests.Session()\ns.mount('https://', Slow(5))\ns.get(url)"
    ),
    "a session from elsewhere": "import requests\ndef f(s: requests.Session): s.get(url)",
    "an address": "import redis\nredis.from_url(settings.redis_url)",
}
LONG = {
    "aiohttp": "import aiohttp\naiohttp.ClientSession()",
    "boto3": "import boto3\nboto3.client('s3')",
    "openai": "from openai import OpenAI\nOpenAI()",
    "asyncpg": "import asyncpg\nasyncpg.create_pool(url)",
    "psycopg": "import psycopg\npsycopg.connect(url)",
    "asyncpg, perhaps": "import asyncpg\nasyncpg.connect(url, **options)",
}
OLD = {"requirements.txt": "redis==7.4.0\n"}


@pytest.mark.parametrize("case", FOREVER)
def test_calls_that_wait_for_ever(tmp_path: Path, case: str) -> None:
    files = {"src/app/calls.py": FOREVER[case], **OLD}
    assert len(ask(tmp_path, files, "call-without-timeout").of(State.FAIL)) == 1


@pytest.mark.parametrize("case", LIMITED)
def test_calls_that_have_a_limit(tmp_path: Path, case: str) -> None:
    assert state(tmp_path, {"src/app/calls.py": LIMITED[case], **OLD}, "RB201") is State.PASS


@pytest.mark.parametrize("case", NOT_OUT)
def test_what_only_looks_like_a_call(tmp_path: Path, case: str) -> None:
    assert state(tmp_path, {"src/app/calls.py": NOT_OUT[case]}, "RB201") is State.NA


@pytest.mark.parametrize("case", UNKNOWN)
def test_what_nobody_can_tell(tmp_path: Path, case: str) -> None:
    assert state(tmp_path, {"src/app/calls.py": UNKNOWN[case], **OLD}, "RB201") is State.UNKNOWN


@pytest.mark.parametrize("case", LONG)
def test_a_limit_of_minutes_is_a_warning(tmp_path: Path, case: str) -> None:
    assert state(tmp_path, {"src/app/calls.py": LONG[case]}, "RB201") is State.WARN


@pytest.mark.parametrize(
    ("lock", "expected"),
    [
        ({"uv.lock": 'name = "redis"\nversion = "8.0.0"\n'}, State.PASS),
        ({"poetry.lock": 'name = "redis"\nversion = "7.1"\n'}, State.FAIL),
        ({"requirements.txt": "redis[hiredis]==5.0.1\n"}, State.FAIL),
        ({"Pipfile.lock": '"redis": {"hashes": [], "version": "==8.1.0"}'}, State.PASS),
        ({"requirements.txt": "redis\nredis-py-cluster==2.0\n"}, State.UNKNOWN),
        ({}, State.UNKNOWN),
    ],
)
def test_defaults_are_those_of_the_locked_version(
    tmp_path: Path, lock: dict[str, str], expected: State
) -> None:
    files = {"src/app/calls.py": "import redis\nredis.Redis(host='h')\n", **lock}
    assert state(tmp_path, files, "RB201") is expected


def test_tests_scripts_and_examples_may_wait(tmp_path: Path) -> None:
    call = FOREVER["requests"]
    places = ["tests/a.py", "src/app/test_a.py", "scripts/a.py", "examples/a.py", "conftest.py"]
    result = ask(tmp_path, dict.fromkeys([*places, "src/app/scripts/a.py"], call), "RB201")
    assert lines(result) == ["src/app/scripts/a.py:2"]
