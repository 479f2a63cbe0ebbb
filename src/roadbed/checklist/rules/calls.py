"""RB2: calls that leave the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadbed.checklist.evidence import failed, irrelevant, passed, unknown, warned
from roadbed.checklist.facts.calls import Wait
from roadbed.checklist.facts.clients import CLIENTS, GRPC_STUB, Client, Default
from roadbed.checklist.rule import Item, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadbed.checklist.evidence import Evidence
    from roadbed.checklist.facts.calls import OutgoingCall
    from roadbed.checklist.service import Service


def call_without_timeout(service: Service) -> Iterator[Evidence]:
    """Every call out says how long it waits, to connect and to read."""
    sockets_bounded = any(facts.sets_default_timeout for facts in service.code)
    calls = [call for facts in service.code for call in facts.calls]
    for call in calls:
        client = GRPC_STUB if call.client == "grpc" else CLIENTS[call.client]
        yield _judged(service, call, client, sockets_bounded=sockets_bounded)
    if not calls:
        yield irrelevant("No client of the ones that are known calls out")


def _judged(
    service: Service, call: OutgoingCall, client: Client, *, sockets_bounded: bool
) -> Evidence:
    subject = call.name
    if call.wait is Wait.LIMITED:
        return passed(f"{call.name}(…) has its limit", call, subject=subject)
    if call.wait is Wait.FOREVER:
        return failed(f"{call.name}(…) takes the limit away: None waits for ever", call, subject=subject)
    default, note = _default(service, client, sockets_bounded=sockets_bounded)
    if default is Default.BOUNDED:
        return passed(f"{call.name}(…) has the library's own limit: {note}", call, subject=subject)
    if call.wait is Wait.UNCLEAR and default is not Default.LONG:
        return unknown(f"{call.name}(…) may wait for ever: {call.why}", call, subject=subject)
    if default is None:
        return unknown(f"{call.name}(…) may wait for ever: {note}", call, subject=subject)
    if call.wait is Wait.UNCLEAR:
        return passed(f"{call.name}(…) has a limit, long or short: {call.why}", call, subject=subject)
    if default is Default.LONG:
        return warned(f"{call.name}(…) relies on the library's limit: {note}", call, subject=subject)
    missing = " and ".join(client.arguments) or "a limit around it"
    return failed(f"{call.name}(…) waits for ever: give it {missing} ({note})", call, subject=subject)


def _default(
    service: Service, client: Client, *, sockets_bounded: bool
) -> tuple[Default | None, str]:
    """What the library does by itself, in the version that the service has locked."""
    if client.by_socket and sockets_bounded:
        return Default.BOUNDED, "socket.setdefaulttimeout"
    if client.bounded_since is None:
        return client.default, client.note
    package, major = client.bounded_since
    version = service.locked(package)
    if version is None:
        return None, f"{client.note}, and no lock file says which version this is"
    if version >= (major,):
        return Default.BOUNDED, f"that of {package} {'.'.join(map(str, version))}"
    return client.default, client.note


RULES = (
    Rule(
        code="RB201",
        name="call-without-timeout",
        item=Item.TIMEOUTS,
        promise="Every outgoing call has a limit, to connect and to read.",
        why="One slow neighbour without a limit takes every worker of the service with it.",
        how=(
            "The syntax tree: imports, aliases, client objects and the settings that they were made"
            " with, against a table of clients and their defaults in the locked version. An explicit"
            " None fails; the library's own limit passes, and warns where it is minutes."
        ),
        mistakes=(
            "Calls through functions of the team's own are not followed. What a `**mapping` or an"
            " address brings along is unknown, not a failure."
        ),
        mend="Give `timeout=` where the client is made; for requests, at each call.",
        sources=(
            "the article's checklist, item 2",
            "AWS Well-Architected REL05-BP05, “Set client timeouts”",
        ),
        check=call_without_timeout,
    ),
)
