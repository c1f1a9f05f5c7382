"""The rules in force: those of the rule file, and those that follow from the metric catalogue. Read again when a file
changes; one that is broken changes nothing, and is an alert that says where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from console.domain.action import Effect, Glass
from console.domain.duties import Overdue
from console.domain.errors import Misuse
from console.domain.event import Severity
from console.domain.format import clock
from console.domain.metric import MetricSpec, MetricValue
from console.domain.text import printable
from console.located import stamp
from console.rules import alerting_file, file, generated
from console.rules.alerting_file import Alerting
from console.rules.condition import Failed
from console.rules.names import ACTIONS, CHECKLISTS, CONFIGURATION
from console.rules.rule import Rule

_FILES = "rule_files"
"""The reading that says whether the files could be read."""


_UNREADABLE = Rule(
    name=f"{CONFIGURATION}rules",
    severity=Severity.WARNING,
    condition=Failed(_FILES),
    text="the rule files can't be read; the old rules stay in force",
    type="CONFIGURATION",
    action="notify_team",
)

_GLASS = "break_glass"
"""The reading that says whose glass is broken."""

_BROKEN_GLASS = Rule(
    name=f"{ACTIONS}break-glass",
    severity=Severity.CRITICAL,
    condition=Failed(_GLASS),
    text="somebody broke the glass: their actions need no second person",
    type="SECURITY",
    action="notify_team",
)

_MAINTENANCE = "maintenance"
"""The reading that says who has begun maintenance."""

_IN_MAINTENANCE = Rule(
    name=f"{ACTIONS}maintenance",
    severity=Severity.INFO,
    condition=Failed(_MAINTENANCE),
    text="maintenance was begun here: every function refuses on purpose",
    type="MAINTENANCE",
    action="log_improvement",
)
_OVERDUE = "overdue"
"""The reading that says which checklists are overdue."""

_CHECKLIST_OVERDUE = Rule(
    name=f"{CHECKLISTS}overdue",
    severity=Severity.INFO,
    condition=Failed(_OVERDUE),
    text="a checklist was not done in time",
    type="CHECKLIST",
    action="notify_team",
)
# What was refused stays in the windows of metrics for so long.
_WINDOW = timedelta(minutes=5)


class Deeds(NamedTuple):
    """What people did, or did not, that alerts go by: glasses that are or were broken, maintenance that is or was on,
    checklists that are or were overdue."""

    glasses: Sequence[Glass] = ()
    maintenance: Sequence[Effect] = ()
    overdue: Sequence[Overdue] = ()


class Rulebook:
    """`rules` in the order in which they are judged: the file's first."""

    def __init__(
        self,
        specs: Sequence[MetricSpec],
        *,
        rules: Path | None = None,
        alerting: Path | None = None,
        time_scale: float = 1.0,
    ) -> None:
        """Raises Misuse for a file that is broken from the start."""
        self.specs: Mapping[str, MetricSpec] = {spec.name: spec for spec in specs}
        self.rules: tuple[Rule, ...] = ()
        self.alerting: Alerting
        self.broken: str | None = None
        """Why the files on disk are not the ones in force, with the place."""
        self._paths = (rules or file.SHIPPED, alerting)
        self._time_scale = time_scale
        self._seen = stamp(*self._paths)
        self._read()

    @property
    def uses_day_before(self) -> bool:
        """Whether any rule compares with the day before."""
        return self._day_before

    def diagnosis_of(self, name: str) -> str | None:
        """Which diagnosis the alert of this rule gets."""
        rule = next((rule for rule in self.rules if rule.name == name), None)
        return None if rule is None else self.alerting.diagnosis(rule.action, rule.metrics)

    def refresh(self, *, force: bool = False) -> str | None:
        """Read the files again if they changed (or anyway). What there is to tell about it, in words; None when other
        files were not read."""
        stamps = stamp(*self._paths)
        if stamps == self._seen and not force:
            return None
        self._seen = stamps
        try:
            self._read()
        except Misuse as error:
            # The first line says everything; those below it show the place.
            self.broken = printable(str(error).split("\n", 1)[0], 500)
            return f"the rule files are broken, the old rules stay in force: {self.broken}"
        self.broken = None
        return f"the rule files were read again: {len(self.rules)} rules"

    def faults(self, at: datetime, deeds: Deeds) -> dict[str, MetricValue]:
        """Readings about the console itself: its rule files, and at that moment whose glass is broken, whether
        maintenance is on, and which checklists are overdue."""
        found: dict[str, MetricValue] = {}
        if self.broken is not None:
            found[_FILES] = MetricValue(_FILES, None, at, reason=self.broken, failed=True)
        broken = [
            f"{g.author} broke the glass until {clock(g.ends_at, seconds=False)}: {g.reason}"
            for g in deeds.glasses
            if g.starts_at <= at < g.ends_at
        ]
        if broken:
            found[_GLASS] = MetricValue(_GLASS, None, at, reason=", ".join(broken), failed=True)
        for e in deeds.maintenance:
            if e.since <= at and (e.lifted_at is None or at < e.lifted_at):
                reason = f"{e.author} began maintenance: {e.reason}"
                found[_MAINTENANCE] = MetricValue(_MAINTENANCE, None, at, reason=reason, failed=True)
        late = [o for o in deeds.overdue if o.since < at and (o.until is None or at < o.until)]
        if late:
            named = ", ".join(f"{o.title} (since {o.since.astimezone(UTC):%d %b %H:%M})" for o in late)
            found[_OVERDUE] = MetricValue(_OVERDUE, None, at, reason=f"overdue: {named}", failed=True)
        return found

    def _read(self) -> None:
        rules, own = self._paths
        alerting = alerting_file.load(own, time_scale=self._time_scale)
        named = file.load(
            rules, specs=self.specs, vocabulary=alerting.vocabulary, time_scale=self._time_scale
        )
        every = tuple(self.specs.values())
        self.alerting = alerting
        self.rules = (
            *named,
            *generated.thresholds(every),
            *generated.probes(every),
            *generated.collections(every, for_=alerting.collection_for),
            _UNREADABLE,
            _BROKEN_GLASS,
            _CHECKLIST_OVERDUE,
            replace(_IN_MAINTENANCE, keep_firing_for=_WINDOW / self._time_scale),
        )
        self._day_before = any(rule.uses_day_before for rule in named)
