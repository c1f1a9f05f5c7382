"""Evaluates every tick in the store exactly once, whoever took it and whoever leads.

What the alerts are is a function of the ticks and of the rules in force: a new leader goes on from the cursor that the
last one left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from console.alerting.lifecycle import Open, Policy, evaluate
from console.alerting.rulebook import Deeds, Rulebook
from console.domain.alert import Phase
from console.domain.health import Check, Status
from console.domain.metric import MetricSpec, MetricValue
from console.domain.snapshot import Metrics
from console.rules.evaluator import Recent, Standing
from console.rules.replay import DAY, DAY_LOOKBACK
from console.store import alerts, checklists, effects, freezes, ticks
from console.store.encoding import status_metric
from console.store.lease import Lease
from console.store.pool import Store


class Engine:
    """One term of leading. `catch_up` is called after each tick."""

    def __init__(self, rulebook: Rulebook) -> None:
        self.rulebook = rulebook
        self.evaluated = asyncio.Event()
        """Set after each evaluation; whoever waits for it clears it."""
        self._cursor: datetime | None = None
        self._open: dict[str, Open] = {}
        self._recent = self._new_recent()
        self._day: Mapping[str, MetricValue] = {}
        self._known = False

    @property
    def anything_fires(self) -> bool:
        """Whether any alert fires, as of the last evaluation."""
        return any(one.standing.phase is Phase.FIRING for one in self._open.values())

    async def catch_up(
        self, store: Store, lease: Lease, *, until: datetime, checks: Sequence[Check] = ()
    ) -> int:
        """Evaluate all ticks after the cursor up to `until`; how many those were. `checks` are those of the last tick:
        what they say goes into the reasons of its alerts, and decides nothing. Raises StoreAway, StoreRefused and
        Fenced; then what was not confirmed is read again the next time."""
        if not self._known:
            await self._load(store, lease, until)
        if self._cursor is None:
            return 0
        evaluated = 0
        deeds = await _deeds(store, self._cursor)
        try:
            async for tick in ticks.between(store, self._cursor, until):
                said = _said(checks) if tick.at == until else {}
                if not await self._evaluate(store, lease, tick, deeds, said):
                    # Somebody evaluated it already: what is known here is not what is true.
                    self._known = False
                    return evaluated
                evaluated += 1
        except BaseException:
            self._known = False
            raise
        await alerts.expire_acknowledgements(
            store, lease, at=until, idle=self.rulebook.alerting.acknowledgement_idle
        )
        self.evaluated.set()
        return evaluated

    async def _load(self, store: Store, lease: Lease, until: datetime) -> None:
        """Where the last leader stopped: its alerts, and the readings that still count."""
        standing = await alerts.standing(store)
        if standing.cursor is None:
            # A store without alerts: what came before is not judged, this moment on is.
            await alerts.write(store, lease, cursor=until - timedelta(microseconds=1), changes=())
            standing = await alerts.standing(store)
        # One in the future was written before the clock was set back.
        self._cursor = None if standing.cursor is None else min(standing.cursor, until)
        self._open = {
            alert.rule: Open(
                standing=Standing(
                    phase=alert.phase,
                    since=alert.pending_at,
                    fired_at=alert.fired_at,
                    false_since=false_since,
                    stale=alert.stale,
                ),
                definition=definition,
                severity=alert.severity,
                inhibited_by=alert.inhibited_by,
                metric=alert.metric,
                peak=alert.peak,
                summary=alert.summary,
            )
            for alert, definition, false_since in standing.open
        }
        self._recent = self._new_recent()
        if self._cursor is not None:
            start = self._cursor - self.rulebook.alerting.lookback
            deeds = await _deeds(store, start)
            async for tick in ticks.between(store, start - timedelta(microseconds=1), self._cursor):
                self._observe(tick, deeds)
        self._known = True

    async def _evaluate(
        self, store: Store, lease: Lease, tick: Metrics, deeds: Deeds, told: Mapping[str, str]
    ) -> bool:
        at = tick.at
        assert at is not None and self._cursor is not None  # noqa: S101 - every stored tick has its time
        lookback = self.rulebook.alerting.lookback
        if at - self._cursor > lookback:
            # Nobody looked for so long that nothing counts any more: that is judged at the moment it became so.
            empty = self._cursor + lookback + timedelta(microseconds=1)
            self._recent.observe(empty, {}, self.rulebook.specs)
            if not await self._judge(store, lease, empty):
                return False
        if self.rulebook.uses_day_before:
            day = await ticks.before(store, at - DAY, DAY_LOOKBACK)
            self._day = day.values
        self._observe(tick, deeds)
        return await self._judge(store, lease, at, told)

    async def _judge(
        self, store: Store, lease: Lease, at: datetime, told: Mapping[str, str] | None = None
    ) -> bool:
        policy = Policy(self.rulebook.alerting.inhibitions, self.rulebook.alerting.flap_window)
        changes, after = evaluate(
            self.rulebook.rules, self._open, self._recent, self.rulebook.specs, policy, at, told
        )
        if not await alerts.write(store, lease, cursor=at, changes=changes):
            return False
        self._cursor, self._open = at, after
        return True

    def _observe(self, tick: Metrics, deeds: Deeds) -> None:
        assert tick.at is not None  # noqa: S101
        readings: dict[str, MetricValue] = dict(tick.values)
        readings |= self.rulebook.faults(tick.at, deeds)
        specs: Mapping[str, MetricSpec] = tick.specs or self.rulebook.specs
        self._recent.observe(tick.at, readings, specs)

    def _new_recent(self) -> Recent:
        return Recent(self.rulebook.alerting.lookback, previous_day=self._day_before)

    def _day_before(self, name: str, _at: datetime) -> float | None:
        reading = self._day.get(name)
        return reading.value if reading is not None and isinstance(reading.value, int | float) else None


async def _deeds(store: Store, since: datetime) -> Deeds:
    """What people did, or did not, that held at any time after `since`."""
    return Deeds(
        await freezes.broken_glass(store, since=since),
        await effects.current(store, lifted_since=since, kind="maintenance_on"),
        await checklists.overdue(store, since=since),
    )


def _said(checks: Sequence[Check]) -> dict[str, str]:
    """What a probe that is not well was told, by the metric of its status."""
    return {status_metric(c.component): c.detail for c in checks if c.status is not Status.OK and c.detail}
