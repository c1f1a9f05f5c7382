"""What is done about an incident from the war-room: its keys. Nothing is shown as done before the store says so; a
refusal is said in words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from console.domain.book import Done, Marked
from console.domain.check import Known
from console.domain.errors import TradexError
from console.domain.incident import LEVELS, Attached, Incident, IncidentState
from console.domain.incident import Entry as Written
from screens import incident_asking as asking
from screens.action_asking import tell
from screens.asking_dialog import Asking, AskingDialog
from screens.base import ConsoleScreen

if TYPE_CHECKING:
    from screens.note_dialog import NoteDialog


class IncidentActing(ConsoleScreen):
    """Says which incident, which step and which entry a key is about."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "note", "note", id="incident.note"),
        Binding("x", "start", "do", id="incident.start"),
        Binding("space", "tick", "tick", key_display="space", id="incident.tick"),
        Binding("a", "acknowledge", "ack", id="incident.acknowledge"),
        Binding("m", "mitigate", "mitigated", id="incident.mitigate"),
        Binding("w", "update_status", "update", id="incident.update"),
        Binding("C", "close_incident", "close", id="incident.close"),
        Binding("o", "roles", "roles", id="incident.roles"),
        Binding("k", "skip", "skip", id="incident.skip"),
        Binding("L", "level", "level", id="incident.level"),
        Binding("p", "pin", "pin", id="incident.pin"),
        Binding("F", "follow_ups", "follow-ups", id="incident.follow-ups"),
        Binding("f", "app.follow_commander", "follow", id="app.follow"),
        Binding("v", "postmortem", "post-mortem", id="incident.postmortem"),
        Binding("g", "links", "merge, split, link", id="incident.links"),
        Binding("b", "runbook", "attach a runbook", id="incident.runbook"),
    ]

    def __init__(self, *, number: int | None = None) -> None:
        super().__init__(number=number)
        self.asked: dict[tuple[int, int], str] = {}
        self.checked: Mapping[str, Known] = {}
        """What is known of the checks that steps name."""
        self.awaited: dict[str, int] = {}
        """Checks whose result this person waits for, and the run that was asked for."""

    # What the screen says

    @property
    def incident(self) -> Incident | None:
        """The one in view."""
        raise NotImplementedError

    @property
    def step(self) -> tuple[Attached, Marked] | None:
        """The step under the cursor, in the panel that has the focus."""
        raise NotImplementedError

    @property
    def entry(self) -> Written | None:
        """The entry of the timeline under the cursor, in the panel that has the focus."""
        raise NotImplementedError

    def shown_metric(self) -> str:
        """The metric whose plot is shown; "" for none."""
        raise NotImplementedError

    def show_metric(self, metric: str) -> None:
        """Show another one, here."""
        raise NotImplementedError

    def acted(self) -> None:
        """What was asked for has changed: draw the steps."""

    def handed_on(self) -> bool:
        """Whether the cursor is on another step than whoever pressed a key has seen; that is said."""
        return False

    # Helpers

    def _changeable(self, *, over: bool = False) -> Incident | None:
        """The incident, where this person may change it; else it is said why not. `over`: also one that is over."""
        incident = self.incident
        if incident is None:
            self.say("no incident is open: i opens one")
        elif reason := self.snapshot.link.why_not():
            self.say(reason, role="warn", glyph="warn")
        elif incident.state.over and not over:
            self.say(f"{incident.name} is {incident.state}: C opens it again")
        else:
            return incident
        return None

    def ask(self, asked: Asking, then: Callable[[], None] | None = None) -> None:
        """Open the dialog; what was done is said, and `then` is called. Where nothing can be chosen that is said."""
        if asked.picks is not None and not asked.picks(self.look):
            self.say(asked.nothing)
            return

        def done(words: str | None) -> None:
            if words is None:
                return
            if self.is_attached:
                self.say(words, role="ok", glyph="done")
            if then is not None:
                then()

        self.app.push_screen(AskingDialog(asked), done)

    def _tell(self, call: Callable[[], Awaitable[None]], words: str) -> None:
        tell(self, call, words)

    # Steps

    def _step_meant(self) -> tuple[Incident, Attached, Marked] | None:
        incident = self._changeable()
        if incident is None or self.handed_on():
            return None
        found = self.step
        if found is None:
            self.say("no step is selected: tab leads to the steps")
            return None
        book, marked = found
        if (book.id, marked.place) in self.asked:
            self.say(f"step {marked.place}: {self.asked[book.id, marked.place]} already")
            return None
        return incident, book, marked

    def action_tick(self) -> None:
        """The step is done; again: it is not, after all."""
        if (found := self._step_meant()) is None:
            return
        incident, book, marked = found
        state = Done.DONE if marked.mark is None else None
        self.mark(incident, book, marked, state, "ticking" if state else "taking back")

    def mark(
        self,
        incident: Incident,
        book: Attached,
        marked: Marked,
        state: Done | None,
        doing: str,
        *,
        action_id: int | None = None,
    ) -> None:
        """Have the store say that a step is done, or not; until it answers the row says what was asked for."""
        self.asked[book.id, marked.place] = doing
        self.acted()
        work = self._mark(incident.id, book.id, marked.place, state, action_id)
        # The app's: leaving the screen cuts nothing off.
        self.app.run_worker(work, group="desk", exit_on_error=False)

    async def _mark(
        self, incident: int, book: int, place: int, state: Done | None, action_id: int | None
    ) -> None:
        try:
            await self.feed.desk.mark_step(incident, book, place, state, action_id=action_id)
        except TradexError as error:
            if self.is_attached:
                started = "" if action_id is None else f"action {action_id} goes on, but step {place}: "
                self.say(f"{started}{error}", role="warn", glyph="warn")
        finally:
            self.asked.pop((book, place), None)
            if self.is_attached:
                self.acted()

    def action_skip(self) -> None:
        """The step is not needed, and why."""
        if (found := self._step_meant()) is not None:
            incident, book, marked = found
            if marked.mark is not None:
                self.say(f"{marked.mark.by} {marked.mark.state} it: space takes that back")
            else:
                self.ask(asking.skipping(self.feed.desk, incident, book, marked))

    def action_start(self) -> None:
        """Do what the step says: start its action, check, go to its screen, show its metric."""
        from screens.incident_steps import start

        found = self.step
        if self.incident is None or found is None:
            self.say("no step is selected: tab leads to the steps")
        elif not self.handed_on():
            start(self, self.incident, *found)

    # The incident

    def action_note(self) -> None:
        """Write a note on the timeline."""
        if (incident := self._changeable(over=True)) is not None:
            from screens.note_dialog import NoteDialog

            async def send(text: str, key: str) -> str:
                await self.feed.desk.add_note(incident.id, text, key=key)
                return "the note is on the timeline"

            dialog = NoteDialog(
                f"Note, {incident.name}",
                send,
                name=self.draft_name("note", incident),
                drafts=self.host.drafts,
                about=[("incident", incident.title)],
            )
            self.app.push_screen(dialog, partial(self.wrote, dialog))

    def draft_name(self, what: str, incident: Incident) -> str:
        """Under which name a draft of this person about it is kept."""
        # Only where something is written.
        from screens.drafts import draft_name

        return draft_name(self.snapshot.link, f"{what}-{incident.id}")

    def wrote(self, dialog: NoteDialog, words: str | None) -> None:
        """What was written has arrived; None: it was left."""
        if not self.is_attached:
            return
        if words is not None:
            self.say(words, role="ok", glyph="done")
        elif dialog.kept:
            self.say("it is kept as a draft: the same key goes on with it")

    def action_acknowledge(self) -> None:
        """Somebody is on it."""
        if (incident := self._changeable()) is None:
            return
        if incident.acknowledged_by is not None:
            self.say(f"{incident.acknowledged_by} is on it already")
        else:
            call = partial(self.feed.desk.acknowledge_incident, incident.id)
            self._tell(call, f"you are on {incident.name}")

    def action_mitigate(self) -> None:
        """The harm has stopped; where it had: it has not, after all."""
        if (incident := self._changeable()) is not None:
            self.ask(asking.mitigating(self.feed.desk, incident))

    def action_level(self) -> None:
        """How bad it is."""
        if (incident := self._changeable()) is not None:
            self.ask(asking.levelling(self.feed.desk, incident, LEVELS))

    def action_roles(self) -> None:
        """Take a role, or give it to somebody."""
        if (incident := self._changeable()) is not None:
            self.ask(asking.roles(self.feed, incident))

    def action_follow_ups(self) -> None:
        """What is to be done afterwards."""
        if (incident := self._changeable(over=True)) is not None:
            self.ask(asking.follow_ups(self.feed, incident))

    def action_links(self) -> None:
        """Merge it into another one, split alerts off, link others."""
        if (incident := self._changeable()) is not None:
            self.ask(asking.links(self.feed, incident))

    def action_rename(self) -> None:
        """Call it something else."""
        if (incident := self._changeable()) is not None:
            self.ask(asking.renaming(self.feed.desk, incident))

    def action_close_incident(self) -> None:
        """It is over; one that is: it is not."""
        incident = self._changeable(over=True)
        if incident is None:
            return
        if incident.state is IncidentState.MERGED:
            self.say(f"{incident.name} goes on as INC-{incident.merged_into}")
        elif incident.state.over:
            self.ask(asking.reopening(self.feed.desk, incident))
        else:
            draft = bool(self.host.drafts.read(self.draft_name("note", incident)).text)
            self.ask(asking.closing(self.feed, incident, draft=draft), self._after_closing)

    def _after_closing(self) -> None:
        if self.is_attached:
            self.say("closed: v shows the post-mortem", role="ok", glyph="done")

    def action_pin(self) -> None:
        """Keep the entry under the cursor in sight; elsewhere the plot, for everybody. Again: no longer."""
        incident = self._changeable()
        if incident is None:
            return
        entry, metric = self.entry, self.shown_metric()
        if entry is not None:
            number = entry.event.id
            off = any(pin.event_id == number for pin in incident.pins)
            words = "not pinned any more" if off else "pinned for everybody"
            self._tell(partial(self.feed.desk.pin, incident.id, number, off=off), words)
        elif not metric:
            self.say("nothing to pin: tab leads to the timeline, x on a step shows its metric")
        elif incident.plot == metric:
            self._tell(partial(self.feed.desk.pin_plot, incident.id, ""), "the plot is not pinned any more")
        else:
            self._tell(partial(self.feed.desk.pin_plot, incident.id, metric), f"everybody sees {metric}")

    # What is read first

    def read(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        """Read something before it is asked or shown; why it can't be is said."""

        async def run() -> None:
            try:
                await work()
            except TradexError as error:
                if self.is_attached:
                    self.say(f"{what} could not be read: {error}", role="crit", glyph="crit")

        self.run_worker(run(), group="asking", exclusive=True, exit_on_error=False)

    def action_runbook(self) -> None:
        """Work through another runbook, too."""
        incident = self._changeable()
        if incident is None:
            return

        async def ask() -> None:
            books = await self.feed.query.runbooks()
            if self.is_current:
                self.ask(asking.attaching(self.feed.desk, incident, books))

        self.read("the runbooks", ask)

    def action_update_status(self) -> None:
        """Write a stakeholder update by a template: also the last one, after its end."""
        if (incident := self._changeable(over=True)) is not None:
            from screens.incident_updates import choose

            choose(self, incident)

    def action_postmortem(self) -> None:
        """The post-mortem, as far as it has come."""
        incident = self.incident
        if incident is None:
            self.say("no incident is selected")
            return

        async def show() -> None:
            from screens.reading import ReadingScreen

            text = await self.feed.query.postmortem(incident.id)
            if self.is_current:
                self.app.push_screen(
                    ReadingScreen(f"Post-mortem of {incident.name}", text, number=self.number)
                )

        self.read("the post-mortem", show)

    def commands(self) -> Iterable[tuple[str, str, Callable[[], None]]]:
        incident = self.incident
        if incident is None:
            return
        name = incident.name
        over = incident.state.over
        yield f"Note on {name}", "write on its timeline", self.action_note
        yield f"{'Reopen' if over else 'Close'} {name}", incident.title, self.action_close_incident
        yield f"Post-mortem of {name}", "figures, timeline, follow-ups", self.action_postmortem
        yield f"Follow-ups of {name}", "what is to be done afterwards", self.action_follow_ups
        if over:
            return
        yield f"Acknowledge {name}", "somebody is on it", self.action_acknowledge
        yield f"Mitigated {name}", "the harm has stopped, or has not after all", self.action_mitigate
        yield f"Level of {name}", "how bad it is", self.action_level
        yield f"Roles of {name}", "take one, or give it to somebody", self.action_roles
        yield f"Rename {name}", incident.title, self.action_rename
        yield f"Update on {name}", "for stakeholders, by a template", self.action_update_status
        yield f"Attach a runbook to {name}", "work through it, too", self.action_runbook
        yield f"Merge, split or link {name}", "what belongs to it", self.action_links
        yield "Tick the step", "it is done; again: it is not", self.action_tick
        yield "Skip the step", "it is not needed, and why", self.action_skip
        yield "Start the step", "do what it says", self.action_start
        yield "Pin", "the entry under the cursor, or the plot, for everybody", self.action_pin
        yield "Follow the commander", "see what they see; again: no longer", self.host.following.toggle
