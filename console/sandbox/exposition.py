"""/metrics: what node_exporter, postgres_exporter and the service itself say, as Prometheus text (format 0.0.4).

The host's figures are simulated (baseline.py); the database's are asked of the database at each scrape.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from console.sandbox import baseline
from console.sandbox.identity import service_of
from console.sandbox.replies import ApiError
from console.sandbox.service import ENVIRONMENT, Service

_DATABASE = """
    SELECT numbackends, blks_hit, blks_read, xact_commit, xact_rollback, deadlocks, tup_inserted, tup_updated,
           pg_database_size(datid) AS size_bytes, current_setting('max_connections')::int AS max_connections,
           (SELECT count(*) FROM pg_locks WHERE granted) AS locks,
           (SELECT count(*) FROM pg_locks WHERE NOT granted) AS locks_waiting,
           (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
           CASE WHEN pg_is_in_recovery()
                THEN coalesce(extract(epoch FROM now() - pg_last_xact_replay_timestamp()), 0) ELSE 0 END AS lag_s,
           extract(epoch FROM pg_postmaster_start_time()) AS started
    FROM pg_stat_database WHERE datname = current_database()
"""


class _Text:
    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(
        self, name: str, kind: str, help_text: str, samples: Iterable[tuple[Mapping[str, str], float]]
    ) -> None:
        self._lines += [f"# HELP {name} {help_text}", f"# TYPE {name} {kind}"]
        for labels, value in samples:
            self.sample(name, labels, value)

    def sample(self, name: str, labels: Mapping[str, str], value: float) -> None:
        text = ",".join(f'{k}="{_escape(v)}"' for k, v in labels.items())
        self._lines.append(f"{name}{{{text}}} {value!r}" if text else f"{name} {value!r}")

    def one(self, name: str, kind: str, help_text: str, value: float) -> None:
        self.add(name, kind, help_text, [({}, float(value))])

    def __str__(self) -> str:
        return "\n".join(self._lines) + "\n"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


async def metrics(request: Request) -> Response:
    service = service_of(request)
    text = _Text()
    _host(text, service, time.time())
    _service(text, service)
    await _database(text, service)
    return Response(str(text), media_type="text/plain; version=0.0.4; charset=utf-8")


def _host(text: _Text, service: Service, now: float) -> None:
    text.add(
        "node_cpu_seconds_total", "counter", "Seconds the CPUs spent in each mode.",
        [({"cpu": "0", "mode": mode}, seconds) for mode, seconds in service.cpu_s.items()],
    )  # fmt: skip
    text.one("node_load1", "gauge", "1m load average.", 2 * service.cpu_busy_pct(now) / 100)
    text.one(
        "node_memory_MemTotal_bytes",
        "gauge",
        "Memory information field MemTotal_bytes.",
        service.memory_bytes,
    )
    available = service.memory_bytes * (1 - service.memory_pct(now) / 100)
    text.one(
        "node_memory_MemAvailable_bytes",
        "gauge",
        "Memory information field MemAvailable_bytes.",
        int(available),
    )
    labels = {"device": "/dev/nvme1n1", "fstype": "ext4", "mountpoint": "/data"}
    free = int(baseline.DISK_BYTES * (1 - baseline.disk_pct(now) / 100))
    text.add(
        "node_filesystem_size_bytes",
        "gauge",
        "Filesystem size in bytes.",
        [(labels, float(baseline.DISK_BYTES))],
    )
    text.add("node_filesystem_avail_bytes", "gauge", "Filesystem space available.", [(labels, float(free))])
    text.add(
        "node_filesystem_free_bytes", "gauge", "Filesystem free space in bytes.", [(labels, float(free))]
    )
    for direction, value in service.network_bytes.items():
        text.add(
            f"node_network_{direction}_bytes_total", "counter", f"Network device statistic {direction}_bytes.",
            [({"device": "eth0"}, float(value))],
        )  # fmt: skip
    text.one(
        "node_boot_time_seconds", "gauge", "Node boot time, in unixtime.", service.started_at - 86_400 * 12
    )


def _service(text: _Text, service: Service) -> None:
    text.add(
        "platform_build_info", "gauge", "The running release.",
        [({"version": service.version, "environment": ENVIRONMENT}, 1.0)],
    )  # fmt: skip
    text.one(
        "process_start_time_seconds",
        "gauge",
        "Start time of the process since unix epoch.",
        service.started_at,
    )
    text.add(
        "http_requests_total", "counter", "Requests answered.",
        [
            ({"method": method, "path": path, "code": str(code)}, float(count))
            for (method, path, code), count in sorted(service.requests.items())
        ],
    )  # fmt: skip
    text.add("http_request_duration_seconds", "summary", "Time to the end of the answer.", [])
    counts: dict[str, int] = {}
    for (_, path, _), count in service.requests.items():
        counts[path] = counts.get(path, 0) + count
    for path, seconds in sorted(service.durations_s.items()):
        text.sample("http_request_duration_seconds_sum", {"path": path}, seconds)
        text.sample("http_request_duration_seconds_count", {"path": path}, float(counts.get(path, 0)))
    text.one("realtime_connections", "gauge", "Open websocket connections.", service.hub.connections)
    text.one("realtime_messages_total", "counter", "Messages sent to listeners.", service.hub.messages)
    text.one(
        "platform_blocked_requests_total",
        "counter",
        "Requests the block list refused.",
        service.blocked_requests,
    )
    text.one("platform_rate_limited_total", "counter", "Requests answered 429.", service.rate_limited)
    text.one("platform_maintenance", "gauge", "1 while in maintenance.", service.maintenance)
    text.add(
        "provider_up", "gauge", "1 while the market data provider answers.",
        [({"provider": name}, float(not p.down)) for name, p in service.providers.items()],
    )  # fmt: skip


async def _database(text: _Text, service: Service) -> None:
    try:
        async with service.database.connection() as connection:
            row = await connection.fetchrow(_DATABASE)
            blocked = await connection.fetchval(
                "SELECT coalesce(sum(requests), 0)::int FROM blocked_requests "
                "WHERE created_at > now() - interval '24 hours'"
            )
            sessions = await connection.fetchval("SELECT count(*) FROM user_sessions WHERE status = 'active'")
    except ApiError:
        row, blocked, sessions = None, 0, 0
    text.one("pg_up", "gauge", "1 while the database answers.", row is not None)
    if row is None:
        return
    text.one("platform_blocked_requests_24h", "gauge", "Requests refused in the last 24 hours.", blocked or 0)
    text.one("http_sessions", "gauge", "People who are signed in.", sessions or 0)
    labels = {"datname": "platform"}
    for column, name, kind, help_text in (
        ("numbackends", "pg_stat_database_numbackends", "gauge", "Backends connected to this database."),
        ("blks_hit", "pg_stat_database_blks_hit", "counter", "Blocks found in the buffer cache."),
        ("blks_read", "pg_stat_database_blks_read", "counter", "Blocks read from disk."),
        ("xact_commit", "pg_stat_database_xact_commit", "counter", "Transactions committed."),
        ("xact_rollback", "pg_stat_database_xact_rollback", "counter", "Transactions rolled back."),
        ("deadlocks", "pg_stat_database_deadlocks", "counter", "Deadlocks detected."),
        ("tup_inserted", "pg_stat_database_tup_inserted", "counter", "Rows inserted."),
        ("tup_updated", "pg_stat_database_tup_updated", "counter", "Rows updated."),
        ("size_bytes", "pg_database_size_bytes", "gauge", "Size of the database."),
    ):
        text.add(name, kind, help_text, [(labels, float(row[column]))])
    text.add(
        "pg_locks_count", "gauge", "Locks, held and waited for.",
        [({"state": "granted"}, float(row["locks"])), ({"state": "waiting"}, float(row["locks_waiting"]))],
    )  # fmt: skip
    text.one("pg_stat_activity_count", "gauge", "Client connections to the server.", row["connections"])
    text.one(
        "pg_settings_max_connections", "gauge", "Most connections the server takes.", row["max_connections"]
    )
    text.one("pg_replication_lag_seconds", "gauge", "Delay behind the primary, 0 on one.", row["lag_s"])
    text.one("pg_postmaster_start_time_seconds", "gauge", "Start of the server.", row["started"])
