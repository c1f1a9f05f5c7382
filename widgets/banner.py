"""The first row: where you are, as whom, who watches, how old the data is, what is wrong, what time it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from rich.segment import Segment

from console.domain import format as fmt
from console.domain.alert import Alert, Counts, counts
from console.domain.snapshot import Snapshot
from themes.palette import environment_role
from widgets.cells import EMPTY, Cells, join, measure, piece, space
from widgets.line_widget import LineWidget

if TYPE_CHECKING:
    from console.domain.action import Action

COMPACT_BELOW = 100
_MAINTENANCE = "maintenance_on"
_SHORT_NAMES = {"production": "PROD", "staging": "STAGE"}


@dataclass(frozen=True, slots=True)
class Part:
    """One fact of the banner. `keep`: the lowest gives way first; `right`: which group it stands in.

    A part with a `short` form takes that before it goes, and is then worth `keep_short`.
    """

    content: Cells
    keep: int
    right: bool = False
    short: Cells = EMPTY
    keep_short: int = 0


class Banner(LineWidget):
    """Everything of the first row but the clock. Parts are dropped by priority until the rest fits."""

    DEFAULT_CSS = "Banner { height: 1; width: 1fr; }"

    def __init__(self) -> None:
        super().__init__(id="banner")
        self._snapshot: Snapshot | None = None
        self._now: datetime | None = None
        self._counted: Sequence[Alert] = ()
        self._tally = Counts()

    def show(self, snapshot: Snapshot, now: datetime) -> None:
        self._snapshot, self._now = snapshot, now
        self.redraw()

    def build(self, width: int, height: int) -> list[Cells]:
        if self._snapshot is None or self._now is None:
            return []
        compact = self.app.size.width < COMPACT_BELOW
        parts = self._parts(self._snapshot, self._now, compact)
        gap: Cells = space(2)
        if not compact:
            gap = (
                Segment(" "),
                self.text(self.look.glyphs["separator"], "grid"),
                Segment(" "),
            )
        while True:
            left = join((p.content for p in parts if not p.right), gap)
            right = join((p.content for p in parts if p.right), gap)
            room = width - measure(left) - measure(right)
            if room >= 2 or len(parts) <= 1:
                break
            worst = min(range(len(parts)), key=lambda i: parts[i].keep)
            part = parts.pop(worst)
            if part.short:
                parts.insert(worst, Part(part.short, part.keep_short, part.right))
        return [[*left, *space(max(room, 0)), *right]]

    def _parts(self, snapshot: Snapshot, now: datetime, compact: bool) -> list[Part]:
        link, text = snapshot.link, self.text
        parts = [Part(self._environment(link.environment, compact), 99)]
        if link.store:
            parts.append(
                Part((text("pg ", "faint"), text(link.store, "text")), 20)
                if not compact
                else Part((text("pg:", "faint"), text(link.role, "text")), 40)
            )
        if link.user:
            role = () if compact else (text(f" {link.role}", "muted"),)
            parts.append(Part((text(link.user, "text"), *role), 30 if not compact else 25))
        if link.read_only:
            parts.append(Part((text("read-only", "pending"),), 60))
        parts.append(self._leader(snapshot, compact))
        if (age := snapshot.data_age(now)) is not None:
            parts.append(self._age(snapshot, now, fmt.age(age), compact))
        parts.extend(self._control(snapshot, now, compact))
        parts.extend(self._counts(snapshot, now, compact))
        if link.time_scale != 1:
            scale = text(f"x{link.time_scale:g}", "pending")
            parts.append(Part((text("time ", "faint"), scale), 10, right=True, short=(scale,), keep_short=50))
        return parts

    def _environment(self, environment: str, compact: bool) -> Cells:
        name = environment or "no environment"
        shown = _SHORT_NAMES.get(name.lower(), name.upper()) if compact else name.upper()
        style = self.look.chip(environment_role(environment) if environment else "stale")
        return (Segment(" "), Segment(f" {self.text(shown).text} ", style))

    def _leader(self, snapshot: Snapshot, compact: bool) -> Part:
        leader = snapshot.agent.leader
        if leader is None:
            word = "no agent"
            return Part((self.text(f"{self.look.glyphs['warn']} {word}", "warn", bold=True),), 70)
        if compact:
            return Part((self.text(leader, "muted"),), 15)
        name = self.text(leader, "text")
        return Part((self.text("lead ", "faint"), name), 12, short=(name,), keep_short=18)

    def _age(self, snapshot: Snapshot, now: datetime, age: str, compact: bool) -> Part:
        stale = snapshot.is_stale(snapshot.metrics.at, now)
        word = () if compact else (self.text("data ", "faint"),)
        if stale:
            return Part((*word, self.text(f"{self.look.glyphs['stale']} {age}", "stale", bold=True)), 80)
        return Part((*word, self.text(age, "text")), 45)

    def _control(self, snapshot: Snapshot, now: datetime, compact: bool) -> Sequence[Part]:
        """Whether the platform's users are refused, what else holds for all of them, whose glass is broken, what waits
        for this person, what runs, and until when changes are frozen."""
        look, text, parts = self.look, self.text, []
        # A block or a suspension is about its target only.
        whole_platform = [e for e in snapshot.effects if e.lifted_at is None and not e.target]
        for effect in (e for e in whole_platform if e.kind == _MAINTENANCE):
            words = f" MAINTENANCE {fmt.age(now - effect.since)} "
            parts.append(Part((piece(words, look.chip("warn")),), 97))
        if others := [e.kind for e in whole_platform if e.kind != _MAINTENANCE]:
            glyph = text(f"{look.glyphs['blocked']} ", "info", bold=True)
            names = ", ".join(kind.removesuffix("_on").replace("_", " ") for kind in others)
            short = (glyph, text(f"{len(others)}", "info"))
            parts.append(Part((glyph, text(names, "text")), 29, short=short, keep_short=50))
        for glass in (g for g in snapshot.glass if g.ends_at > now):
            words = f" BREAK GLASS {glass.author} {fmt.clock(glass.ends_at, seconds=False)} "
            chip = look.chip("crit")
            parts.append(Part((piece(words, chip),), 95, short=(piece(" GLASS ", chip),), keep_short=96))
        link = snapshot.link
        waiting = sum(not a.no_approval(link.user, link.role) for a in snapshot.actions)
        stuck = sum(a.state == "interrupted" for a in snapshot.actions)
        for count, glyph, role, word in (
            (waiting, "pending", "pending", "approval"),
            (stuck, "firing", "crit", "interrupted"),
        ):
            if count:
                label = f"{look.glyphs[glyph]} {count}"
                plural = "s" if count > 1 and word == "approval" else ""
                whole = text(f"{label} {word}{plural}", role, bold=True)
                short = text(label, role, bold=True)
                parts.append(Part((whole,), 33, right=True, short=(short,), keep_short=85))
        running = [a for a in snapshot.actions if a.state.runs]
        if running:
            parts.append(self._run_part(snapshot, running))
        if (
            freeze := next((f for f in snapshot.freezes if f.starts_at <= now < f.ends_at), None)
        ) is not None:
            until = fmt.clock(freeze.ends_at, seconds=False)
            whole = (text("frozen ", "pending"), text(f"until {until}", "muted"))
            parts.append(Part(whole, 35, right=True, short=(text("frozen", "pending"),), keep_short=55))
        return parts

    def _run_part(self, snapshot: Snapshot, running: Sequence[Action]) -> Part:
        glyph = self.text(f"{self.look.glyphs['running']} ", "accent", bold=True)
        if len(running) > 1:
            return Part((glyph, self.text(f"{len(running)} actions", "text")), 65, right=True)
        action = running[0]
        name = snapshot.command_of(action.kind)
        steps = self.text(f" {action.step}/{action.steps}" if action.steps else "", "text", bold=True)
        target = self.text(f" {action.target[:24]}" if action.target else "", "muted")
        return Part(
            (glyph, self.text(name, "text"), target, steps),
            28,
            right=True,
            short=(glyph, self.text(name, "text"), steps),
            keep_short=66,
        )

    def _counts(self, snapshot: Snapshot, now: datetime, compact: bool) -> Sequence[Part]:
        """How many criticals and warnings fire; what only informs is not worth a place here."""
        if snapshot.alerts is not self._counted:
            self._counted, self._tally = snapshot.alerts, counts(snapshot.alerts)
        tally = self._tally
        old = snapshot.link.away is not None or snapshot.is_stale(snapshot.metrics.at, now)
        content: list[Segment] = []
        for count, role, word in ((tally.critical, "crit", "crit"), (tally.warning, "warn", "warn")):
            if count:
                if content:
                    content.append(Segment(" "))
                label = f"{self.look.glyphs[role]} {count}" + ("" if compact else f" {word}")
                content.append(self.text(label, "stale" if old else role, bold=True))
        return [Part(content, 90, right=True)] if content else []


class Clock(LineWidget):
    """The time in UTC, with seconds, in a widget of its own: its tick repaints nothing else."""

    DEFAULT_CSS = "Clock { height: 1; width: 16; }"

    def __init__(self) -> None:
        super().__init__(id="clock")
        self._now: datetime | None = None

    def show(self, now: datetime) -> None:
        self._now = now
        self.redraw()

    def build(self, width: int, height: int) -> list[Cells]:
        if self._now is None:
            return []
        time = self.text(fmt.clock(self._now), "strong", bold=True)
        if self.app.size.width < COMPACT_BELOW:
            return [[*space(width - 10), time, self.text("Z ", "faint")]]
        separator = self.text(self.look.glyphs["separator"], "grid")
        return [[Segment(" "), separator, Segment(" "), time, self.text(" UTC ", "faint")]]
