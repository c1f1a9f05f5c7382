"""What the checks of a platform found: before a release, after it, and of the environment as it stands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from console.domain.book import Step


class CheckStatus(StrEnum):
    """WARNING: not as it should be, or nobody could be asked. MANUAL: a person has to look."""

    PASSED = "passed"
    MANUAL = "manual"
    WARNING = "warning"
    FAILED = "failed"

    @property
    def rank(self) -> int:
        """Larger is worse."""
        return _RANK[self]


_RANK = {status: place for place, status in enumerate(CheckStatus)}


LASTING = "db.backups"
"""What is ticked for a while, and not for one release."""
TICKED = (LASTING, "fe.error_boundaries")
"""What a person's word is needed for."""
NO_SOURCE = "no source"
BY_HAND = "by hand: "
"""Before the part of the evidence that waits for a person."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One answer; `evidence` is one line that names the object: `execute-order: HTTP 200 without a token`."""

    status: CheckStatus
    evidence: str
    sourceless: bool = False
    """Nobody knows: it is neither good nor bad."""

    @property
    def good(self) -> bool:
        """Whether it passed."""
        return self.status is CheckStatus.PASSED


def passed(evidence: str) -> Outcome:
    """It is as it should be."""
    return Outcome(CheckStatus.PASSED, evidence)


def sourceless(why: str) -> Outcome:
    """Nobody knows, and `why`."""
    return Outcome(CheckStatus.WARNING, f"{NO_SOURCE}: {why}", sourceless=True)


def failed(evidence: str) -> Outcome:
    """It is not."""
    return Outcome(CheckStatus.FAILED, evidence)


def by_hand(waits: str, seen: str = "") -> Outcome:
    """A person has to look: `waits` says for what, `seen` what was found without one."""
    return Outcome(CheckStatus.MANUAL, f"{seen}; {BY_HAND}{waits}" if seen else BY_HAND + waits)


def warned(evidence: str) -> Outcome:
    """It is not quite, or could not be asked."""
    return Outcome(CheckStatus.WARNING, evidence)


def together(parts: Iterable[Outcome]) -> Outcome:
    """As bad as the worst part, with the evidence of all that did not pass; with everybody's when all did."""
    known = list(parts)
    worst = max((part.status for part in known), key=lambda status: status.rank)
    told = [part for part in known if not part.good] or known
    return Outcome(worst, "; ".join(part.evidence for part in sorted(told, key=lambda p: -p.status.rank)))


Ask = Callable[[Step, datetime, datetime], Awaitable[Outcome]]
"""Whether an automatic step holds, as of what happened since the first moment, at the second one: passed with the
evidence in words and numbers, else why it does not."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check that ran. `duration_ms` is without the wait for others that had to come first."""

    id: str
    title: str
    group: str
    status: CheckStatus
    evidence: str
    duration_ms: float


@dataclass(frozen=True, slots=True)
class CheckReport:
    """All results of one run, in the order of the list of checks."""

    results: tuple[CheckResult, ...]

    def count(self, status: CheckStatus) -> int:
        """How many ended so."""
        return sum(result.status is status for result in self.results)

    @property
    def overall(self) -> str:
        """`failed` when one failed; `warning` when one was not asked, or waits for a person; else `passed`."""
        worst = max((r.status for r in self.results), key=lambda s: s.rank, default=CheckStatus.WARNING)
        return str(CheckStatus.WARNING if worst is CheckStatus.MANUAL else worst)

    @property
    def success_rate_pct(self) -> float | None:
        """Share of all checks that passed, 0..100 with two decimals; None without any check."""
        if not self.results:
            return None
        return round(100 * self.count(CheckStatus.PASSED) / len(self.results), 2)

    def as_json(self) -> dict[str, Any]:
        """The documented shape of `validate --json`."""
        return {
            "overall": self.overall,
            "summary": {
                "total": len(self.results),
                "passed": self.count(CheckStatus.PASSED),
                "failed": self.count(CheckStatus.FAILED),
                "warnings": self.count(CheckStatus.WARNING),
                "manual": self.count(CheckStatus.MANUAL),
                "success_rate_pct": self.success_rate_pct,
            },
            "checks": [
                {
                    "id": r.id,
                    "title": r.title,
                    "group": r.group,
                    "status": str(r.status),
                    "evidence": r.evidence,
                    "duration_ms": round(r.duration_ms, 1),
                }
                for r in self.results
            ],
        }


@dataclass(frozen=True, slots=True)
class Subject:
    """What checks are run about: a release, "" for what runs; in a step of the action `action_id`."""

    commit: str = ""
    version: str = ""
    action_id: int | None = None


@dataclass(frozen=True, slots=True)
class CheckRun:
    """One run of the checks of an occasion (env, pre, post), by the agent: asked for, under way, or over. `version`
    and `commit` are what it is about, "" for what runs. `total` is how many checks it has; `results` are those that are
    over, in the order of the list. `words` say why it came to nothing."""

    id: int
    occasion: str
    by: str
    asked_at: datetime
    commit: str = ""
    version: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    total: int = 0
    results: tuple[CheckResult, ...] = ()
    action_id: int | None = None
    words: str = ""

    @property
    def report(self) -> CheckReport:
        """What it found so far."""
        return CheckReport(self.results)


def occasion_of(check: str) -> str:
    """Which run a check is of, by its id: `env.tables` of env, `db.rls` of pre, `monitoring` of post."""
    part, dot, _ = check.partition(".")
    if not dot:
        return "post"
    return "env" if part == "env" else "pre"


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one check: what it found last, in whatever run, and when (None: never). `run` is the last one of
    its occasion that no action made; it may not have come to this check yet, or have come to nothing."""

    check: str
    result: CheckResult | None = None
    at: datetime | None = None
    run: CheckRun | None = None

    @property
    def awaited(self) -> bool:
        """Whether its result comes yet: somebody asked for it, or it runs."""
        run = self.run
        return run is not None and run.ended_at is None and all(r.id != self.check for r in run.results)

    @property
    def nothing(self) -> str:
        """Why the last run came to nothing for it; "" where it came to something, or is under way."""
        run = self.run
        if run is None or run.ended_at is None or any(r.id == self.check for r in run.results):
            return ""
        return run.words or "the run ended without it"


@dataclass(frozen=True, slots=True)
class Tick:
    """A person's word for one check: of one release (`commit`), or of any where that is "". `until`: not after that."""

    check: str
    by: str
    at: datetime
    note: str
    commit: str = ""
    until: datetime | None = None

    @property
    def words(self) -> str:
        """`alice, 24 Nov 03:04: tried in staging (valid until 22 Feb 2027)`, in UTC."""
        held = "for this release" if self.until is None else f"valid until {self.until:%d %b %Y %H:%M}"
        return f"{self.by}, {self.at:%d %b %H:%M}: {self.note} ({held})"


def ticked(result: CheckResult, ticks: Iterable[Tick]) -> CheckResult:
    """One that waits for a person has passed where one of these ticks, which hold, says so."""
    tick = next((each for each in ticks if each.check == result.id), None)
    if tick is None or result.status is not CheckStatus.MANUAL:
        return result
    seen = result.evidence.partition(BY_HAND)[0]
    return replace(result, status=CheckStatus.PASSED, evidence=f"{seen}{tick.words}")
