"""Hand-overs in rows: how things are now, then those of before with who signed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from console.domain import format as fmt
from console.domain.event import Event
from console.domain.handover import Handover, meanwhile
from screens.paragraphs import Labels, Line
from widgets.cells import cells, piece
from widgets.live_table import Column, Entry, Row
from widgets.look import Look

HANDOVER_COLUMNS = (Column("", 1), Column("", None), Column("", 12), Column("", 6, right=True))
NOW = "now"
"""The key of the row of what is so now."""
_LABELS = Labels(8)


def handover_entries(found: Sequence[Handover], user: str, look: Look, now: datetime) -> list[Entry]:
    """The first row is what would be handed over now."""
    first = Row(
        NOW,
        (
            cells(look.glyphs["running"], look("accent")),
            cells("as things are now", look("strong", bold=True)),
        ),
    )
    return [first, *(_row(handover, user, look, now) for handover in found)]


def _row(handover: Handover, user: str, look: Look, now: datetime) -> Row:
    signed = handover.signed_at is not None
    mine = not signed and handover.taker == user
    sign = cells(look.glyphs["done" if signed else "pending"], look("ok" if signed else "pending"))
    who = (
        piece(handover.giver, look("text")),
        piece(f" {look.glyphs['then']} ", look("faint")),
        piece(handover.taker, look("text")),
    )
    words = "signed" if signed else "sign it: s" if mine else "not signed"
    role = "muted" if signed else "pending"
    return Row(
        str(handover.id),
        (sign, who, cells(words, look(role, bold=mine)), cells(_when(handover.at, now), look("faint"))),
    )


def _when(at: datetime, now: datetime) -> str:
    """`03:12` of today, else `12 Mar`."""
    same = at.astimezone(UTC).date() == now.astimezone(UTC).date()
    return fmt.clock(at, seconds=False) if same else f"{at.astimezone(UTC):%d %b}"


def handover_facts(
    handover: Handover, events: Sequence[Event], look: Look, now: datetime, width: int
) -> list[Line]:
    """Who gave it, who takes it, when both signed, and what it does not say: `events` are the latest ones."""
    given = f"{handover.giver}, {_when(handover.at, now)}"
    taken = "not signed yet" if handover.signed_at is None else f"signed {_when(handover.signed_at, now)}"
    role = "pending" if handover.signed_at is None else "text"
    return [
        *_LABELS.text("from", given, look, width),
        *_LABELS.text("to", f"{handover.taker}, {taken}", look, width, role=role),
        *_LABELS.text("as of", f"{_when(handover.at, now)}, {meanwhile(handover, events, now)}", look, width),
    ]


def handover_text(handover: Handover) -> str:
    """The note of who gave it, then what there was to know."""
    note = f"### Note of {handover.giver}\n\n{handover.note}\n\n" if handover.note else ""
    return note + handover.text
