"""Whose address counts."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from starlette.types import Scope


def address(scope: Scope) -> str:
    """The address that a request came from, as uvicorn found it: behind the proxies it trusts."""
    client = scope.get("client")
    return _network(client[0]) if client else "nowhere"


@lru_cache(maxsize=4096)
def _network(host: str) -> str:
    """An IPv4 address, or the /64 of an IPv6 one: a customer has all of it."""
    try:
        found = ip_address(host)
    except ValueError:
        return host
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return f"{IPv6Address(int(found) >> 64 << 64)}/64"
