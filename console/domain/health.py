"""What a component's health is: the result of one probe, and the whole that follows from them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Status(StrEnum):
    """How a component answered. `UNKNOWN`: it was not asked, or the probe itself could not run."""

    OK = "ok"
    DEGRADED = "degraded"
    DOWN = "down"
    UNKNOWN = "unknown"

    @property
    def rank(self) -> int:
        """Larger is worse; unknown ranks between degraded and down."""
        return _RANK[self]


_RANK = {Status.OK: 0, Status.DEGRADED: 1, Status.UNKNOWN: 2, Status.DOWN: 3}


@dataclass(frozen=True, slots=True)
class Check:
    """One probe's result.

    `component` is `database`, `cache`, `external_apis`, `edge_functions`, `edge_functions/NAME`,
    `websocket` or `platform`. `latency_ms` is None when no answer came. `detail` is printable.
    """

    component: str
    status: Status
    latency_ms: float | None
    detail: str
    at: datetime


@dataclass(frozen=True, slots=True)
class CheckPoint:
    """One tick of a component's past: when, how, how long. `status` is None where no tick was taken."""

    at: datetime
    status: Status | None
    latency_ms: float | None


class Verdict(StrEnum):
    """The platform as a whole (FACTS section 7, overall_status)."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    CRITICAL = "critical"
    DOWN = "down"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Overall:
    """The verdict with its reason in words, ready to show."""

    verdict: Verdict
    reason: str
