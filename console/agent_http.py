"""The agent's own /health (in the shape specified for the platform) and /metrics, on loopback."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from console import __version__
from console.domain.errors import Misuse
from console.domain.format import iso
from console.domain.health import Status

if TYPE_CHECKING:
    from console.agent import Vitals

_CHECKS = {
    "database": "database",
    "redis": "cache",
    "external_apis": "external_apis",
    "edge_functions": "edge_functions",
    "websocket": "websocket",
}
_WORDS = {Status.OK: "ok", Status.DEGRADED: "degraded", Status.DOWN: "error", Status.UNKNOWN: "unknown"}


def health(vitals: Vitals, environment: str, now: datetime) -> tuple[int, dict[str, Any]]:
    """HTTP status (200 when every check is ok, else 503) and body."""
    seen = {check.component: check for check in vitals.checks}
    checks = {}
    for name, component in _CHECKS.items():
        check = seen.get(component)
        checks[name] = {
            "status": _WORDS[check.status] if check else "unknown",
            "latency": check.latency_ms if check else None,
            "details": check.detail if check else "not checked yet",
        }
    # A stand-by checks nothing, and is well as long as it could take over.
    seen_good = not vitals.leads or all(c["status"] == "ok" for c in checks.values())
    good = vitals.store_away is None and seen_good
    return (200 if good else 503), {
        "status": "ok" if good else "error",
        "timestamp": iso(now),
        "uptime": round(time.monotonic() - vitals.started, 1),
        "version": __version__,
        "environment": environment,
        "agent": {
            "name": vitals.name,
            "leads": vitals.leads,
            "fence": vitals.fence,
            "store": vitals.store_away or "ok",
            "last_tick": iso(vitals.at) if vitals.at else None,
        },
        "checks": checks,
    }


def metrics(vitals: Vitals) -> str:
    """Prometheus text: the agent itself, each component, and every metric with a value."""
    lines = [
        "# TYPE tradex_agent_leads gauge",
        f"tradex_agent_leads {int(vitals.leads)}",
        "# TYPE tradex_agent_ticks_total counter",
        f"tradex_agent_ticks_total {vitals.ticks}",
        "# TYPE tradex_agent_ticks_skipped_total counter",
        f"tradex_agent_ticks_skipped_total {vitals.ticks_skipped}",
        "# TYPE tradex_agent_ticks_failed_total counter",
        f"tradex_agent_ticks_failed_total {vitals.ticks_failed}",
        "# TYPE tradex_agent_tick_seconds gauge",
        f"tradex_agent_tick_seconds {vitals.tick_seconds:.6f}",
        "# TYPE tradex_component_up gauge",
    ]
    lines += [
        f'tradex_component_up{{component="{c.component}"}} {int(c.status is not Status.DOWN)}'
        for c in vitals.checks
    ]
    for value in vitals.values:
        if isinstance(value.value, int | float) and math.isfinite(value.value):
            lines += [f"# TYPE tradex_{value.name} gauge", f"tradex_{value.name} {value.value!r}"]
    return "\n".join(lines) + "\n"


@contextmanager
def serve(vitals: Vitals, port: int, environment: str = "") -> Iterator[int]:
    """Answer on 127.0.0.1 in a thread of its own while the block runs; yields the port."""

    class Handler(BaseHTTPRequestHandler):
        server_version = f"tradex/{__version__}"
        timeout = 5

        def do_GET(self) -> None:
            if self.path == "/health":
                status, body = health(vitals, environment, datetime.now(UTC))
                self._answer(status, "application/json", json.dumps(body))
            elif self.path == "/metrics":
                self._answer(200, "text/plain; version=0.0.4; charset=utf-8", metrics(vitals))
            else:
                self._answer(404, "application/json", json.dumps({"error": "not found"}))

        def _answer(self, status: int, kind: str, body: str) -> None:
            data = body.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """Scrapes are not worth a log line."""

    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise Misuse(f"agent.health_port: cannot listen on 127.0.0.1:{port}: {error.strerror}") from None
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
