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
from widgets.cells import Cells, join, measure, piece, space
from widgets.charts import meter
from widgets.line_widget import LineWidget

if TYPE_CHECKING:
    from console.domain.action import Action
    from console.domain.forecast import Forecast

COMPACT_BELOW = 100
_MAINTENANCE = "maintenance_on"
_BAR, _LONGEST_NAME = 7, 12
_SHORT_NAMES = {"production": "PROD", "staging": "STAGE"}


@dataclass(frozen=True, slots=True)
class Part:
    """One fact of the banner. `keep`: the lowest gives way first, to its `short` form if it has one; `right`: which
    group it stands in.

    Names, ends and words of what goes on give way before who one is (73) and how old the data is (75); what runs and
    what holds for everybody stay, if only as a sign.
    """

    content: Cells
    keep: int
    right: bool = False
    short: Part | None = None


class Banner(LineWidget):
    """Everything of the first row but the clock. Parts are dropped by priority until the rest fits."""

    DEFAULT_CSS = "Banner { height: 1; width: 1fr; }"

    def __init__(self) -> None:
        super().__init__(id="banner")
        self._snapshot: Snapshot | None = None
        self._now: datetime | None = None
        self._course: Forecast | None = None
        self._elsewhere = False
        self._counted: Sequence[Alert] = ()
        self._tally = Counts()

    def show(
        self, snapshot: Snapshot, now: datetime, course: Forecast | None = None, *, elsewhere: bool = False
    ) -> None:
        """`course` is that of the deployment which is under way; `elsewhere`: it has a row of its own."""
        self._snapshot, self._now = snapshot, now
        self._course, self._elsewhere = course, elsewhere
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
            if part.short is not None:
                parts.insert(worst, part.short)
        return [[*left, *space(max(room, 0)), *right]]

    def _parts(self, snapshot: Snapshot, now: datetime, compact: bool) -> list[Part]:
        link, text = snapshot.link, self.text
        parts = [Part(self._environment(link.environment, compact), 99)]
        if link.store:
            parts.append(
                Part((text("pg ", "faint"), text(link.store, "text")), 20)
                if not compact
                else Part((text("pg:", "faint"), text(link.role, "text")), 64)
            )
        if link.user:
            name = text(link.user, "text")
            who = Part((name,), 73)
            parts.append(who if compact else Part((name, text(f" {link.role}", "muted")), 64, short=who))
        if link.read_only:
            parts.append(Part((text("read-only", "pending"),), 74))
        parts.append(self._leader(snapshot, compact))
        if (age := snapshot.data_age(now)) is not None:
            parts.append(self._age(snapshot, now, fmt.age(age), compact))
        parts.extend(self._control(snapshot, now, compact))
        parts.extend(self._counts(snapshot, now, compact))
        if link.time_scale != 1:
            scale = text(f"x{link.time_scale:g}", "pending")
            short = Part((scale,), 50, right=True)
            parts.append(Part((text("time ", "faint"), scale), 10, right=True, short=short))
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
            return Part((self.text(f"{self.look.glyphs['warn']} {word}", "warn", bold=True),), 79)
        if compact:
            return Part((self.text(leader, "muted"),), 15)
        name = self.text(leader, "text")
        return Part((self.text("lead ", "faint"), name), 12, short=Part((name,), 18))

    def _age(self, snapshot: Snapshot, now: datetime, age: str, compact: bool) -> Part:
        stale = snapshot.is_stale(snapshot.metrics.at, now)
        word = () if compact else (self.text("data ", "faint"),)
        if stale:
            return Part((*word, self.text(f"{self.look.glyphs['stale']} {age}", "stale", bold=True)), 80)
        text = self.text(age, "text")
        return Part((*word, text), 68, short=Part((text,), 75))

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
            short = Part((glyph, text(f"{len(others)}", "info")), 78)
            parts.append(Part((glyph, text(names, "text")), 29, short=short))
        for glass in (g for g in snapshot.glass if g.ends_at > now):
            words = f" BREAK GLASS {glass.author} {fmt.clock(glass.ends_at, seconds=False)} "
            chip = look.chip("crit")
            parts.append(Part((piece(words, chip),), 70, short=Part((piece(" GLASS ", chip),), 96)))
        if late := snapshot.overdue(now):
            whole = (text(f"{late} overdue", "warn", bold=True),)
            short = Part((text(f"{look.glyphs['to-do']} {late}", "warn"),), 62, right=True)
            parts.append(Part(whole, 32, right=True, short=short))
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
                short = Part((text(label, role, bold=True),), 85, right=True)
                parts.append(Part((whole,), 33, right=True, short=short))
        deployment = None if self._course is None else snapshot.deployment
        running = [a for a in snapshot.actions if a.state.runs and a is not deployment]
        if self._course is not None and deployment is not None and not self._elsewhere:
            name = deployment.target or snapshot.command_of(deployment.kind)
            parts.append(self._progress_part(name, self._course))
        if running:
            parts.append(self._run_part(snapshot, running))
        if (
            freeze := next((f for f in snapshot.freezes if f.starts_at <= now < f.ends_at), None)
        ) is not None:
            until = fmt.clock(freeze.ends_at, seconds=False)
            whole = (text("frozen ", "pending"), text(f"until {until}", "muted"))
            short = Part((text("frozen", "pending"),), 72, right=True)
            parts.append(Part(whole, 35, right=True, short=short))
        return parts

    def _progress_part(self, name: str, course: Forecast) -> Part:
        """`► v2.14.4 ━━╸──── 39%`; the last to go."""
        glyph = self.text(f"{self.look.glyphs['running']} ", "accent", bold=True)
        whole = "going back" if course.percent is None else f"{course.percent}%"
        percent = self.text(f" {whole}", "text", bold=True)
        called = self.text(name[:_LONGEST_NAME], "text")
        bar: Cells = (
            () if course.percent is None else meter(course.percent / 100, _BAR, self.look, role="accent")
        )
        sign = Part((glyph, self.text(whole, "text", bold=True)), 96, right=True)
        short = Part((glyph, called, percent), 87, right=True, short=sign)
        return Part((glyph, called, self.text(" "), *bar, percent), 76, right=True, short=short)

    def _run_part(self, snapshot: Snapshot, running: Sequence[Action]) -> Part:
        glyph = self.text(f"{self.look.glyphs['running']} ", "accent", bold=True)
        if len(running) > 1:
            short = Part((glyph, self.text(f"{len(running)}", "text", bold=True)), 86, right=True)
            return Part((glyph, self.text(f"{len(running)} actions", "text")), 65, right=True, short=short)
        action = running[0]
        name = snapshot.command_of(action.kind)
        steps = self.text(f" {action.step}/{action.steps}" if action.steps else "", "text", bold=True)
        target = self.text(f" {action.target[:24]}" if action.target else "", "muted")
        called = self.text(name, "text")
        sign = Part((glyph, self.text(steps.text.strip(), "text", bold=True)), 86, right=True)
        short = Part((glyph, called, steps), 66, right=True, short=sign)
        return Part((glyph, called, target, steps), 28, right=True, short=short)

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
