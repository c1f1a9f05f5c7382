"""Rows of the timeline: when, a glyph, what happened. Pure."""

from collections.abc import Sequence
from functools import partial

from console.domain import format as fmt
from console.domain.event import Event, Severity
from widgets.cells import cells
from widgets.live_table import Column, Deferred, Entry, Row
from widgets.look import Look
from widgets.states import severity_state

_KIND_GLYPHS = {"drill": ("running", "accent"), "agent": ("info", "info")}


def event_columns(*, seconds: bool) -> tuple[Column, ...]:
    return (Column("", 8 if seconds else 5), Column("", 1), Column("", None))


def event_entries(events: Sequence[Event], look: Look, *, seconds: bool = True) -> list[Entry]:
    """Newest first. The glyph says what kind of entry it is where nothing is wrong, else how bad it is.

    A row is built when it is seen: there may be hundreds.
    """
    return [Deferred(str(event.id), partial(_event_row, event, look, seconds)) for event in events]


def _event_row(event: Event, look: Look, seconds: bool) -> Row:
    state = severity_state(event.severity)
    glyph, role = state.glyph, state.role
    if event.severity is Severity.INFO:
        glyph, role = _KIND_GLYPHS.get(event.kind, (glyph, role))
    loud = event.severity in (Severity.CRITICAL, Severity.WARNING)
    return Row(
        str(event.id),
        (
            cells(fmt.clock(event.at, seconds=seconds), look("muted")),
            cells(look.glyphs[glyph], look(role)),
            cells(event.text, look("text" if loud else "muted" if event.severity is Severity.OK else "text")),
        ),
    )
