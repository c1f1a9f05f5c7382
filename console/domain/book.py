"""What is written down for people to go by: runbooks, recurring checklists, templates of updates. Frozen, pure.

Files of Markdown become these (console/runbooks); the leading agent publishes them in the store, from where every
console has the same ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

PARTS = ("immediate", "investigation", "resolution")
"""Of a runbook, in the order in which they are worked through."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a runbook, or one item of a checklist. `text` is one printable line, `detail` printable Markdown of
    several lines.

    At most one of the rest says what it can do by itself or open: `action` (a kind, with `params`), `check` (an id of
    console.domain.check), `screen` (its number), `metric` (its name), `holds` (a condition of the rule language: the
    agent ticks the item when it is true), `evidence` (one of EVIDENCE: likewise, where the condition is no metric's).
    """

    text: str
    part: str = ""
    """One of PARTS; "" of a checklist."""
    detail: str = ""
    action: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    check: str = ""
    screen: int = 0
    metric: str = ""
    holds: str = ""
    evidence: str = ""

    @property
    def automatic(self) -> bool:
        """Whether the agent can tick it."""
        return bool(self.holds or self.evidence or self.check)


EVIDENCE = ("health", "alerts", "trends")
"""What an item may have as evidence beside conditions and checks: the overall status is healthy; no critical alert or
warning fired unacknowledged since the list opened; no metric with thresholds is worse than the same hour of the day
before by more than a fifth."""


@dataclass(frozen=True, slots=True)
class Symptom:
    """What somebody sees, and which alerts show it: rules by name, metrics by name; either may be empty."""

    text: str
    rules: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of an escalation ladder: `who` is told `after` this time (counted from detection, of the platform's
    time), so that they know before `deadline` (None: at once)."""

    who: str
    after: timedelta
    deadline: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Runbook:
    """`name` is its file's (`order-execution-failure`), `aliases` other names that rules may call it by. `steps` are in
    the order of PARTS."""

    name: str
    title: str
    summary: str = ""
    aliases: tuple[str, ...] = ()
    symptoms: tuple[Symptom, ...] = ()
    steps: tuple[Step, ...] = ()
    ladder: tuple[Rung, ...] = ()
    level: int = 2
    """Of an incident that a rule opens with it, 1 (worst) to 3."""
    customers: str = ""
    """What customers notice of it, in words for them: their updates name the problem so. "": nothing is said."""
    place: str = ""
    """Where it is written: `order-execution-failure.md`."""

    def shows(self, rule: str, metric: str | None) -> bool:
        """Whether an alert of this rule, on this metric, is one of its symptoms."""
        return rule in self.aliases or any(
            rule in symptom.rules or (metric is not None and metric in symptom.metrics)
            for symptom in self.symptoms
        )


@dataclass(frozen=True, slots=True)
class Checklist:
    """One that comes back. `rule` is an RRULE (RFC 5545, without DTSTART) of the days, at the time of day `at` (HH:MM)
    in `timezone` (a name of the tz database) it is due. It opens `opens` before that, is late `grace` after it, and is
    missed once the next one opens. `owner`: a login, `on-call`, or "" (anybody)."""

    name: str
    title: str
    rhythm: str
    """daily, weekly, monthly or custom: how lists group it."""
    rule: str
    at: str
    timezone: str = "UTC"
    opens: timedelta = timedelta(hours=12)
    grace: timedelta = timedelta(hours=1)
    owner: str = ""
    summary: str = ""
    items: tuple[Step, ...] = ()
    place: str = ""


BLANKS = (
    *("incident", "title", "level", "status", "impact", "started", "commander"),
    *("next_update", "resolution", "done"),
)
"""What a template may have between `{{` and `}}`: each is filled in from the incident."""
PLACEHOLDER = re.compile(r"\{\{ *([a-z_]+) *\}\}")


def unfilled(text: str) -> list[str]:
    """The names of placeholders that still wait for a value, each once; what else stands in such braces somebody
    wrote."""
    return list(dict.fromkeys(match[1] for match in PLACEHOLDER.finditer(text) if match[1] in BLANKS))


@dataclass(frozen=True, slots=True)
class Template:
    """A stakeholder update. `text` is Markdown with `{{ name }}` for each of the names that it uses; nothing else is
    replaced. `again` is after how long the next update is promised, by the incident's level ({}: none)."""

    name: str
    title: str
    audience: str
    """internal or customer."""
    kind: str
    """initial, update or final (resolved)."""
    text: str
    again: Mapping[int, timedelta] = field(default_factory=dict)
    place: str = ""

    def promises(self, level: int, time_scale: float) -> timedelta | None:
        """After how long on the clock the next update is promised at this level; None: not at all."""
        again = self.again.get(level)
        return None if again is None else again / time_scale


class Done(StrEnum):
    """What somebody said of a step or an item."""

    DONE = "done"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Mark:
    """Who said so, when, and what else they said. `automatic`: the agent did, and `note` is its evidence. `action_id`
    is the action that the step started."""

    state: Done
    by: str
    at: datetime
    note: str = ""
    automatic: bool = False
    action_id: int | None = None


@dataclass(frozen=True, slots=True)
class Marked:
    """A step or an item at its `place` (from 1), and what was said of it last; None: nothing yet. `waits` is why the
    agent has not ticked one that it can: `Error rate is 6.21 %, not under 1 %`; one that a person took back,
    `taken_back_by`, is not the agent's any more."""

    place: int
    step: Step
    mark: Mark | None = None
    waits: str = ""
    taken_back_by: str = ""
