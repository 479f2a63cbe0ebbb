"""RB305: what all processes may open at once, against what the database allows and has memory for."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from roadbed.checklist.evidence import Place, failed, irrelevant, passed, unknown, warned
from roadbed.checklist.facts.deployment import Input, memory_of
from roadbed.checklist.rule import Item, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadbed.checklist.evidence import Evidence
    from roadbed.checklist.facts.pools import Pool, Size
    from roadbed.checklist.service import Service

GIB = 2**30
MIB = 2**20

# LEAST(memory / 9531392, 5000) connections (AWS prescriptive guidance, RDS and Aurora PostgreSQL),
# of nine tenths of the nominal memory: the rest is the machine's own.
BYTES_A_CONNECTION = 9_531_392
MOST_CONNECTIONS = 5_000
USABLE = 0.9
RESERVED = 10, 0.05  # for people, monitoring and the server itself: the larger
JOBS = 2  # a migration and a job of the day, unless told
SURGE = 0.25  # Kubernetes' own default
TIGHT = 0.8
SHARED_BUFFERS = 0.25  # RDS' default, of the memory
BACK_END = 10 * MIB  # of a connection that is used, work_mem apart
WORK_MEM_MIB = 4.0  # PostgreSQL's default
FULL = 0.75  # of the memory: the page cache needs the rest


@dataclass(frozen=True)
class _Sum:
    """A number, and how it came about."""

    value: int
    words: str


class _Inputs:
    """The numbers, wherever they stand: configuration, deployment, environment, settings."""

    def __init__(self, service: Service) -> None:
        self.given = service.configuration.database
        self.deployment = service.deployment
        self.settings = {
            each.name: Input(each.number, Place(each.path, each.line), each.name)
            for facts in service.code
            for each in facts.settings
        }
        self.missing: list[str] = []

    def named(self, *endings: str) -> Input | None:
        """A setting by the end of its name; what a workload sets beats the default."""
        for ending in endings:
            for name, value in self.deployment.environment.items():
                if name.lower().endswith(ending):
                    return value
            for name, value in self.settings.items():
                if name.endswith(ending):
                    return value
        return None

    def configured(self, name: str) -> float | None:
        """A number of [tool.roadbed.check.database]."""
        return self.given.get(name)

    def size(self, size: Size, what: str) -> int | None:
        """A pool's number, followed into the settings."""
        if size.number is not None:
            return size.number
        given = self.configured(what.replace("pool's ", "pool_"))
        if given is not None:
            return int(given)
        if not size.setting:
            self.missing.append(f"the {what}, which no call shows")
            return None
        found = self.named(size.setting.lower())
        if found is None:
            self.missing.append(f"the {what} (`{size.setting}`)")
            return None
        return int(found.value)

    def replicas(self) -> int | None:
        """Machines' processes at most, all workloads together."""
        if (given := self.configured("replicas")) is not None:
            return int(given)
        scaled = [each.value for each in self.deployment.replicas if each.name == "maxReplicas"]
        fixed = sum(each.value for each in self.deployment.replicas if each.name == "replicas")
        named = self.named("replicas")
        known = [*scaled, *([fixed] if fixed else []), *([named.value] if named else [])]
        if not known:
            self.missing.append("the number of replicas")
            return None
        return int(max(known))

    def workers(self) -> int:
        """Processes of a replica; servers start one unless told."""
        if (given := self.configured("workers")) is not None:
            return int(given)
        named = self.named("web_concurrency", "workers")
        known = [each.value for each in self.deployment.workers] + ([named.value] if named else [])
        return int(max(known, default=1)) or 1


def pool_exceeds_database(service: Service) -> Iterator[Evidence]:
    """All connections at the worst moment fit the database."""
    made = [pool for facts in service.code for pool in facts.pools]
    pools = [pool for pool in made if not pool.unseen] or made  # what is seen says what is not
    if not pools:
        yield irrelevant("No connection pool is made here")
        return
    inputs = _Inputs(service)
    peak = _peak(inputs, pools)
    room = _room(inputs)
    if peak is None or room is None:
        for what in dict.fromkeys(inputs.missing):
            yield unknown(
                f"The sum can't be made without {what} ([tool.roadbed.check.database])",
                pools[0],
                subject=what,
            )
        return
    sentence = f"{peak.words} = {peak.value} connections at the peak; {room.words} to be had"
    if peak.value > room.value:
        yield failed(sentence, pools[0], subject="peak")
    elif peak.value > TIGHT * room.value:
        yield warned(f"{sentence}: more than {TIGHT:.0%} of them", pools[0], subject="peak")
    else:
        yield passed(sentence, pools[0], subject="peak")
    yield from _memory_in_use(inputs, peak, pools[0])


def _peak(inputs: _Inputs, pools: list[Pool]) -> _Sum | None:
    """Connections to the server at the worst moment."""
    jobs = int(inputs.configured("jobs") or JOBS)
    pooler = inputs.configured("pooler_connections")
    if pooler is None and (named := inputs.named("pooler_connections")):
        pooler = named.value
    if pooler is not None:
        return _Sum(int(pooler) + jobs, f"{pooler:.0f} of the pooler + {jobs} jobs")
    if any(pool.unbounded for pool in pools) and not any(not pool.unbounded for pool in pools):
        inputs.missing.append("a pool: NullPool opens as many connections as there are requests")
        return None
    sizes = [
        (inputs.size(pool.kept, "pool's size"), inputs.size(pool.more, "pool's overflow"))
        for pool in pools
        if not pool.unbounded
    ]
    replicas, workers = inputs.replicas(), inputs.workers()
    if replicas is None or any(None in size for size in sizes):
        return None
    surge = inputs.deployment.surge.value if inputs.deployment.surge else SURGE
    running = ceil(replicas * (1 + surge))
    each = sum((kept or 0) + (more or 0) for kept, more in sizes)
    pool = " + ".join(f"({kept} + {more})" for kept, more in sizes)
    if beside := int(inputs.configured("beside_pools") or 0):
        each, pool = each + beside, f"({pool} + {beside})"
    words = f"{running} replicas (a surge of {surge:.0%} included) x {workers} workers x {pool} + {jobs} jobs"
    return _Sum(running * workers * each + jobs, words)


def _room(inputs: _Inputs) -> _Sum | None:
    """Connections that the server allows and has memory for, less a reserve."""
    allowed = inputs.configured("max_connections")
    if allowed is None:
        found = inputs.deployment.max_connections or inputs.named("max_connections")
        allowed = found.value if found else None
    memory = _memory(inputs)
    limits = []
    if allowed is not None:
        limits.append((int(allowed), f"{allowed:.0f} allowed"))
    if memory is not None:
        fitting = min(int(memory * USABLE / BYTES_A_CONNECTION), MOST_CONNECTIONS)
        limits.append((fitting, f"{fitting} that fit {memory / GIB:g} GiB of memory"))
    if not limits:
        inputs.missing.append("the database's max_connections, memory_gib or instance_class")
        return None
    limit, words = min(limits)
    reserved = max(RESERVED[0], ceil(limit * RESERVED[1]))
    return _Sum(limit - reserved, f"{words} - {reserved} reserved = {limit - reserved}")


def _memory(inputs: _Inputs) -> float | None:
    """The database's memory in bytes, where anything says it."""
    if (given := inputs.configured("memory_gib")) is not None:
        return given * GIB
    instance = inputs.given.get("instance_class")
    if instance is None and inputs.deployment.instance:
        instance = inputs.deployment.instance[0]
    if instance is not None:
        memory = memory_of(instance)
        if memory is None:
            inputs.missing.append(f"the memory of {instance}, which is no class that is known")
            return None
        return memory * GIB
    named = inputs.named("database_memory_mib", "memory_mib")
    return named.value * MIB if named else None


def _memory_in_use(inputs: _Inputs, peak: _Sum, pool: Pool) -> Iterator[Evidence]:
    memory = _memory(inputs)
    if memory is None:
        return
    work_mem = inputs.configured("work_mem_mib") or WORK_MEM_MIB
    used = SHARED_BUFFERS * memory + peak.value * (BACK_END + work_mem * MIB)
    if used > FULL * memory:
        yield warned(
            f"{peak.value} connections of {BACK_END / MIB + work_mem:g} MiB beside the shared buffers"
            f" take {used / memory:.0%} of {memory / GIB:g} GiB",
            pool,
            subject="memory",
        )


POOL_EXCEEDS_DATABASE = Rule(
    code="RB305",
    name="pool-exceeds-database",
    item=Item.POOL,
    promise="All connection pools together fit the database, also during a roll-out.",
    why="SQLAlchemy's defaults, 4 replicas and 2 workers are 155 connections: a small RDS has 101.",
    how=(
        "replicas x (1 + surge) x workers x (pool size + overflow + beside_pools) + jobs, against"
        " max_connections and against what the memory holds. The numbers come from create_engine and its like, settings'"
        " defaults, Kubernetes, Compose, Dockerfile, Gunicorn, Terraform, and"
        " [tool.roadbed.check.database]. A number that is nowhere is named, and the answer unknown."
    ),
    mistakes="What the environment of the running service overrides is not seen.",
    mend="Lower the pool, put PgBouncer in between (pooler_connections), or take a larger database.",
    sources=("the article's checklist, item 5", "AWS prescriptive guidance: max_connections"),
    check=pool_exceeds_database,
)
