"""Scores from metrics (FACTS section 7). Pure: a part that is unavailable is left out and the rest re-weighted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a score: linear from 100 points at `best` to 0 at `worst`, clipped on both sides."""

    metric: str
    weight: float
    best: float
    worst: float

    def points(self, value: float) -> float:
        """0..100."""
        return 100 * min(max((value - self.worst) / (self.best - self.worst), 0.0), 1.0)


PERFORMANCE = (
    Part("p95_execution_time", 0.40, best=200, worst=1000),
    Part("success_under_500ms_pct", 0.30, best=99.7, worst=95),
    Part("api_response_time", 0.15, best=150, worst=1000),
    Part("database_query_time", 0.15, best=50, worst=500),
)


def weighted(parts: tuple[Part, ...], values: Mapping[str, float | None]) -> float | None:
    """The weighted mean of the parts that have a value, 0..100; None when none has."""
    known = [(part, value) for part in parts if (value := values.get(part.metric)) is not None]
    weight = sum(part.weight for part, _ in known)
    return sum(part.weight * part.points(value) for part, value in known) / weight if known else None


def performance_score(values: Mapping[str, float | None]) -> float | None:
    """40 % p95 latency, 30 % success under 500 ms, 15 % API response, 15 % database query time.

    356 ms, 99.94 %, 156 ms, 45 ms give 80.5, 100, 99.3 and 100 points, together 92.1.
    """
    return weighted(PERFORMANCE, values)


@dataclass(frozen=True, slots=True)
class Deduction:
    """What a score loses for each of something: `points` per piece, together at most `most`."""

    metric: str
    points: float
    most: float = 100.0


SECURITY = (
    Deduction("open_critical_findings", 15, 45),
    Deduction("open_warning_findings", 3, 15),
    Deduction("vulnerabilities_critical", 20),
    Deduction("vulnerabilities_high", 5),
    Deduction("vulnerabilities_medium", 0.5),
    Deduction("vulnerabilities_low", 0.0625),
    Deduction("missing_security_headers", 5, 10),
    Deduction("tables_without_rls", 10, 20),
)


def security_score(values: Mapping[str, float | None]) -> float | None:
    """100 minus what its parts cost, not below 0; None when none of them has a value.

    No open finding and 0 / 0 / 2 / 8 vulnerabilities give 98.5.
    """
    known = [(part, value) for part in SECURITY if (value := values.get(part.metric)) is not None]
    lost = sum(min(part.points * value, part.most) for part, value in known)
    return max(100.0 - lost, 0.0) if known else None


@dataclass(frozen=True, slots=True)
class Score:
    """A named score function and the metrics it reads."""

    function: Callable[[Mapping[str, float | None]], float | None]
    metrics: tuple[str, ...]


SCORES: Mapping[str, Score] = {
    "performance_score": Score(performance_score, tuple(part.metric for part in PERFORMANCE)),
    "security_score": Score(security_score, tuple(part.metric for part in SECURITY)),
}
