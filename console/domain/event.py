"""What happened: the entries of the one append-only timeline."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


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
