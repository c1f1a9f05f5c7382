"""What happened: the entries of the one append-only timeline."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from console.domain.format import counted


class Severity(StrEnum):
    """The one scale; OK marks a recovery."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"
    OK = "ok"


@dataclass(frozen=True, slots=True)
class Event:
    """One entry. `kind` is `health`, `agent`, `drill` ...; `subject` what it is about, `actor` who did it."""

    id: int
    at: datetime
    kind: str
    severity: Severity
    subject: str
    text: str
    actor: str


def tally(events: Sequence[Event]) -> str:
    """`2 critical, 1 warning, 3 changes of actions, 1 incident`; "" for nothing of weight."""
    found = (
        (sum(event.severity is Severity.CRITICAL for event in events), "critical", "critical"),
        (sum(event.severity is Severity.WARNING for event in events), "warning", "warnings"),
        (sum(event.kind == "action" for event in events), "change of actions", "changes of actions"),
        (len({event.subject for event in events if event.kind == "incident"}), "incident", "incidents"),
    )
    return ", ".join(counted(number, one, many) for number, one, many in found if number)
