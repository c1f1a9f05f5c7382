"""The dialogs of silences: to add one, with an end and a reason, and to lift one before its time."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from console.domain import format as fmt
from console.domain import matchers
from console.domain.alert import Alert, AlertState, Matcher, Silence, title_of
from console.domain.errors import Misuse
from console.domain.metric import MetricSpec
from screens import silence_text
from screens.alert_rows import SEVERITY_WORDS, moment
from screens.console_dialog import ConsoleDialog, labelled
from screens.paragraphs import Line
from widgets.cells import Cells, cells, piece
from widgets.dialog import LabelledField
from widgets.fact_list import FactList
from widgets.field import Field
from widgets.look import Look
from widgets.states import alert_state, severity_state
from widgets.times import span_words

DEFAULT_LENGTH = "30m"
_SHOWN = 5


def _show_all(facts: FactList, lines: Sequence[Line]) -> None:
    facts.styles.height = len(lines)
    facts.show(lines)


def matched_lines(
    alerts: Sequence[Alert], specs: Mapping[str, MetricSpec], look: Look, *, most: int = _SHOWN
) -> list[Line]:
    """How many alerts there are, and the first of them with their states."""
    count = len(alerts)
    words = "no alert of now; those to come" if not count else f"{fmt.counted(count, 'alert')} of now"
    lines: list[Line] = [((piece("matches  ", look("strong", bold=True)), piece(words, look("muted"))), ())]
    for alert in alerts[: most if count <= most else most - 1]:
        severity, state = severity_state(alert.severity), alert_state(alert)
        left = (
            piece(f"  {look.glyphs[severity.glyph]} ", look(severity.role)),
            piece(f"{SEVERITY_WORDS[alert.severity].upper()} ", look(severity.role)),
            piece(title_of(alert, specs), look("text")),
        )
        lines.append((left, (piece(f"{look.glyphs[state.glyph]} {state.word}", look(state.role)),)))
    if count > most:
        lines.append((cells(f"  and {count - most + 1} more", look("muted")), ()))
    return lines


class SilenceDialog(ConsoleDialog[Silence]):
    """Keeps what matches quiet for a while. Returns the silence, None when it was cancelled."""

    VERB: ClassVar[str] = "silences"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("m", "edit('matchers')", "matchers", id="silence.matchers"),
        Binding("l", "edit('length')", "length", id="silence.length"),
        Binding("r", "edit('reason')", "reason", id="silence.reason"),
    ]

    def __init__(self, given: Sequence[Matcher]) -> None:
        super().__init__("Silence")
        self._given = matchers.written(given)

    def compose_fields(self) -> Iterable[Widget]:
        yield FactList(id="where", rows=1)
        yield LabelledField("m", "matchers", Field(self._given, id="matchers"))
        yield LabelledField(
            "l", "length", Field(DEFAULT_LENGTH, id="length", placeholder="30m, 2h, until 06:00")
        )
        yield FactList(id="until", rows=1)
        yield LabelledField("r", "reason", Field(id="reason", placeholder="why, for those who wonder"))
        yield FactList(id="matched", rows=_SHOWN + 1)

    def changed(self) -> None:
        look = self.host.look
        self.query_one("#where", FactList).show([self.where(look)])
        self.query_one("#until", FactList).show([labelled("", self._until(look), look)])
        _show_all(self.query_one("#matched", FactList), self._matched(look))
        super().changed()

    def _value(self, field: str) -> str:
        return self.query_one(f"#{field}", Field).value

    def _until(self, look: Look) -> Cells:
        now = self.host.feed.now()
        try:
            length = silence_text.length(self._value("length"), now)
        except Misuse:
            return cells("30m, 2h, 1d, or until 06:00 (UTC)", look("muted"))
        end = now + length
        day = "" if end.date() == now.date() else f"{end:%d %b} "
        return cells(f"until {day}{fmt.clock(end)} UTC, then it ends by itself", look("muted"))

    def _matched(self, look: Look) -> list[Line]:
        snapshot = self.host.feed.snapshot
        present = [a for a in snapshot.alerts if a.state is not AlertState.RESOLVED]
        try:
            wanted = matchers.parsed(self._value("matchers"))
            found = silence_text.matching(present, wanted)
        except Misuse as error:
            return [((piece("matches  ", look("strong", bold=True)), piece(str(error), look("warn"))), ())]
        return matched_lines(found, snapshot.metrics.specs, look)

    def action_words(self) -> str:
        try:
            length = silence_text.length(self._value("length"), self.host.feed.now())
        except Misuse:
            return "Silence"
        return f"Silence for {span_words(length.total_seconds())}"

    def busy_words(self) -> str:
        return "silencing"

    def problem(self) -> tuple[str, str | None]:
        now = self.host.feed.now()
        try:
            silence_text.matching((), matchers.parsed(self._value("matchers")))
        except Misuse as error:
            return str(error), "matchers"
        try:
            silence_text.length(self._value("length"), now)
        except Misuse as error:
            return str(error), "length"
        if not self._value("reason").strip():
            return "a reason is required: write the reason, then enter and y", "reason"
        return "", None

    async def carry_out(self) -> Silence:
        length: timedelta = silence_text.length(self._value("length"), self.host.feed.now())
        wanted = matchers.parsed(self._value("matchers"))
        return await self.host.feed.desk.silence(wanted, length, self._value("reason").strip())


class EndSilence(ConsoleDialog[Silence]):
    """Lifts a silence before its time. Returns it, None when it was cancelled."""

    VERB: ClassVar[str] = "lifts it"

    def __init__(self, silence: Silence) -> None:
        super().__init__("Lift silence")
        self._silence = silence

    def compose_fields(self) -> Iterable[Widget]:
        yield FactList(id="about", rows=4)
        yield FactList(id="matched", rows=_SHOWN + 1)

    def changed(self) -> None:
        look, silence, now = self.host.look, self._silence, self.host.feed.now()
        snapshot = self.host.feed.snapshot
        matchers = ", ".join(map(str, silence.matchers))
        left = silence.ends_at - now
        until = (
            piece(f"until {moment(silence.ends_at, now)}", look("text")),
            piece(f"   {fmt.age(left)} left", look("muted")),
        )
        by = (
            piece(silence.author, look("text")),
            piece(f" {fmt.age(now - silence.starts_at)} ago: {silence.reason}", look("muted")),
        )
        self.query_one("#about", FactList).show(
            [
                labelled("silence", cells(matchers, look("strong", bold=True)), look),
                self.where(look),
                labelled("by", by, look),
                labelled("ends", until, look),
            ]
        )
        loud = [a for a in snapshot.alerts if a.silence == silence.id and a.state is not AlertState.RESOLVED]
        _show_all(self.query_one("#matched", FactList), matched_lines(loud, snapshot.metrics.specs, look))
        super().changed()
        text, _ = self.problem()
        if text:
            self.say(text)

    def problem(self) -> tuple[str, str | None]:
        if self._busy or any(s.id == self._silence.id for s in self.host.feed.snapshot.silences):
            return "", None
        if self.host.feed.now() >= self._silence.ends_at:
            return "it has ended by itself", None
        return "it is no longer in force: somebody has lifted it", None

    def action_words(self) -> str:
        return "Lift silence"

    def busy_words(self) -> str:
        return "lifting"

    async def carry_out(self) -> Silence:
        await self.host.feed.desk.end_silence(self._silence.id)
        return self._silence
