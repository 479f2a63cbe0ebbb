"""How many processes run: Kubernetes, Compose, Dockerfile, Procfile, Gunicorn, Terraform."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from roadbed.checklist.evidence import Place
from roadbed.checklist.facts.marked import NotYaml, load_all, mapping, sequence

if TYPE_CHECKING:
    from roadbed.checklist.tree import Tree

_KINDS = re.compile(
    r"(?m)^\s*kind:\s*[\"']?(Deployment|StatefulSet|Rollout|HorizontalPodAutoscaler)"
)
_WORKERS = re.compile(r"(?:--workers[=\s\",']+|\s-w[\s\",']+|WEB_CONCURRENCY[=\s]+)(\d+)")
_GUNICORN = re.compile(r"(?m)^workers\s*=\s*(\d+)\s*$")
_INSTANCE = re.compile(r"(?m)^\s*instance_class\s*=\s*\"(db\.[\w.]+)\"")
_MAX_CONNECTIONS = re.compile(r"max_connections[=\s\",']+(\d+)")


@dataclass(frozen=True)
class Input:
    """A number, and where it was read."""

    value: float
    place: Place
    name: str


@dataclass
class Deployment:
    """What the files say of the processes, and of the database.

    Attributes:
        replicas: of each workload that serves; the largest of replicas and autoscaler counts.
        surge: processes that run beside them during a roll-out, as a part of the replicas.
        workers: processes of a replica.
        environment: whole numbers that the workloads set, by variable.
        max_connections: what the database is told to allow.
        instance: the class of the database's machine.
    """

    replicas: list[Input] = field(default_factory=list)
    surge: Input | None = None
    workers: list[Input] = field(default_factory=list)
    environment: dict[str, Input] = field(default_factory=dict)
    max_connections: Input | None = None
    instance: tuple[str, Place] | None = None
    processes: int = 0  # services of a Compose file that are ours


def find(tree: Tree) -> Deployment:
    """Read what runs the service."""
    found = Deployment()
    for path in tree.production(".yml", ".yaml"):
        text = tree.text(path)
        compose = re.search(r"(^|/)(docker-)?compose[^/]*\.ya?ml$", path)
        if not (compose or _KINDS.search(text)):
            continue
        try:
            for document in load_all(text):
                _compose(path, document, found) if compose else _kubernetes(path, document, found)
        except NotYaml as error:
            if "{{" not in text:  # a chart's template is YAML only once it is rendered
                tree.problem(Place(path, error.line), f"is no YAML: {error}")
    _texts(tree, found)
    return found


def _kubernetes(path: str, document: Any, found: Deployment) -> None:
    content = mapping(document)
    spec = mapping(content.get("spec"))
    lines = getattr(spec, "lines", {})
    if content.get("kind") == "HorizontalPodAutoscaler":
        _number(
            found.replicas,
            spec.get("maxReplicas"),
            Place(path, lines.get("maxReplicas", 0)),
            "maxReplicas",
        )
        return
    if content.get("kind") not in {"Deployment", "StatefulSet", "Rollout"}:
        return
    template = mapping(mapping(spec.get("template")).get("spec"))
    containers = [mapping(each) for each in sequence(template.get("containers"))]
    if any("postgres" in str(each.get("image", "")) for each in containers):
        return
    _number(
        found.replicas, spec.get("replicas", 1), Place(path, lines.get("replicas", 0)), "replicas"
    )
    _surge(path, spec, found)
    for container in containers:
        for variable in sequence(container.get("env")):
            _variable(
                found,
                path,
                mapping(variable).get("name"),
                mapping(variable).get("value"),
                getattr(variable, "line", 0),
            )
        _command(
            found,
            path,
            [*sequence(container.get("command")), *sequence(container.get("args"))],
            getattr(container, "line", 0),
        )


def _surge(path: str, spec: dict[str, Any], found: Deployment) -> None:
    rolling = mapping(mapping(spec.get("strategy")).get("rollingUpdate"))
    surge = rolling.get("maxSurge")
    place = Place(path, getattr(rolling, "lines", {}).get("maxSurge", 0))
    replicas = spec.get("replicas")
    if isinstance(surge, str) and re.fullmatch(r"\d{1,4}%", surge):
        found.surge = Input(int(surge[:-1]) / 100, place, "maxSurge")
    elif isinstance(surge, int) and isinstance(replicas, int) and replicas > 0:
        found.surge = Input(surge / replicas, place, "maxSurge")


def _compose(path: str, document: Any, found: Deployment) -> None:
    for service in mapping(mapping(document).get("services")).values():
        content = mapping(service)
        line = getattr(content, "line", 0)
        command = content.get("command")
        words = command if isinstance(command, list) else [command]
        if re.search(
            r"postgres|pgbouncer|redis|valkey|prometheus|grafana|nginx|traefik",
            str(content.get("image", "")),
        ):
            limit = _MAX_CONNECTIONS.search(" ".join(map(str, words)))
            if limit:
                found.max_connections = Input(int(limit[1]), Place(path, line), "max_connections")
            continue
        found.processes += 1
        replicas = mapping(content.get("deploy")).get("replicas", content.get("scale", 1))
        _number(found.replicas, replicas, Place(path, line), "replicas")
        _command(found, path, words, line)
        environment = content.get("environment")
        if isinstance(environment, dict):
            for name, value in environment.items():
                _variable(
                    found, path, name, value, getattr(environment, "lines", {}).get(name, line)
                )
        for each in sequence(environment):
            name, _, value = str(each).partition("=")
            _variable(found, path, name, value, line)


def _command(found: Deployment, path: str, words: list[Any], line: int) -> None:
    workers = _WORKERS.search(" ".join(map(str, words)))
    if workers:
        found.workers.append(Input(_whole(workers[1]), Place(path, line), "workers"))


def _variable(found: Deployment, path: str, name: Any, value: Any, line: int) -> None:
    if isinstance(name, str) and re.fullmatch(r"\d{1,9}", str(value)):
        found.environment[name.upper()] = Input(int(str(value)), Place(path, line), name.upper())


def _number(into: list[Input], value: Any, place: Place, name: str) -> None:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9:
        into.append(Input(value, place, name))


def _whole(digits: str) -> int:
    return int(digits[:9])


def _texts(tree: Tree, found: Deployment) -> None:
    """What stands in files that are no YAML."""
    for path in tree.files:
        name = path.rpartition("/")[2]
        if re.match(r"(Docker|Container|Proc)file", name):
            _lines(path, tree.text(path), _WORKERS, found.workers, "workers")
        elif name in {"gunicorn.conf.py", "gunicorn_conf.py"}:
            _lines(path, tree.text(path), _GUNICORN, found.workers, "workers")
        elif name.endswith(".tf"):
            instance = _INSTANCE.search(tree.text(path))
            if instance:
                line = tree.text(path).count("\n", 0, instance.start(1)) + 1
                found.instance = instance[1], Place(path, line)


def _lines(path: str, text: str, pattern: re.Pattern[str], into: list[Input], name: str) -> None:
    for match in pattern.finditer(text):
        line = text.count("\n", 0, match.start(1)) + 1
        into.append(Input(_whole(match[1]), Place(path, line), name))


_GIB_A_CORE = {"c": 2, "m": 4, "r": 8, "x": 16}
_SIZES = {"medium": 1, "large": 2, "xlarge": 4}
_BURSTABLE = {
    "nano": 0.5,
    "micro": 1,
    "small": 2,
    "medium": 4,
    "large": 8,
    "xlarge": 16,
    "2xlarge": 32,
}


def memory_of(instance: str) -> float | None:
    """The nominal memory of an RDS instance class (`db.r6g.2xlarge`), in GiB.

    Source: the naming scheme of AWS: a family's letter says how much memory a core has.
    """
    found = re.fullmatch(r"db\.([a-z])\d*\w*\.(\w+)", instance)
    if not found:
        return None
    family, size = found.groups()
    if family == "t":
        return _BURSTABLE.get(size)
    many = re.fullmatch(r"(\d{1,3})xlarge", size)
    cores = 4 * int(many[1]) if many else _SIZES.get(size)
    each = _GIB_A_CORE.get(family)
    return (
        None if cores is None or each is None or not math.isfinite(cores) else float(cores * each)
    )
