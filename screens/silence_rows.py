"""Rows of the silences in force: what they match, who wants it, until when, why. Pure."""

from collections.abc import Sequence
from datetime import datetime

from console.domain.alert import Silence
from screens.alert_rows import moment
from widgets.cells import cells
from widgets.live_table import Column, Entry, Row
from widgets.look import Look

SILENCE_COLUMNS = (
    Column("", 1),
    Column("silence", 22),
    Column("by", 8),
    Column("until", 6),
    Column("reason", None),
)


def silence_entries(silences: Sequence[Silence], look: Look, now: datetime, *, greyed: bool) -> list[Entry]:
    """The first to end comes first."""
    role = "stale" if greyed else "text"
    entries: list[Entry] = []
    for each in silences:
        shown = [m.value if (m.label, m.op) == ("rule", "=") else str(m) for m in each.matchers]
        entries.append(
            Row(
                str(each.id),
                (
                    cells(look.glyphs["silenced"], look("stale" if greyed else "info")),
                    cells(", ".join(shown), look(role)),
                    cells(each.author, look("muted")),
                    cells(moment(each.ends_at, now), look("muted")),
                    cells(each.reason, look("muted")),
                ),
            )
        )
    return entries
