"""Rows of what actions left in force: how long it still holds, where, and what was lifted lately. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from console.domain.action import Effect, remaining
from console.domain.snapshot import Snapshot
from screens.alert_rows import moment
from widgets.action_states import layer_state
from widgets.cells import EMPTY, Cells, cells, join, piece
from widgets.charts import meter
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
    for effect in sorted(effects, key=lambda effect: effect.lifted_at is not None):
        title = "lifted within the hour" if effect.lifted_at is not None else _title(effect, snapshot)
        groups.setdefault(title, []).append(effect)
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
    return _TITLES.get(effect.kind) or snapshot.command_of(effect.kind)


def _effect_row(
    effect: Effect, snapshot: Snapshot, look: Look, now: datetime, *, compact: bool, greyed: bool
) -> Row:
    over = effect.lifted_at is not None
    bad = not over and any(layer_state(layer.state).role == "crit" for layer in effect.layers)
    role = "muted" if over else "stale" if greyed else "crit" if bad else "info"
    target = effect.target or snapshot.command_of(effect.kind)
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
    share = _left(effect, left)
    role = "pending" if share <= _SOON else "s2"
    row.append(EMPTY if over else meter(share, 6 if compact else _METER, look, role=role))
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


def _left(effect: Effect, left: timedelta | None) -> float:
    """How much of its time is left, 0..1; 1 where it has no end."""
    if left is None or effect.expires_at is None:
        return 1.0
    whole = effect.expires_at - effect.since
    return left / whole if whole > timedelta() else 0.0
