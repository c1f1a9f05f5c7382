"""An alert rule: a condition, how long it must hold, and what is to happen then."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta

from console.domain.event import Severity
from console.rules import condition as conditions
from console.rules.condition import Condition


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `name` is unique: it is the fingerprint of its alert.

    `for_` and `keep_firing_for` are durations of the clock: the time scale is in them. `severity` is critical instead
    while `critical` holds as well. `text` is the condition as written, `where` its FILE:LINE.
    """

    name: str
    severity: Severity
    condition: Condition
    text: str
    type: str
    action: str
    channels: tuple[str, ...] = ()
    for_: timedelta = timedelta()
    keep_firing_for: timedelta = timedelta()
    critical: Condition | None = None
    runbook: str = ""
    where: str = ""
    metrics: frozenset[str] = field(init=False, repr=False, compare=False)
    """What its conditions read, the day before included."""
    uses_day_before: bool = field(init=False, repr=False, compare=False)
    """Whether it compares with the value of 24 hours earlier."""
    definition: str = field(init=False, repr=False, compare=False)
    """A short hash of what decides its state. Severity, action and channels are not in it: with another of these it is
    the same alert."""

    def __post_init__(self) -> None:
        parts = [part for part in (self.condition, self.critical) if part is not None]
        decides = [*(repr(part) for part in parts), str(self.for_), str(self.keep_firing_for)]
        digest = hashlib.sha256("\n".join(decides).encode()).hexdigest()[:16]
        derived = {
            "metrics": frozenset().union(*map(conditions.metrics, parts)),
            "uses_day_before": any(map(conditions.day_before, parts)),
            "definition": digest,
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    def __hash__(self) -> int:
        # Looked up at every evaluation: hashing the whole tree would cost more than judging it.
        return hash(self.name)
