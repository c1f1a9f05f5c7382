"""Rows and words of the audit: who did what to which, and what was said of it. Pure."""

import json
from collections.abc import Sequence
from datetime import datetime
from functools import partial

from console.domain import format as fmt
from console.domain.action import AuditEntry
from console.domain.text import printable
from screens.action_rows import contains
from widgets.cells import cells, join
from widgets.live_table import Column, Deferred, Entry, Row
from widgets.look import Look

AUDIT_COLUMNS = (
    Column("no", 6, right=True),
    Column("at", 12),
    Column("actor", 9),
    Column("what", 16),
    Column("about", 28),
    Column("", None),
)
AUDIT_COLUMNS_COMPACT = (
    Column("no", 5, right=True),
    Column("at", 8),
    Column("actor", 8),
    Column("what", 14),
    Column("about", None),
)


def audit_entries(entries: Sequence[AuditEntry], look: Look, now: datetime, *, compact: bool) -> list[Entry]:
    """The latest first; a refusal stands out."""

    def row(entry: AuditEntry) -> Row:
        refused = entry.verb.startswith("refused")
        day = entry.at.date() == now.date()
        when = (
            fmt.clock(entry.at)
            if day or compact
            else f"{entry.at:%d %b} {fmt.clock(entry.at, seconds=False)}"
        )
        about, said = cells(entry.subject, look("text")), cells(audit_words(entry.detail), look("muted"))
        row = (
            cells(str(entry.seq), look("faint")),
            cells(when, look("muted")),
            cells(entry.actor, look("text")),
            cells(entry.verb, look("warn" if refused else "strong")),
            *((join((about, said), cells("  ")),) if compact else (about, said)),
        )
        return Row(str(entry.seq), row)

    return [Deferred(str(entry.seq), partial(row, entry)) for entry in entries]


def audit_words(detail: str) -> str:
    """What an entry says, in words: `it runs; state running, choices (positions keep)`."""
    try:
        found = json.loads(detail)
        text = found.pop("text", "") if isinstance(found, dict) else ""
        words = "; ".join(filter(None, (_in_words(text), _pairs(found))))
    except (ValueError, RecursionError):
        # It was cut because it is so long.
        return detail
    # What JSON wrote as an escape is a character again.
    return printable(words, len(detail))


def _pairs(value: object) -> str:
    if isinstance(value, dict):
        said = ((key, _in_words(each)) for key, each in value.items() if each not in (None, "", [], {}))
        return ", ".join(f"{key} {words}" for key, words in said)
    return ", ".join(map(_in_words, value)) if isinstance(value, list) else _in_words(value)


def _in_words(value: object) -> str:
    if isinstance(value, dict | list):
        return f"({_pairs(value)})"
    return value if isinstance(value, str) else json.dumps(value)


def audit_matches(entry: AuditEntry, words: Sequence[str]) -> bool:
    action = "" if entry.action_id is None else f"action:{entry.action_id}"
    hay = " ".join((entry.actor, entry.verb, entry.subject, action, entry.detail)).lower()
    return contains(hay, words)
