"""5 Incident: the war-room. Who works on it, its clocks, what happened, the steps, what changed before, the metric."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.widget import Widget

from console.domain import format as fmt
from console.domain.alert import Alert
from console.domain.book import Marked
from console.domain.incident import Attached, IncidentState, Presence, incident_name
from console.domain.incident import Entry as Written
from screens.base import EVERYTHING, Layout
from screens.incident_close_up import does_words, entry_screen, step_screen
from screens.incident_entries import PIN
from screens.incident_panels import MOST_CHANGES, Changed, MetricPlot, Steps, Story
from screens.incident_past import PastIncidents
from screens.incident_reading import IncidentReading
from screens.incident_rows import GONE_AFTER, clock_lines, head_lines
from screens.incident_step_rows import step_key
from widgets.arrow_table import ArrowTable
from widgets.cells import EMPTY, cells
from widgets.fact_list import FactList
from widgets.live_table import LiveTable
from widgets.panel import set_subtitle, set_title

_NEAR_THE_END = 20
_LOOK_EVERY_S = 10.0


_WHILE_OPEN = frozenset(
    "start tick acknowledge mitigate roles level skip close_incident pin links runbook"
    " app.follow_commander".split()
)
"""What nobody needs while it is over; `C` opens it again."""


class IncidentScreen(IncidentReading):
    """The worst of those that are open, or the one that was chosen; without one, a list of those that were."""

    CHANGES: ClassVar[frozenset[str]] = (_WHILE_OPEN - {"app.follow_commander"}) | {
        *("note", "update_status", "follow_ups", "open_incident")
    }
    NUMBER = 5
    AUTO_FOCUS: ClassVar[str | None] = "#steps"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "left_square_bracket", "switch(-1)", "other incident", key_display="[ ]", id="incident.previous"
        ),
        Binding("right_square_bracket", "switch(1)", "other incident", show=False, id="incident.next"),
        Binding("5", "show_called", "where somebody calls", show=False, id="incident.called"),
        Binding("i", "open_incident", "open incident", id="screen.incident"),
        Binding("r", "app.refresh", "refresh", show=False, id="incident.refresh"),
        Binding("escape", "back", "back", show=False, id="incident.back"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._changed_rows = MOST_CHANGES + 2
        self._hints: tuple[object, ...] = ()
        self._worked_on: int | None = None
        self._elsewhere = False
        self._draft_of: str | None = None
        self._draft_waits = False

    def compose_body(self) -> Iterable[Widget]:
        yield FactList(id="incident-head", classes="panel")
        yield FactList(id="rail", classes="panel")
        with Container(id="room"):
            with Container(id="side"):
                yield Steps(id="steps", header=False, empty="", follow=True)
                yield Changed(id="changed", header=False, empty="", opens=False)
                yield MetricPlot()
            yield Story()
        yield PastIncidents()

    def on_mount(self) -> None:
        set_title(self.query_one("#incident-head"), "Incident")
        set_title(self.query_one("#rail"), "Clock")
        self._table("timeline").on_cursor = self._scrolled
        self.set_interval(_LOOK_EVERY_S, self._look_about)

    def _table(self, name: str) -> ArrowTable:
        return self.query_one(f"#{name}", ArrowTable)

    # What is in view

    @property
    def step(self) -> tuple[Attached, Marked] | None:
        table, incident = self._table("steps"), self.incident
        if incident is None or not table.has_focus:
            return None
        return next(
            (
                (book, marked)
                for book in incident.runbooks
                for marked in book.steps
                if step_key(book, marked) == table.selected
            ),
            None,
        )

    @property
    def entry(self) -> Written | None:
        table = self._table("timeline")
        key = (table.selected or "").removeprefix(PIN)
        if not table.has_focus:
            return None
        return next((each for each in self._pages.entries if str(each.event.id) == key), None)

    def handed_on(self) -> bool:
        table = self._table("steps")
        if not table.has_focus or table.handed_on is None:
            return False
        table.handed_on = None
        self.say("the step under the cursor has changed; press again for this one", role="warn", glyph="warn")
        return True

    def show_metric(self, metric: str) -> None:
        self._metric = metric
        self._draw_plot()
        here = self.arrangement is not Layout.COMPACT
        self.say(f"{metric} is shown {'here' if here else 'on a larger screen'}; p pins it for everybody")

    def alerts_aimed_at(self) -> Sequence[Alert]:
        """A new incident has its own."""
        return ()

    def show_incident(self, number: int) -> None:
        """Show this one."""
        self._chosen, self._listing, self._metric = number, False, ""
        self._other_one()

    def _other_one(self) -> None:
        if self.snapshot.incident(self._chosen or 0) is None:
            # It is not among those of the last day.
            self._timeline.again()
        if self._framed:
            self.update(EVERYTHING)

    def on_screen_suspend(self) -> None:
        # What is pushed above this one is in its stack.
        self._elsewhere = self not in self.app.screen_stack

    def on_screen_resume(self) -> None:
        called, self.host.following.called = self.host.following.called, None
        elsewhere, self._elsewhere = self._elsewhere, False
        incident = self.incident
        if called is not None:
            self._chosen, self._listing = called, False
        elif elsewhere and incident is not None and incident.state.over and self.snapshot.open_incidents:
            merged = incident.merged_into is not None and incident.id == self._worked_on
            self._chosen = incident.id if merged else None
        if called is not None:
            self._other_one()
        self._draft_of = None
        self._look_for_a_draft()
        self._company.again()

    def _look_about(self) -> None:
        """Nobody tells that somebody is still here; below a dialog they are seen, too."""
        if self.is_current:
            self._company.again()
            if self.checked:
                # Their ages.
                self._draw_steps()

    def _look_for_a_draft(self) -> None:
        """Whether a note on the incident in view was begun and not sent; one that is written comes from a dialog."""
        incident = self.incident
        name = None if incident is None else self.draft_name("note", incident)
        if name != self._draft_of:
            self._draft_of, before = name, self._draft_waits
            self._draft_waits = name is not None and bool(self.host.drafts.read(name).text)
            if self._framed and self._draft_waits is not before:
                self._draw_timeline()

    # Drawing

    def _goes_on(self) -> bool:
        """The incident in view was merged: the screen is about the one that goes on with it."""
        incident = self.incident
        into = None if incident is None or incident.id != self._worked_on else incident.merged_into
        if incident is not None and into is not None:
            self._chosen, self._metric = into, ""
            self.say(f"{incident.name} was merged: {incident_name(into)} goes on with it", role="accent")
        now = self.incident
        self._worked_on = None if now is None or now.state.over else now.id
        return into is not None

    def update(self, changed: frozenset[str]) -> None:
        if self._goes_on():
            changed = EVERYTHING
        incident = self.incident
        self.host.following.room = None if incident is None else incident.id
        if incident is not None:
            # A worse one that opens meanwhile must not come under a key that is meant for this one.
            self._chosen = incident.id
        elif self._has_one():
            self._timeline.again()
        none = not self._has_one()
        state = None if incident is None else incident.state
        hints = (none, state, *map(self.hinted, ("acknowledge", "tick", "note", "switch")))
        if hints != self._hints:
            self._hints = hints
            self.refresh_bindings()
        if none is not self.has_class("-none"):
            self.set_class(none, "-none")
            self.call_after_refresh(self._lead)
            if none:
                self._shelf.again()
        self._look_for_a_draft()
        self.update_ages()
        if changed & {"incidents", "actions", "checklist", "link", "control"}:
            self._draw_steps()
            self._draw_past()
        if changed & {"trends", "metrics", "alerts", "incidents"}:
            self._draw_plot()
        if changed == EVERYTHING or "incidents" in changed:
            self._draw_timeline()
            self._draw_changes()
        if not self.checked.keys() >= set(self._check_names()):
            # Another runbook was attached.
            self._checking.again()
        for reading in (self._timeline, self._before, self._company, self._checking):
            reading.soon()

    def _lead(self) -> None:
        """The focus goes to what is shown, which has its size only now."""
        self._draw_steps()
        if self.is_current:
            self._table("past" if self.has_class("-none") else "steps").focus()

    def update_ages(self) -> None:
        self._draw_head()
        incident, rail = self.incident, self.query_one("#rail", FactList)
        if incident is not None and rail.content_size.width:
            rail.show(clock_lines(incident, self._alerts, self._scene(), rail.content_size.width))

    def acted(self) -> None:
        self._draw_steps()

    def _draw_head(self) -> None:
        incident, head = self.incident, self.query_one("#incident-head", FactList)
        if incident is None:
            words = "" if self._number() is None else self._timeline.empty("there is no such incident")
            head.show([(cells(words, self.look("muted")), EMPTY)])
            return
        others = sum(each.id != incident.id for each in self.snapshot.open_incidents)
        head.show(head_lines(incident, self._alerts, self._present_now(), self._scene(), others=others))
        here = sum(self.now - each.seen_at <= GONE_AFTER for each in self._present_now())
        parts = [f"following {self.host.following.leader}"] if self.host.following.leader else []
        parts.append(f"war room, {fmt.counted(here, 'console')}" if here else "war room")
        set_subtitle(head, ", ".join(parts))

    def _present_now(self) -> Sequence[Presence]:
        return () if self._company.is_other else self._present

    def _draw_steps(self) -> None:
        room = self.query_one("#room").size.height - self._changed_rows
        self.query_one(Steps).show_incident(self.incident, self._scene(), room=room)

    def _draw_timeline(self) -> None:
        self.query_one(Story).show(
            self.incident,
            () if self._timeline.is_other else self._pages.entries,
            self._scene(),
            complete=self._pages.complete,
            empty=self._timeline.empty("nothing was written yet"),
            draft=self._draft_waits,
        )
        self._draw_head()

    def _draw_changes(self) -> None:
        changes = () if self._before.is_other else self._changes
        empty = self._before.empty("nothing in the half hour before")
        changed = self.query_one(Changed)
        self._changed_rows = changed.show_changes(changes, self._scene(), empty=empty)
        self._give_room()
        self._draw_steps()
        self._draw_plot()

    def _give_room(self) -> None:
        """Without a metric to plot, what changed has its room."""
        plotted = bool(self.shown_metric())
        self.set_class(not plotted, "-unplotted")
        if not plotted:
            self.query_one(Changed).styles.height = "1fr"

    def _draw_plot(self) -> None:
        incident, plot = self.incident, self.query_one(MetricPlot)
        if incident is not None and self.arrangement is not Layout.COMPACT:
            then = self._series if incident.state.over and not self._before.is_other else {}
            metric = self.shown_metric()
            plot.show_metric(
                *(incident, self._alerts, self.snapshot, metric, self._scene()), series=then.get(metric)
            )

    def _draw_past(self) -> None:
        if self.has_class("-none"):
            known = {each.id: each for each in (*self._past, *self.snapshot.open_incidents)}
            self.query_one(PastIncidents).show(
                tuple(known.values()),
                self._books,
                self._scene(),
                open_now=len(self.snapshot.open_incidents),
                empty=self._shelf.empty("there was none yet"),
            )

    def _scrolled(self) -> None:
        """The cursor is near the end of what was read: read on."""
        table = self._table("timeline")
        near = (table.place or 0) >= len(table.keys) - _NEAR_THE_END
        if table.has_focus and near and self._pages.want_older():
            self._timeline.again()

    # Choosing

    def on_live_table_chosen(self, event: LiveTable.Chosen) -> None:
        if event.table.id == "past":
            self.show_incident(int(event.key))
        elif event.table.id == "steps" and (found := self.step) is not None:
            step, mark = found[1].step, found[1].mark
            action = None if mark is None else self.snapshot.action(mark.action_id or 0)
            does = does_words(found[1], self.snapshot, self.host.tabs)
            self.app.push_screen(step_screen(*found, self.checked.get(step.check), action, does, self.now))
        elif event.table.id == "timeline" and (incident := self.incident) is not None:
            pin = next((pin for pin in incident.pins if f"{PIN}{pin.event_id}" == event.key), None)
            if (shown := entry_screen(self.entry, pin)) is not None:
                self.app.push_screen(shown)

    def action_switch(self, step: int) -> None:
        """Another one that is open."""
        numbers = [incident.id for incident in self.snapshot.open_incidents]
        now = self._number()
        if not numbers or numbers == [now]:
            self.say("no other incident is open; escape lists those that were")
        else:
            place = numbers.index(now) if now in numbers else -1 if step > 0 else 0
            self.show_incident(numbers[(place + step) % len(numbers)])

    def action_show_called(self) -> None:
        """The incident in which somebody calls this person."""
        called, self.host.following.called = self.host.following.called, None
        if called is not None:
            self.say("")
            self.show_incident(called)

    def action_back(self) -> None:
        """From an incident to the list of all; from the list to the one that is open."""
        if self._listing or not self._has_one():
            self._listing, self._chosen = False, None
        else:
            self._listing = True
        self._other_one()

    def worded(self, action: str) -> str:
        incident = self.incident
        if incident is None:
            return ""
        if action == "mitigate" and incident.state is IncidentState.MITIGATED:
            return "not mitigated"
        return "reopen" if action == "close_incident" and incident.state is IncidentState.CLOSED else ""

    def hinted(self, action: str) -> bool:
        incident = self.incident
        if not super().hinted(action):
            return False
        if action == "choose" and self.arrangement is Layout.COMPACT and self._has_one():
            # What is done about it needs the room.
            return False
        if action == "open_incident":
            return not self._has_one()
        if action.startswith("switch"):
            return any(incident is None or each.id != incident.id for each in self.snapshot.open_incidents)
        if incident is None or incident.state.over:
            reopens = incident is not None and incident.state is IncidentState.CLOSED
            return action not in _WHILE_OPEN or (action == "close_incident" and reopens)
        return action != "acknowledge" or incident.acknowledged_at is None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Without an incident its keys are not offered."""
        if action in _NEEDS_ONE and not self._has_one():
            return False
        return super().check_action(action, parameters)


_NEEDS_ONE = frozenset(
    "note start tick acknowledge mitigate update_status roles level skip close_incident pin follow_ups"
    " postmortem links runbook switch".split()
)
