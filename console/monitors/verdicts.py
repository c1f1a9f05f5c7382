"""What an answer says about a component: status, latency and a short detail. Pure; the asking is in probes.py."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from console.domain.errors import SourceFailed
from console.domain.format import age
from console.domain.health import Status
from console.domain.text import printable
from console.gateway.http import Response

# The function ran and refused the harmless body, or counted it: it answers.
_REFUSED = frozenset({400, 405, 409, 415, 422, 429})
_WHY_DOWN = {401: "unauthorized", 404: "not found"}
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """A check without component and time. `latency_ms` is None when no answer came."""

    status: Status
    latency_ms: float | None
    detail: str


def slow(outcome: Outcome, degraded_ms: float) -> Outcome:
    """Degraded when the answer was good but took longer than `degraded_ms`."""
    if outcome.status is not Status.OK or outcome.latency_ms is None or outcome.latency_ms <= degraded_ms:
        return outcome
    said = f"slow: over {degraded_ms:g} ms"
    return replace(
        outcome, status=Status.DEGRADED, detail=f"{said}, {outcome.detail}" if outcome.detail else said
    )


def function(answer: Response) -> Outcome:
    """An edge function: 2xx is good, so is a refusal of the test body; 401, 404 and 5xx mean down, others degraded."""
    ms, code = answer.elapsed_ms, answer.status
    if answer.good:
        return Outcome(Status.OK, ms, "answers")
    if code in _REFUSED:
        return Outcome(Status.OK, ms, f"answers, refuses the test body (HTTP {code})")
    if code in _WHY_DOWN:
        return Outcome(Status.DOWN, ms, f"{_WHY_DOWN[code]} (HTTP {code})")
    return Outcome(Status.DOWN if code >= 500 else Status.DEGRADED, ms, answer.summary())


def functions(parts: Mapping[str, Outcome], health: Outcome | None, health_name: str) -> Outcome:
    """All functions together: down when the health function is, or when all are; else as bad as the worst, at most
    degraded. The latency is that of the slowest."""
    everything = {**parts, **({health_name: health} if health is not None else {})}
    if not everything:
        return Outcome(Status.UNKNOWN, None, "not probed yet")
    timed = {name: o.latency_ms for name, o in everything.items() if o.latency_ms is not None}
    slowest = max(timed, key=lambda name: timed[name], default=None)
    ms = timed[slowest] if slowest is not None else None
    bad = {name: o for name, o in everything.items() if o.status is not Status.OK}
    if not bad:
        return Outcome(Status.OK, ms, f"{len(everything)} of {len(everything)} answer, slowest {slowest}")
    status = Status.DEGRADED
    if (health is not None and health.status is Status.DOWN) or (
        parts and all(o.status is Status.DOWN for o in parts.values())
    ):
        status = Status.DOWN
    elif all(o.status is Status.UNKNOWN for o in everything.values()):
        status = Status.UNKNOWN
    return Outcome(status, ms, _named({name: f"{name} {o.detail}" for name, o in bad.items()}))


def providers(answers: Mapping[str, Response | str], degraded_ms: float) -> Outcome:
    """Outside APIs by name, each an answer or why there was none: down when all fail, degraded when one fails or is
    slow. The latency is that of the slowest answer."""
    timed = {name: a.elapsed_ms for name, a in answers.items() if isinstance(a, Response)}
    failed = {
        name: a if isinstance(a, str) else a.summary() for name, a in answers.items() if not _answers(a)
    }
    late = {
        name: f"slow ({ms:.0f} ms)" for name, ms in timed.items() if name not in failed and ms > degraded_ms
    }
    ms = max(timed.values(), default=None)
    if not failed and not late:
        return Outcome(Status.OK, ms, f"{len(answers)} of {len(answers)} answer: {', '.join(answers)}")
    status = Status.DOWN if len(failed) == len(answers) else Status.DEGRADED
    return Outcome(status, ms, _named({name: f"{name} {why}" for name, why in (failed | late).items()}))


def _answers(answer: Response | str) -> bool:
    return isinstance(answer, Response) and answer.status < 400


def _named(reasons: Mapping[str, str]) -> str:
    said = list(reasons.values())
    more = f" and {len(said) - _MOST_NAMED} more" if len(said) > _MOST_NAMED else ""
    return ", ".join(printable(reason, 80) for reason in said[:_MOST_NAMED]) + more


def platform(answer: Response) -> Outcome:
    """The platform's /health in the specified shape ({status, uptime, version, checks: {name: {status, ...}}}).

    200 with all checks ok is good. Failing checks make it degraded; down when the database is among them, when at
    least half of them fail, or when the answer is of another shape.
    """
    ms = answer.elapsed_ms
    if answer.status not in (200, 503):
        return Outcome(Status.DOWN, ms, answer.summary())
    try:
        data = answer.json()
    except SourceFailed as error:
        reason = str(error) if answer.good else f"HTTP {answer.status}, {error}"
        return Outcome(Status.DOWN, ms, reason)
    checks = data.get("checks") if isinstance(data, dict) else None
    if not isinstance(checks, dict) or not checks or not all(isinstance(c, dict) for c in checks.values()):
        reason = answer.summary() if not answer.good else "no health report: it has no checks"
        return Outcome(Status.DOWN, ms, reason)
    failing = {printable(n, 40): _check_reason(n, c) for n, c in checks.items() if c.get("status") != "ok"}
    if failing:
        down = "database" in failing or 2 * len(failing) >= len(checks)
        return Outcome(Status.DOWN if down else Status.DEGRADED, ms, _named(failing))
    if not answer.good:
        return Outcome(Status.DEGRADED, ms, f"HTTP {answer.status} though all its checks are ok")
    return Outcome(Status.OK, ms, _release(data))


def _check_reason(name: str, check: Mapping[str, Any]) -> str:
    said = check.get("error") or check.get("details") or check.get("status") or "not ok"
    return f"{printable(name, 40)}: {printable(said, 80)}"


def _release(data: Mapping[str, Any]) -> str:
    parts = []
    version, uptime = data.get("version"), data.get("uptime")
    if isinstance(version, str | int | float) and str(version):
        parts.append(f"release {printable(version, 40)}")
    if isinstance(uptime, int | float) and not isinstance(uptime, bool) and 0 <= uptime < 1e10:
        parts.append(f"up {age(timedelta(seconds=uptime))}")
    return ", ".join(parts) or "all its checks are ok"


def cache_detail(info: Mapping[str, str]) -> str:
    """`hit 98.7 %, 1.2 MB`, as far as INFO says so."""
    hits, misses = number(info.get("keyspace_hits")), number(info.get("keyspace_misses"))
    memory = number(info.get("used_memory"))
    parts = []
    if hits is not None and misses is not None and hits + misses > 0:
        parts.append(f"hit {100 * hits / (hits + misses):.1f} %")
    if memory is not None:
        parts.append(f"{memory / 1e6:.1f} MB")
    return ", ".join(parts) or "answers PING"


def number(text: str | None) -> float | None:
    """A finite number that was sent as text."""
    try:
        value = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return value if math.isfinite(value) else None
