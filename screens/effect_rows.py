"""Rows of what actions left in force: how long it still holds, where, and what was lifted lately. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from console.domain.action import Effect, remaining
from console.domain.snapshot import Snapshot
from screens.action_rows import command_of
from screens.alert_rows import moment
from widgets.action_states import layer_state
from widgets.cells import EMPTY, Cells, cells, join, piece
from widgets.live_table import Column, Entry, Group, Row
from widgets.look import Look
from widgets.times import span_words

EFFECT_COLUMNS = (
    Column("", 1),
    Column("in force", None),
    Column("by", 8),
    Column("since", 6),
    Column("", 10),
    Column("left", 10, right=True),
    Column("where", 26),
)
EFFECT_COLUMNS_COMPACT = (
    Column("", 1),
    Column("in force", None),
    Column("by", 8),
    Column("", 6),
    Column("left", 10, right=True),
    Column("where", 19),
)
_METER = 10
_SOON = 0.1


def effect_entries(
    effects: Sequence[Effect], snapshot: Snapshot, look: Look, now: datetime, *, compact: bool, greyed: bool
) -> list[Entry]:
    """What is in force by kind, what ends first on top; then what was lifted within the hour."""
    groups: dict[str, list[Effect]] = {}
    for effect in effects:
        title = "lifted within the hour" if effect.lifted_at is not None else _title(effect, snapshot)
        groups.setdefault(title, []).append(effect)
    lifted = groups.pop("lifted within the hour", None)
    if lifted is not None:
        groups["lifted within the hour"] = lifted
    entries: list[Entry] = []
    for title, group in groups.items():
        if not compact:
            entries.append(Group(f"{title} {len(group)}"))
        entries.extend(
            _effect_row(each, snapshot, look, now, compact=compact, greyed=greyed) for each in group
        )
    return entries


_TITLES = {"block_ip": "blocked addresses", "suspend_account": "suspended accounts"}


def _title(effect: Effect, snapshot: Snapshot) -> str:
    return _TITLES.get(effect.kind) or command_of(effect.kind, snapshot)


def _effect_row(
    effect: Effect, snapshot: Snapshot, look: Look, now: datetime, *, compact: bool, greyed: bool
) -> Row:
    over = effect.lifted_at is not None
    bad = not over and any(layer_state(layer.state).role == "crit" for layer in effect.layers)
    role = "muted" if over else "stale" if greyed else "crit" if bad else "info"
    target = effect.target or command_of(effect.kind, snapshot)
    name: Cells = (
        piece(target, look("muted" if over else "stale" if greyed else "strong", bold=not over)),
        piece(f"  {effect.reason}" if effect.reason else "", look("muted")),
    )
    left = None if over else remaining(effect, now)
    row = [
        cells(look.glyphs["none" if over else "blocked"], look(role)),
        name,
        cells(effect.author, look("muted")),
    ]
    if not compact:
        row.append(cells(moment(effect.since, now), look("muted")))
    row.append(EMPTY if over else _meter(effect, left, look, 6 if compact else _METER))
    if over:
        words = "lifted"
    elif left is None:
        words = "no end"
    else:
        words = span_words(left.total_seconds()) if left else "ending"
    row.append(cells(words, look("muted")))
    row.append(layer_cells(effect, look))
    return Row(str(effect.id), tuple(row))


def layer_cells(effect: Effect, look: Look) -> Cells:
    """`platform ✓ vercel ✓`"""
    parts: list[Cells] = []
    for layer in effect.layers:
        state = layer_state(layer.state)
        parts.append(
            (piece(f"{layer.name} ", look("muted")), piece(look.glyphs[state.glyph], look(state.role)))
        )
    return join(parts, cells(" "))


def _meter(effect: Effect, left: timedelta | None, look: Look, width: int) -> Cells:
    """How much of its time is left."""
    share = 1.0
    if left is not None and effect.expires_at is not None:
        whole = (effect.expires_at - effect.since).total_seconds()
        share = min(max(left.total_seconds() / whole, 0.0), 1.0) if whole > 0 else 0.0
    halves = round(share * width * 2)
    full, half = divmod(halves, 2)
    role = "pending" if share <= _SOON else "s2"
    glyphs = look.glyphs
    return (
        piece(glyphs["bar"] * full + (glyphs["bar-half"] if half else ""), look(role)),
        piece(glyphs["bar-rest"] * (width - full - half), look("grid")),
    )
