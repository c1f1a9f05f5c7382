"""What may be done to alerts from a screen that shows them: acknowledge, take it back, silence, lift a silence.

Nothing is shown as done before the store says so: until then a row says what was asked for. A refusal is said in
words in a line of its own.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from textual.binding import Binding, BindingType

from console.domain import format as fmt
from console.domain.alert import Alert, AlertState, Phase, Silence
from console.domain.errors import Refused, TradexError
from console.domain.text import printable
from screens.alert_rows import Scene
from screens.base import ConsoleScreen, Layout
from widgets.live_table import LiveTable

_PATIENCE = timedelta(seconds=3)
"""How long a row says what was asked for after the store has said that it is done."""


class ActingScreen(ConsoleScreen):
    """A screen with alerts to act on. Says which alerts (`targets`)."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "acknowledge", "ack", id="alert.acknowledge"),
        Binding("z", "silence", "silence", id="alert.silence"),
        Binding("u", "unacknowledge", "undo ack", id="alert.unacknowledge"),
        Binding("Z", "end_silence", "lift silence", id="alert.end-silence"),
    ]

    def __init__(self, *, number: int | None = None) -> None:
        super().__init__(number=number)
        self.acting: dict[int, str] = {}
        self._asked: dict[int, tuple[Alert, datetime | None]] = {}

    # What a screen fills in

    def targets(self) -> Sequence[Alert]:
        """The alerts that a key acts on: the marked ones, else the selected one."""
        raise NotImplementedError

    def aim(self, *, silences: bool = False) -> LiveTable | None:
        """The table whose cursor says what a key acts on (with `silences` the one that lifts them); None where
        nothing but a person can change what that is."""
        return None

    def alerts_aimed_at(self) -> Sequence[Alert]:
        return self.targets()

    def begun(self) -> None:
        """Something was asked for: marks have done what they were for."""

    def acted(self) -> None:
        """What was asked for, or is no longer, has changed: draw the rows."""

    def silence_in_view(self) -> Silence | None:
        """The silence that a key would lift."""
        alert = next((a for a in self.targets() if a.silence is not None), None)
        return None if alert is None else self.silence_of(alert)

    def silence_of(self, alert: Alert) -> Silence | None:
        return next((s for s in self.snapshot.silences if s.id == alert.silence), None)

    @property
    def scene(self) -> Scene:
        """How the rows of alerts are drawn now."""
        return Scene(
            self.look,
            self.now,
            self.snapshot.metrics.specs,
            greyed=self.greyed,
            compact=self.arrangement is Layout.COMPACT,
            acting=self.acting,
        )

    def commands(self) -> Iterable[tuple[str, str, Callable[[], None]]]:
        """What the keys do, for the command palette: title, explanation, deed."""
        found = self.targets()
        about = printable(found[0].rule, 40) if found else "the selected alert"
        about += f" and {len(found) - 1} more" if len(found) > 1 else ""
        yield "Acknowledge", f"somebody is on {about}", self.action_acknowledge
        yield "Unacknowledge", f"nobody is on {about}", self.action_unacknowledge
        yield "Silence", f"keep {about} quiet for a while", self.action_silence
        yield "Unsilence", f"lift the silence that keeps {about} quiet", self.action_end_silence

    # Keys

    def _handed_on(self, table: LiveTable | None, to: str) -> bool:
        """Whether the cursor was carried on to `to` when its row went away: that is said once, and nothing is done,
        for the key may have been meant for what was there a moment ago."""
        if table is None or table.handed_on is None:
            return False
        key, table.handed_on = table.handed_on, None
        gone = next((a.rule for a in self.snapshot.alerts if str(a.id) == key), "what was selected")
        self.say(f"{printable(gone, 30)} has left the list; press again for {to}", role="warn", glyph="warn")
        return True

    def _aimed_at_other(self, found: Sequence[Alert]) -> bool:
        return bool(found) and self._handed_on(self.aim(), ", ".join(a.rule for a in found))

    def action_acknowledge(self) -> None:
        """Say that somebody is on it."""
        found = self.targets()
        if self._aimed_at_other(found):
            return
        wanted = [
            a
            for a in found
            if a.phase is not Phase.RESOLVED and not a.acknowledged_by and a.id not in self.acting
        ]
        if wanted:
            ids = [a.id for a in wanted]
            self._ask("acknowledging", wanted, lambda: self.feed.desk.acknowledge(ids))
        else:
            self.say(self._why_not(found))

    def action_unacknowledge(self) -> None:
        """Take it back: nobody is on it."""
        found = self.targets()
        if self._aimed_at_other(found):
            return
        acknowledged = [a for a in found if a.acknowledged_by and a.phase is not Phase.RESOLVED]
        wanted = [a for a in acknowledged if a.id not in self.acting]
        if wanted:
            ids = [a.id for a in wanted]
            self._ask("taking it back", wanted, lambda: self.feed.desk.unacknowledge(ids))
        elif acknowledged:
            self.say(self._why_not(acknowledged))
        elif found:
            self.say("nobody has acknowledged this: there is nothing to take back")
        else:
            self.say("no alert is selected")

    def _why_not(self, found: Sequence[Alert]) -> str:
        if not found:
            return "no alert is selected"
        alert = found[0]
        if alert.id in self.acting:
            return f"{alert.rule}: {self.acting[alert.id]} already"
        if alert.phase is Phase.RESOLVED:
            return f"{alert.rule} is resolved already"
        return f"{alert.acknowledged_by} is on it already; u takes that back"

    def _ask(self, word: str, alerts: Sequence[Alert], call: Callable[[], Awaitable[None]]) -> None:
        for alert in alerts:
            self.acting[alert.id] = word
            self._asked[alert.id] = (alert, None)
        self.say("")
        self.begun()
        self.acted()
        # The app's, not the screen's, and never exclusive: what was asked for is neither cut off by leaving nor by
        # what is asked for next.
        self.app.run_worker(self._carry_out(alerts, call), group="desk", exit_on_error=False)

    async def _carry_out(self, alerts: Sequence[Alert], call: Callable[[], Awaitable[None]]) -> None:
        try:
            await call()
        except TradexError as error:
            self._forget(a.id for a in alerts)
            self._refused(error)
        else:
            for alert in alerts:
                if alert.id in self._asked:
                    self._asked[alert.id] = (alert, self.now)
        if self.is_attached:
            self.settle()
            self.acted()

    def _refused(self, error: TradexError) -> None:
        # Whoever has left meanwhile is told where they are now.
        screens = [self] if self.is_attached else reversed(self.app.screen_stack)
        screen = next((each for each in screens if isinstance(each, ActingScreen)), None)
        if screen is not None:
            role = "warn" if isinstance(error, Refused) else "crit"
            screen.say(str(error), role=role, glyph=role)

    def _forget(self, ids: Iterable[int]) -> None:
        for each in ids:
            self.acting.pop(each, None)
            self._asked.pop(each, None)

    def settle(self) -> None:
        """Forget what has come true, and what the store called done a while ago."""
        if self._asked:
            present = {a.id: a for a in self.snapshot.alerts if a.id in self._asked}
            over = [
                each
                for each, (before, done) in self._asked.items()
                if (after := present.get(each)) is None
                or (after.acknowledged_by, after.phase) != (before.acknowledged_by, before.phase)
                or (done is not None and self.now - done > _PATIENCE)
            ]
            self._forget(over)
            if over:
                self.acted()

    def action_silence(self) -> None:
        """Keep what is selected quiet for a while."""
        found = [a for a in self.targets() if a.state is not AlertState.RESOLVED] or list(self.targets())
        if not found:
            self.say("no alert is selected")
            return
        if self._aimed_at_other(found):
            return
        if reason := self.snapshot.link.why_not("responder"):
            self.say(reason, role="warn", glyph="warn")
            return
        # Only here: input fields cost a tenth of the time to the first screen.
        from screens import silence_text
        from screens.silence_dialog import SilenceDialog

        dialog = SilenceDialog(silence_text.for_rules([a.rule for a in found]))
        self.app.push_screen(dialog, self._silenced)

    def _silenced(self, made: Silence | None) -> None:
        if made is not None:
            words = ", ".join(map(str, made.matchers))
            self.say(f"silenced until {fmt.clock(made.ends_at)} UTC: {words}", role="ok", glyph="done")

    def action_end_silence(self) -> None:
        """Lift the silence that keeps it quiet."""
        silence = self.silence_in_view()
        if silence is None:
            self.say("no silence keeps this quiet; s on screen 4 shows those in force")
        elif not self._handed_on(self.aim(silences=True), ", ".join(map(str, silence.matchers))):
            from screens.silence_dialog import EndSilence

            self.app.push_screen(EndSilence(silence), self._lifted)

    def _lifted(self, ended: Silence | None) -> None:
        if ended is not None:
            self.say(f"lifted: {', '.join(map(str, ended.matchers))}", role="ok", glyph="done")
