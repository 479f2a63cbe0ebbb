"""A service whose calls meet another one that hangs, drops, answers late, garbage or never."""

import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from .cases import lay_over, run_cases
from .rendering import Service

# Files, each with a client of its own…
CLIENTS = {
    "httpx2_client": "import httpx2\n\nCLIENT = httpx2.AsyncClient()\n",
    "httpx2_alias": "import httpx2 as web\n\n\ndef go():\n    return web.get('http://x')\n",
    "httpx2_from": "from httpx2 import Client\n",
    "httpx2_inside": "from httpx2._client import AsyncClient as Request\n",
    "httpx2_star": "from httpx2 import *\n",
    "httpx2_transport": "import httpx2\n\nWAY = httpx2.AsyncHTTPTransport\n",
    "httpx_import": "import httpx\n",
    "requests_late": "def go():\n    import requests\n",
    "aiohttp_from": "from aiohttp import ClientSession\n",
    "urllib_request": "import urllib.request\n",
    "urllib_from": "from urllib import request\n",
    "urllib_call": "from urllib.request import urlopen\n",
    "urllib3_pool": "import urllib3.poolmanager\n",
    "http_client": "from http.client import HTTPConnection\n",
    "hidden_import": "import importlib\n\nr = importlib.import_module('requests')\n",
    "hidden_name": "r = __import__('httpx')\n",
}
# …and what only looks like it.
NO_CLIENTS = {
    "httpx2_errors": "import httpx2\n\nERRORS = httpx2.HTTPError, httpx2.Request, httpx2.Response\n",
    "httpx2_types": "from httpx2 import URL, Headers, TimeoutException\n",
    "urllib_parse": "from urllib.parse import quote\nimport urllib.error\n",
    "http_status": "from http import HTTPStatus\nimport http.cookies\n",
    "own_names": "from .requests import get\nrequests = get\nrequests.get()\n",
    "other_import": "import importlib\n\nr = importlib.import_module('orders.modules')\n",
    "a_string": "WORDS = 'import requests'\n",
}


@pytest.fixture(scope="module")
def calling(installed: Callable[..., Service]) -> Service:
    """A service with modules that make calls: one for the tests, and the documented one."""
    service = installed()
    lay_over(service, "outgoing")
    write_documented(service.folder)
    return service


def write_documented(folder: Path) -> None:
    """Do what ARCHITECTURE says about calls, letter by letter, in a module of another name."""
    text = (folder / "ARCHITECTURE.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    module = folder / "src" / "orders" / "modules" / "documented"
    module.mkdir()
    (module / "__init__.py").touch()
    (module / "routes.py").write_text(code.replace("/purchases", "/documented"))
    (setting,) = re.findall(r"`(charges_url: str)`", text)
    with (folder / "src" / "orders" / "settings.py").open("a") as settings:
        settings.write(f'\n    {setting} = "http://nowhere.invalid"\n')


def test_calls_end_and_are_made_once(calling: Service, env: Mapping[str, str]) -> None:
    run_cases(calling, "outgoing", env)


def test_another_source_of_clients_is_named(calling: Service, env: Mapping[str, str]) -> None:
    module = calling.folder / "src" / "orders" / "modules" / "mutants"
    module.mkdir()
    for name, text in (CLIENTS | NO_CLIENTS).items():
        (module / f"{name}.py").write_text(text)
    done = subprocess.run(
        [".venv/bin/python", "-m", "pytest", "--quiet", "tests/rules/test_outgoing.py"],
        cwd=calling.folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    shutil.rmtree(module)
    named = set(re.findall(r"^modules/mutants/(\w+)\.py:\d+ uses ", done.stdout, re.MULTILINE))
    assert named == CLIENTS.keys()
    assert "How to mend it: take Outgoing" in done.stdout
