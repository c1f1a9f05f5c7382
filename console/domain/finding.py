"""What a security detector found: one growing finding for each source that attacks, and what became of it."""

from __future__ import annotations

import shlex
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from console.domain import duration
from console.domain.errors import Refused
from console.domain.event import Severity
from console.domain.network import network_of, written

LISTED = 200
"""So many accounts of a finding are told apart and kept; further ones only set `users_more` or `affected_more`."""


class FindingPhase(StrEnum):
    """How an attack stands, as the detector sees it."""

    OPEN = "open"
    """It failed to log in within the last window."""
    BLOCKED = "blocked"
    """The platform's block list holds the source."""
    QUIET = "quiet"
    """No failure for a whole window, and no block."""


class FindingState(StrEnum):
    """What a finding counts as, people considered; in the order in which a list shows them."""

    OPEN = "open"
    BLOCKED = "blocked"
    QUIET = "quiet"
    DISMISSED = "dismissed"
    """Somebody said that it is none of our business; it grows on, quietly."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One attack of one source, with its present state. All text is printable.

    `source` is an IPv4 address or an IPv6 /64. `count` is the number of failures of its attacks, `peak` the most within
    any one `window`; a source that was quiet and attacks again within an hour grows on. `users` are the accounts
    (ids, in the order of their first failure) that were tried, `affected` those that logged in from the source after
    `attack_at`. `first_at`, `attack_at` and `last_at` are on the platform's clock, all other times on the store's.
    """

    id: int
    kind: str
    severity: Severity
    source: str
    phase: FindingPhase
    at: datetime
    """When anything about it changed last."""
    opened_at: datetime
    since: datetime
    """When its present phase began."""
    first_at: datetime
    attack_at: datetime
    """When the threshold was reached for the first time."""
    last_at: datetime
    count: int
    peak: int
    threshold: int
    window: timedelta
    """On the clock: the time scale is in it."""
    users: tuple[str, ...] = ()
    users_more: bool = False
    affected: tuple[str, ...] = ()
    affected_more: bool = False
    action: str = ""
    """The kind of action that is suggested, such as `block_ip`; "" for none."""
    action_for: timedelta = timedelta(hours=24)
    blocked_until: datetime | None = None
    """When the block ends; None while there is none, or where it has no end."""
    dismissed_by: str | None = None
    dismissed_at: datetime | None = None
    dismissed_reason: str = ""

    @property
    def state(self) -> FindingState:
        """What it counts as now."""
        return FindingState(self.phase) if self.dismissed_by is None else FindingState.DISMISSED

    @property
    def counts(self) -> bool:
        """Whether it is an open threat that nothing contains: what banner, scores and bell go by."""
        return self.state is FindingState.OPEN

    @property
    def users_text(self) -> str:
        """How many accounts were tried: `12`, `200+`."""
        return f"{len(self.users)}{'+' if self.users_more else ''}"

    @property
    def affected_text(self) -> str:
        """How many accounts logged in after the attack: `0`, `200+`."""
        return f"{len(self.affected)}{'+' if self.affected_more else ''}"

    @property
    def summary(self) -> str:
        """`87 failed log-ins of 12 accounts, at most 41 within 30s; 1 account logged in afterwards`."""
        accounts = "1 account" if self.users_text == "1" else f"{self.users_text} accounts"
        text = (
            f"{self.count:,} failed log-ins of {accounts}, "
            f"at most {self.peak:,} within {duration.written(self.window)}"
        )
        if not self.affected:
            return text
        entered = "1 account" if self.affected_text == "1" else f"{self.affected_text} accounts"
        return f"{text}; {entered} logged in afterwards"

    @property
    def command(self) -> str:
        """The command line that is equal to the suggested action; "" where none is suggested."""
        if self.action != "block_ip":
            return ""
        reason = f"brute force: {self.count:,} failed log-ins (finding {self.id})"
        return (
            f"tradex block-ip {self.source} --for {duration.written(self.action_for)} "
            f"--reason {shlex.quote(reason)}"
        )


@dataclass(frozen=True, slots=True)
class FindingChange:
    """One entry of a finding's history. `kind` is `opened`, `grown` (ten times the threshold, a hundred times ...),
    `affected`, `quiet`, `blocked`, `again` (it attacks on) or `dismissed`; `count` its failures at that moment."""

    at: datetime
    finding_id: int
    kind: str
    actor: str
    text: str
    count: int


@dataclass(frozen=True, slots=True)
class Detector:
    """One detector of the leading agent: when it ran last (store's clock, None: never), up to which moment of the
    platform's clock everything is counted, and why it can't run ("" while it can)."""

    name: str
    ran_at: datetime | None
    settled_at: datetime | None
    reason: str = ""


def source_of(address: str) -> str | None:
    """Who an address counts as: an IPv4 address itself (also one that is mapped into IPv6), of an IPv6 address its
    /64; None for what is no address."""
    if "/" in address:
        return None
    with suppress(Refused):
        # What comes after a % is the name of an interface.
        return written(network_of(address.partition("%")[0]))
    return None


_STATES = tuple(FindingState)
_SEVERITIES = tuple(Severity)


def order(finding: Finding) -> tuple[int, int, float]:
    """The order of a list: by state, then by severity, the latest first."""
    return _STATES.index(finding.state), _SEVERITIES.index(finding.severity), -finding.last_at.timestamp()
