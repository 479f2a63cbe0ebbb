"""Connections are a budget: what all processes may open at once has to fit the database.

An RDS or Aurora PostgreSQL allows LEAST(memory in bytes / 9531392, 5000) connections, and each one
in use takes about 10 MiB of that memory (AWS prescriptive guidance).
"""

from math import ceil

from .settings import KitSettings, UnsafeSettings

DEPLOY_SURGE = 0.25  # replicas of the new release that run beside those of the old one
JOBS = 2  # the migration job and a purge
RESERVED = 10, 0.05  # connections for people, monitoring and the server itself: the larger
BYTES_A_CONNECTION = 9_531_392
USABLE_MEMORY = 0.9  # of the nominal memory; the rest is the machine's own


def check(settings: KitSettings) -> None:
    """Raise `UnsafeSettings`, with the arithmetic, unless the peak fits."""
    peak, peak_sum = _peak(settings)
    limit, limit_sum = _limit(settings)
    reserved = max(RESERVED[0], ceil(limit * RESERVED[1]))
    if peak > limit - reserved:
        raise UnsafeSettings(
            f"The connection pools do not fit the database: {peak_sum} = {peak} connections at the"
            f" peak, and {limit_sum} - {reserved} reserved = {limit - reserved} to be had. Lower"
            " DATABASE_POOL_SIZE or DATABASE_POOL_OVERFLOW, or correct REPLICAS, WEB_CONCURRENCY,"
            " DATABASE_MAX_CONNECTIONS or DATABASE_MEMORY_MIB"
        )


def _peak(settings: KitSettings) -> tuple[int, str]:
    """Connections to the server at the worst moment, and how they add up."""
    if settings.database_pooler_connections is not None:
        peak = settings.database_pooler_connections + JOBS
        return peak, f"{settings.database_pooler_connections} of the pooler + {JOBS} jobs"
    replicas = ceil(settings.replicas * (1 + DEPLOY_SURGE))
    pool = settings.database_pool_size + settings.database_pool_overflow
    workers = settings.web_concurrency
    return (
        replicas * workers * pool + JOBS,
        f"{replicas} replicas (surge included) x {workers} workers x {pool} + {JOBS} jobs",
    )


def _limit(settings: KitSettings) -> tuple[int, str]:
    """Connections that the server allows or has memory for, and where the number comes from."""
    memory = settings.database_memory_mib
    if memory is not None:
        fitting = min(int(memory * 2**20 * USABLE_MEMORY / BYTES_A_CONNECTION), 5000)
        if fitting < settings.database_max_connections:
            return fitting, f"{fitting} that fit {memory} MiB of memory"
    return settings.database_max_connections, f"{settings.database_max_connections} allowed"
