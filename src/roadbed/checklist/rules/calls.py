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
    default, note = _default(service, client, sockets_bounded=sockets_bounded)
    missing = " and ".join(client.arguments) or "a limit around it"
    say, why = {
        (Wait.LIMITED, None): (passed, "has its limit"),
        (Wait.FOREVER, None): (failed, "takes the limit away: None waits for ever"),
        (Wait.UNCLEAR, Default.BOUNDED): (passed, f"has the library's own limit: {note}"),
        (Wait.UNCLEAR, Default.LONG): (warned, f"may rely on the library's limit: {note}"),
        (Wait.UNCLEAR, Default.FOREVER): (unknown, f"may wait for ever: {call.why}"),
        (Wait.UNCLEAR, Default.UNKNOWN): (unknown, f"may wait for ever: {call.why}"),
        (Wait.DEFAULT, Default.BOUNDED): (passed, f"has the library's own limit: {note}"),
        (Wait.DEFAULT, Default.LONG): (warned, f"relies on the library's limit: {note}"),
        (Wait.DEFAULT, Default.UNKNOWN): (unknown, f"may wait for ever: {note}"),
        (Wait.DEFAULT, Default.FOREVER): (failed, f"waits for ever: give it {missing} ({note})"),
    }[call.wait, None if call.wait in {Wait.LIMITED, Wait.FOREVER} else default]
    return say(f"{call.name}(…) {why}", call, subject=call.name)


def _default(service: Service, client: Client, *, sockets_bounded: bool) -> tuple[Default, str]:
    """What the library does by itself, in the version that the service has locked."""
    if client.by_socket and sockets_bounded:
        return Default.BOUNDED, "socket.setdefaulttimeout"
    if client.bounded_since is None:
        return client.default, client.note
    package, major = client.bounded_since
    version = service.locked(package)
    if version is None:
        return Default.UNKNOWN, f"{client.note}, and no lock file says which version this is"
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
