"""The platform as a whole, from its components and metrics (FACTS section 7, overall_status). Pure."""

from collections.abc import Iterable, Sequence

from console.domain.health import Check, Overall, Status, Verdict

_DOWN_ERROR_PCT = 50.0


def overall(
    checks: Iterable[Check],
    *,
    error_rate_pct: float | None,
    critical: Sequence[str],
    warning: Sequence[str],
    stale: bool,
    people: Sequence[str] = (),
) -> Overall:
    """The verdict and why.

    `critical` and `warning` say in words which alerts of that severity fire, worst first; `stale` that the data is
    older than three ticks. `people` are critical alerts about what people do, which tell nothing of the platform: how
    it is stands behind them. Functions count one by one and their sum (`edge_functions`) not, lest they count twice.
    """
    found = _of_platform(checks, error_rate_pct, critical, warning, stale=stale)
    if not people or found.verdict in (Verdict.UNKNOWN, Verdict.DOWN):
        return found
    return Overall(Verdict.CRITICAL, f"{_first(people)}; {found.reason}")


def _of_platform(
    checks: Iterable[Check],
    error_rate_pct: float | None,
    critical: Sequence[str],
    warning: Sequence[str],
    *,
    stale: bool,
) -> Overall:
    parts = [c for c in checks if c.component != "edge_functions"]
    if stale or not parts:
        return Overall(Verdict.UNKNOWN, "data is older than 3 ticks" if parts else "no data yet")
    down = [c for c in parts if c.status is Status.DOWN]
    if any(c.component == "database" for c in down):
        return Overall(Verdict.DOWN, "the database is down")
    if 2 * len(down) >= len(parts):
        return Overall(Verdict.DOWN, f"{len(down)} of {len(parts)} components are down")
    if error_rate_pct is not None and error_rate_pct >= _DOWN_ERROR_PCT:
        return Overall(Verdict.DOWN, f"{error_rate_pct:.0f} % of the orders fail")
    if critical:
        return Overall(Verdict.CRITICAL, _first(critical))
    bad = sorted((c for c in parts if c.status is not Status.OK), key=lambda c: -c.status.rank)
    if bad:
        return Overall(Verdict.DEGRADED, _first([f"{c.component} {c.status}: {c.detail}" for c in bad]))
    if warning:
        return Overall(Verdict.DEGRADED, _first(warning))
    return Overall(Verdict.HEALTHY, f"all {len(parts)} components answer")


def _first(reasons: Sequence[str]) -> str:
    return reasons[0] if len(reasons) == 1 else f"{reasons[0]} and {len(reasons) - 1} more"
