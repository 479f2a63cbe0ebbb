"""Outgoing calls, and whether each says how long it waits: to connect and to read."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from roadbed.checklist.facts.clients import CLIENTS, GRPC_STUB, LIMITS, PACKAGES, Client
from roadbed.checklist.facts.module import Module, has_double_star, keyword, last, number, string

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.Module)
_DEEPEST = 5  # constants that name constants
_IN_A_THREAD = {"to_thread", "run_sync", "run_in_executor", "run_in_threadpool"}


class Wait(StrEnum):
    """How long a call waits, as far as its file tells."""

    LIMITED = "limited"
    DEFAULT = "default"  # nothing is said: the library decides
    FOREVER = "forever"  # somebody said None
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class OutgoingCall:
    """A call that leaves the process, or the making of a client whose calls do.

    Attributes:
        client: its name in `CLIENTS`; "grpc" for a stub of generated code.
        name: as it is called in the source.
        why: what is unclear, where it is.
        begins: the first line of the statement that it stands in.
    """

    path: str
    line: int
    client: str
    name: str
    wait: Wait
    why: str = ""
    begins: int = 0


def collect(module: Module) -> list[OutgoingCall]:
    """The outgoing calls of a file."""
    if not module.imports_any(*PACKAGES) and "_pb2_grpc" not in str(module.imports.values()):
        return []
    return list(_Reader(module).read())


def sets_default_timeout(module: Module) -> bool:
    """Whether the file gives every socket of the process a limit."""
    return any(
        module.dotted(call.func) == "socket.setdefaulttimeout"
        and not (call.args and _is_none(call.args[0]))
        for call in module.all(ast.Call)
    )


def _is_none(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


class _Reader:
    """Reads one file: which names hold clients, then what is called."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self._held: dict[tuple[ast.AST, str], tuple[str, ast.Call | None] | None] = {}
        self._find_clients()

    def read(self) -> Iterator[OutgoingCall]:
        for call in self.module.all(ast.Call):
            name = self._client_name(call.func) or self._inherited(call)
            if name and not (self._of(name).per_call or self._is_shadowed(call.func)):
                yield self._judged(call, name, call)
            elif isinstance(call.func, ast.Attribute):
                yield from self._method(call, call.func)
            yield from self._in_a_thread(call)

    def _of(self, name: str) -> Client:
        return GRPC_STUB if name == "grpc" else CLIENTS[name]

    def _client_name(self, function: ast.expr) -> str:
        dotted = self.module.dotted(function)
        if dotted in CLIENTS:
            return dotted
        if last(dotted).endswith("Stub") and "_pb2_grpc" in dotted:
            return "grpc"
        return ""

    def _inherited(self, call: ast.Call) -> str:
        """The client that `super().__init__(…)` makes, in a class of the team's own."""
        function = call.func
        if not (isinstance(function, ast.Attribute) and function.attr == "__init__"):
            return ""
        if not (isinstance(function.value, ast.Call) and ast.unparse(function.value) == "super()"):
            return ""
        around = (each for each in self.module.parents(call) if isinstance(each, ast.ClassDef))
        bases = next((each.bases for each in around), [])
        return next((name for base in bases if (name := self._client_name(base))), "")

    def _is_shadowed(self, function: ast.expr) -> bool:
        """Whether the name that seems to be a library's is a parameter or a local name."""
        while isinstance(function, ast.Attribute):
            function = function.value
        if not isinstance(function, ast.Name):
            return False
        return function.id not in self.module.imports or any(
            argument.arg == function.id
            for around in self.module.parents(function)
            if isinstance(around, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            for argument in ast.walk(around.args)
            if isinstance(argument, ast.arg)
        )

    # Names that hold clients ----------------------------------------------------------------

    def _find_clients(self) -> None:
        for assign in self.module.all(ast.Assign):
            for target in assign.targets:
                self._hold(target, assign.value, assign)
        for annotated in self.module.all(ast.AnnAssign):
            if annotated.value is not None:
                self._hold(annotated.target, annotated.value, annotated)
            else:
                self._hold_annotated(annotated.target, annotated.annotation, annotated)
        for item in self.module.all(ast.withitem):
            if item.optional_vars is not None:
                self._hold(item.optional_vars, item.context_expr, item)
        for argument in self.module.all(ast.arg):
            if argument.annotation is not None:
                name = ast.Name(argument.arg, ast.Load())
                self._hold_annotated(name, argument.annotation, argument)

    def _hold(self, target: ast.expr, value: ast.expr, at: ast.AST) -> None:
        key = self._key(target, at)
        if key is None or _is_none(value):
            return
        made = value.value if isinstance(value, ast.Await) else value
        name = self._client_name(made.func) if isinstance(made, ast.Call) else ""
        found = (name, made) if name and isinstance(made, ast.Call) else None
        # A name that once holds something else holds nothing that we know.
        self._held[key] = None if key in self._held and found is None else found

    def _hold_annotated(self, target: ast.expr, annotation: ast.expr, at: ast.AST) -> None:
        key = self._key(target, at)
        if isinstance(annotation, ast.BinOp):  # Session | None
            annotation = annotation.left
        name = self._client_name(annotation)
        if key is not None and name:
            self._held.setdefault(key, (name, None))

    def _key(self, target: ast.expr, at: ast.AST) -> tuple[ast.AST, str] | None:
        if isinstance(target, ast.Name):
            return self._scope(at), target.id
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
            for around in self.module.parents(at):
                if isinstance(around, ast.ClassDef):
                    return around, f"{target.value.id}.{target.attr}"
        return None

    def _scope(self, node: ast.AST) -> ast.AST:
        return next(each for each in self.module.parents(node) if isinstance(each, _SCOPES))

    def _holder(self, node: ast.expr) -> tuple[str, ast.Call | None] | None:
        """The client that an expression is: a constructor's call, or a name that holds one."""
        if isinstance(node, ast.Call):
            name = self._client_name(node.func)
            return (name, node) if name else None
        if isinstance(node, ast.Name):
            spelled = node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            spelled = f"{node.value.id}.{node.attr}"
        else:
            return None
        for around in self.module.parents(node):
            if isinstance(around, _SCOPES) and (around, spelled) in self._held:
                return self._held[around, spelled]
        return None

    # What is called -------------------------------------------------------------------------

    def _method(self, call: ast.Call, function: ast.Attribute) -> Iterator[OutgoingCall]:
        holder = self._holder(function.value)
        if holder is None:
            return
        name, made = holder
        client = self._of(name)
        spelled = f"{ast.unparse(function)[:60]}"
        if name == "grpc" and isinstance(self.module.parent(call), (ast.For, ast.AsyncFor)):
            return  # a stream of events, which is meant to last
        if client.per_call and (function.attr in client.per_call or "*" in client.per_call):
            judged = self._judged(call, name, call, spelled)
            if judged.wait is Wait.DEFAULT:
                judged = self._as_made(judged, name, made, function.value)
            yield judged
        elif function.attr in client.methods and _is_none(keyword(call, "timeout")):
            found = OutgoingCall(self.module.path, call.lineno, name, spelled, Wait.FOREVER)
            yield replace(found, begins=self.module.begins(call))

    def _as_made(
        self, call: OutgoingCall, name: str, made: ast.Call | None, holder: ast.expr
    ) -> OutgoingCall:
        """A call that says nothing, in the light of how its client was made."""
        if made is None:
            return self._unclear(call, "its client comes from elsewhere")
        limit = keyword(made, "timeout")
        if limit is not None:
            return self._with(call, *self._value(limit))
        if self._is_adapted(holder):
            return self._unclear(call, "its session has an adapter of its own")
        return call

    def _is_adapted(self, session: ast.expr) -> bool:
        spelled = ast.unparse(session)
        for call in self.module.all(ast.Call):
            function = call.func
            if isinstance(function, ast.Attribute) and function.attr == "mount":
                adapter = call.args[1] if len(call.args) > 1 else None
                plain = (
                    isinstance(adapter, ast.Call)
                    and last(self.module.dotted(adapter.func)) == "HTTPAdapter"
                )
                if ast.unparse(function.value) == spelled and not plain:
                    return True
        return any(
            isinstance(target, ast.Attribute) and ast.unparse(target.value) == spelled
            for assign in self.module.all(ast.Assign)
            for target in assign.targets
            if isinstance(target, ast.Attribute) and target.attr in {"request", "send", "timeout"}
        )

    def _in_a_thread(self, call: ast.Call) -> Iterator[OutgoingCall]:
        """`asyncio.to_thread(requests.get, url)`: the function is called, with these arguments."""
        if last(self.module.dotted(call.func)) not in _IN_A_THREAD and not (
            isinstance(call.func, ast.Attribute) and call.func.attr in _IN_A_THREAD
        ):
            return
        for place, argument in enumerate(call.args):
            name = self.module.dotted(argument)
            if name in CLIENTS and not CLIENTS[name].per_call:
                smuggled = ast.Call(argument, call.args[place + 1 :], call.keywords)
                ast.copy_location(smuggled, call)
                yield self._judged(smuggled, name, call)

    def _judged(self, call: ast.Call, name: str, at: ast.Call, spelled: str = "") -> OutgoingCall:
        client = self._of(name)
        spelled = spelled or ast.unparse(call.func)[:60]
        found = OutgoingCall(self.module.path, at.lineno, name, spelled, Wait.DEFAULT)
        found = replace(found, begins=self.module.begins(at))
        values = {
            argument: value
            for argument, position in client.arguments.items()
            if (value := keyword(call, argument, position)) is not None
        }
        waits = [self._value(value) for value in values.values()]
        for wait, why in waits:
            if wait is not Wait.LIMITED:
                return self._with(found, wait, why)
        said = bool(waits) and (not client.all_of or len(waits) == len(client.arguments))
        carried = any(keyword(call, each) is not None for each in client.carries)
        if said or carried or self._is_bounded_around(at):
            return self._with(found, Wait.LIMITED)
        if has_double_star(call):
            return self._unclear(found, "it passes on arguments that are not seen here")
        if client.url is not None and len(call.args) > client.url:
            return self._by_url(found, call.args[client.url])
        return found

    def _by_url(self, call: OutgoingCall, url: ast.expr) -> OutgoingCall:
        if isinstance(url, ast.Name):
            url = self.module.constants.get(url.id, url)
        address = string(url)
        if address is None:
            return self._unclear(call, "its address may name limits")
        return self._with(call, Wait.LIMITED) if "timeout=" in address else call

    def _is_bounded_around(self, call: ast.AST) -> bool:
        for around in self.module.parents(call):
            if isinstance(around, ast.Call) and self.module.dotted(around.func) in LIMITS:
                return not any(_is_none(each) for each in around.args[1:])
            if isinstance(around, (ast.AsyncWith, ast.With)):
                for item in around.items:
                    bound = item.context_expr
                    if isinstance(bound, ast.Call) and self.module.dotted(bound.func) in LIMITS:
                        return not any(_is_none(each) for each in bound.args)
            if isinstance(around, (ast.FunctionDef, ast.AsyncFunctionDef)):
                return False
        return False

    # What a limit is worth ------------------------------------------------------------------

    def _value(self, value: ast.expr, depth: int = 0) -> tuple[Wait, str]:
        """What an argument such as `timeout=value` means."""
        if _is_none(value):
            return Wait.FOREVER, ""
        if isinstance(value, ast.Tuple) and any(_is_none(each) for each in value.elts):
            return Wait.FOREVER, ""
        if isinstance(value, ast.Call):
            return self._limits(value), ""
        if isinstance(value, ast.Name):
            known = self.module.constants.get(value.id)
            if known is not None and depth < _DEEPEST:
                return self._value(known, depth + 1)
        if isinstance(value, ast.Name) and self._defaults_to_none(value):
            return Wait.UNCLEAR, f"`{value.id}` is None unless a caller says otherwise"
        maybe = isinstance(value, ast.IfExp) and (_is_none(value.body) or _is_none(value.orelse))
        return (Wait.UNCLEAR, "its limit may be None") if maybe else (Wait.LIMITED, "")

    def _limits(self, made: ast.Call) -> Wait:
        """What `httpx.Timeout(…)` and its like allow: to connect and to read."""
        name = self.module.dotted(made.func)
        if has_double_star(made):
            return Wait.LIMITED
        if name == "aiohttp.ClientTimeout":
            return _of_aiohttp(made)
        if name in {"httpx.Timeout", "httpx2.Timeout"}:
            return _of_httpx(made)
        if last(name) == "Timeout" and "urllib3" in name:
            return _of_urllib3(made)
        return Wait.LIMITED

    def _defaults_to_none(self, name: ast.Name) -> bool:
        for around in self.module.parents(name):
            if isinstance(around, (ast.FunctionDef, ast.AsyncFunctionDef)):
                rebound = any(
                    isinstance(node, ast.Name) and node.id == name.id
                    and isinstance(node.ctx, ast.Store)
                    for node in ast.walk(around)
                )  # fmt: skip
                return not rebound and _default(around.args, name.id)
        return False

    def _with(self, call: OutgoingCall, wait: Wait, why: str = "") -> OutgoingCall:
        return replace(call, wait=wait, why=why)

    def _unclear(self, call: OutgoingCall, why: str) -> OutgoingCall:
        return self._with(call, Wait.UNCLEAR, why)


def _of_aiohttp(made: ast.Call) -> Wait:
    """`total`, or both `sock_read` and a limit to connect; none of them is there by itself."""
    limits = {each.arg for each in made.keywords if not _unlimited(each.value)}
    whole = "total" in limits or (made.args and not _unlimited(made.args[0]))
    parts = "sock_read" in limits and limits & {"connect", "sock_connect"}
    return Wait.LIMITED if whole or parts else Wait.FOREVER


def _of_httpx(made: ast.Call) -> Wait:
    """One limit for all, and others for its parts."""
    parts = {each.arg: each.value for each in made.keywords}
    general = made.args[0] if made.args else parts.pop("timeout", None)
    ends = [parts.get(part, general) for part in ("connect", "read")]
    return Wait.FOREVER if any(_is_none(end) for end in ends) else Wait.LIMITED


def _of_urllib3(made: ast.Call) -> Wait:
    ends = [keyword(made, part) for part in ("connect", "read")]
    total = keyword(made, "total", 0)
    whole = total is not None and not _is_none(total)
    both = all(end is not None and not _is_none(end) for end in ends)
    return Wait.LIMITED if whole or both else Wait.FOREVER


def _unlimited(value: ast.expr) -> bool:
    return _is_none(value) or number(value) == 0


def _default(arguments: ast.arguments, name: str) -> bool:
    """Whether a parameter's default is None."""
    plain = [*arguments.posonlyargs, *arguments.args]
    defaults = dict(zip([each.arg for each in reversed(plain)], reversed(arguments.defaults)))  # noqa: B905 - the first have none
    defaults |= {
        each.arg: value
        for each, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if value is not None
    }
    return _is_none(defaults.get(name))
