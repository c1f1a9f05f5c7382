"""9 Actions and audit: what was asked for, what runs, how it ended; and the audit of everything."""

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input

from console.domain.action import Action, ActionState, AuditEntry, Step
from console.domain.errors import TradexError
from screens.action_deciding import DecidingScreen
from screens.action_rows import (
    ACTION_COLUMNS,
    AUDIT_COLUMNS,
    AUDIT_COLUMNS_COMPACT,
    STEP_COLUMNS_NARROW,
    action_entries,
    action_lines,
    action_row,
    audit_entries,
    audit_matches,
    matches,
    step_entries,
    steps_of,
)
from screens.aim import Aim
from screens.base import Layout
from widgets.cells import EMPTY, cells
from widgets.fact_list import FactList
from widgets.field import FilterField
from widgets.live_table import LiveTable, Row
from widgets.panel import set_subtitle, set_title

_STAY_S = 0.2
"""How long the cursor stays before the steps of its action are read."""
_PAGE = 200
_NEAR = 20
"""So many rows before the end of what was read, the next page is."""


class ActionsScreen(DecidingScreen):
    """The list; beside it the action under the cursor. `v` shows the audit instead."""

    NUMBER = 9
    AUTO_FOCUS: ClassVar[str | None] = "#actions"
    DEFAULT_CSS = """
    ActionsScreen #action-filter {
        display: none;
        height: 3;
        border: round $tx-border;
        border-title-color: $tx-strong;
        border-title-style: bold;
        background: $tx-surface;
        color: $tx-text;
        padding: 0 1;
    }
    ActionsScreen.-filter #action-filter { display: block; }
    ActionsScreen #action-filter:focus { border: round $tx-accent; background-tint: $tx-surface 0%; }
    .ascii ActionsScreen #action-filter, .ascii ActionsScreen #action-filter:focus { border: ascii $tx-accent; }
    ActionsScreen.-compact #action-filter, ActionsScreen.-compact #action-filter:focus {
        height: 1;
        border: none;
        background: $tx-raised;
    }
    ActionsScreen #actions { width: 64; }
    ActionsScreen #beside { width: 1fr; }
    ActionsScreen #action-words { height: 8; }
    ActionsScreen #action-steps { height: 1fr; }
    ActionsScreen.-compact #columns { layout: vertical; }
    ActionsScreen.-compact #actions { width: 1fr; height: 1fr; }
    ActionsScreen.-compact #beside { width: 1fr; height: 11; }
    ActionsScreen.-compact #action-steps { display: none; }
    ActionsScreen.-empty #beside { display: none; }
    ActionsScreen.-empty #actions { width: 1fr; }
    ActionsScreen #audit { display: none; }
    ActionsScreen.-audit #audit { display: block; }
    ActionsScreen.-audit #columns { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "filter", id="actions.filter"),
        Binding("v", "view", "audit", id="actions.view"),
        Binding("r", "app.refresh", "refresh", show=False, id="actions.refresh"),
        Binding("escape", "back", "back", show=False, id="actions.back"),
        Binding("down", "move(1)", "select", show=False, id="actions.down"),
        Binding("up", "move(-1)", "select", show=False, id="actions.up"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._words: Sequence[str] = ()
        self._audit: list[AuditEntry] = []
        self._audit_all = self._audit_busy = False
        self._audit_problem = ""
        self._steps: Sequence[Step] = ()
        self._steps_of: int | None = None
        """The action that `_steps` are of; None while none were read."""
        self._read_of: Action | None = None
        """The action whose steps are read, as it stood then."""
        self._timer: Timer | None = None
        self._unwatch: list[Callable[[], None]] = []

    def compose_body(self) -> Iterable[Widget]:
        with Vertical():
            yield FilterField(id="action-filter", placeholder="words, !word, state, person, action:12")
            with Horizontal(id="columns"):
                yield LiveTable(id="actions", empty="", follow=True)
                with Vertical(id="beside"):
                    yield FactList(id="action-words", classes="panel")
                    yield LiveTable(id="action-steps", header=False, empty="no step yet")
            yield LiveTable(id="audit", empty="", newest_first=True)

    def on_mount(self) -> None:
        titles = {"actions": "Actions", "action-words": "Detail", "action-steps": "Steps", "audit": "Audit"}
        for name, title in titles.items():
            set_title(self.query_one(f"#{name}"), title)
        set_title(self.query_one("#action-filter"), "Filter")
        self._list.on_cursor = self._moved
        self.query_one("#audit", LiveTable).on_cursor = self._draw_place
        self._unwatch = [
            self.feed.watch("audit", self._audit_heard),
            self.feed.watch("action", self._action_heard),
        ]

    def on_unmount(self) -> None:
        for end in self._unwatch:
            end()

    @property
    def _list(self) -> LiveTable:
        return self.query_one("#actions", LiveTable)

    @property
    def _shows_audit(self) -> bool:
        return self.has_class("-audit")

    @property
    def selected(self) -> Action | None:
        """The action under the cursor."""
        key = self._list.selected
        return None if key is None else self.snapshot.action(int(key))

    def action_in_view(self) -> Action | None:
        return None if self._shows_audit else self.selected

    def aimed_at(self) -> Aim:
        action = self.action_in_view()
        if action is None:
            return Aim()
        return Aim(action.params.get("network", ""), action.params.get("account", ""), action.reason)

    # Drawing

    def update(self, changed: frozenset[str]) -> None:
        if changed & {"actions", "kinds", "link", "agent", "control"}:
            self._draw_list()
        self._moved()
        if self._shows_audit:
            self._draw_audit()

    def update_ages(self) -> None:
        self._list.redraw()
        self._draw_selected()

    def _row_of(self, action: Action) -> Row:
        return action_row(action, self.snapshot, self.look, self.now, greyed=self.greyed)

    def _draw_list(self) -> None:
        snapshot = self.snapshot
        found = [a for a in snapshot.actions if not self._words or matches(a, self._words, snapshot)]
        entries = action_entries(found, self._row_of, headings=self.arrangement is not Layout.COMPACT)
        if self._words and snapshot.actions:
            empty = "no action matches"
        else:
            empty = "nothing today: B blocks an address, S suspends an account, : has all"
        self._list.show(ACTION_COLUMNS, entries, empty=empty if snapshot.control else "")
        self.set_class(not found, "-empty")
        waiting = sum(a.waits_for_approval for a in snapshot.actions)
        stuck = sum(a.state is ActionState.INTERRUPTED for a in snapshot.actions)
        parts = [(waiting, "waiting for approval"), (stuck, "interrupted"), (len(snapshot.freezes), "freeze")]
        set_subtitle(self._list, ", ".join(f"{n} {word}" for n, word in parts if n))

    def _draw_selected(self) -> None:
        words, steps = self.query_one("#action-words", FactList), self.query_one("#action-steps", LiveTable)
        action, look = self.selected, self.look
        if action is None:
            words.show([(cells("no action is selected", look("muted")), EMPTY)])
            steps.show(STEP_COLUMNS_NARROW, [])
            return
        width = words.content_size.width or 50
        most = 1 if self.arrangement is Layout.COMPACT else 3
        lines = action_lines(action, self.snapshot, look, self.now, width, most=most)
        words.styles.height = "1fr" if most == 1 else len(lines) + 2
        words.show(lines)
        read = self._steps_of == action.id
        found = steps_of(action, self._steps if read else ())
        empty = "no step yet" if read or action.started_at is None else ""
        steps.show(STEP_COLUMNS_NARROW, step_entries(found, look, self.now, narrow=True), empty=empty)

    # The steps of the action under the cursor

    def _moved(self) -> None:
        self._draw_selected()
        self._read_soon()

    def _read_soon(self) -> None:
        action, before = self.selected, self._read_of
        if action is None or action == before or self.snapshot.link.away is not None:
            return
        self._read_of = action
        if before is not None and before.id == action.id:
            self._begin_reading()
            return
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(_STAY_S, self._begin_reading)

    def _action_heard(self) -> None:
        """A step has changed: the old ones stand until the new are there."""
        if self.is_current:
            self._begin_reading()

    def _begin_reading(self) -> None:
        action = self.selected
        if action is not None:
            self.run_worker(self._read_steps(action.id), group="steps", exclusive=True, exit_on_error=False)

    async def _read_steps(self, number: int) -> None:
        try:
            found = await self.feed.query.action_steps(number)
        except TradexError as error:
            self._read_of = None
            if self.is_attached:
                self.say(
                    f"the steps of action {number} could not be read: {error}", role="crit", glyph="crit"
                )
            return
        self._steps, self._steps_of = found, number
        if self.is_attached:
            self._draw_selected()

    # The audit

    def _audit_heard(self) -> None:
        if self._shows_audit and self.is_current:
            self._read_audit(older=False)

    def _read_audit(self, *, older: bool) -> None:
        if not self._audit_busy:
            self._audit_busy = True
            self.run_worker(self._read_page(older), group="audit", exit_on_error=False)

    async def _read_page(self, older: bool) -> None:
        before = self._audit[-1].seq if older and self._audit else None
        try:
            page = await self.feed.query.audit(before=before, limit=_PAGE)
        except TradexError as error:
            self._audit_problem = f"the audit could not be read: {error}"
        else:
            self._audit_problem = ""
            if before is not None:
                self._audit += page
                self._audit_all = len(page) < _PAGE
            else:
                self._take_newest(page)
        finally:
            self._audit_busy = False
        if self.is_attached:
            self._draw_audit()

    def _take_newest(self, page: Sequence[AuditEntry]) -> None:
        last = self._audit[0].seq if self._audit else 0
        fresh = [entry for entry in page if entry.seq > last]
        if len(fresh) == len(page) == _PAGE or not self._audit:
            # What lies between is not known: the pages before are read again.
            self._audit, self._audit_all = list(page), len(page) < _PAGE
        else:
            self._audit[:0] = fresh

    def _draw_audit(self) -> None:
        compact = self.arrangement is Layout.COMPACT
        table = self.query_one("#audit", LiveTable)
        found = [e for e in self._audit if audit_matches(e, self._words)] if self._words else self._audit
        empty = self._audit_problem or ("no entry matches" if self._audit and self._words else "")
        columns = AUDIT_COLUMNS_COMPACT if compact else AUDIT_COLUMNS
        table.show(columns, audit_entries(found, self.look, self.now, compact=compact), empty=empty)
        self._draw_place()

    def _draw_place(self) -> None:
        table = self.query_one("#audit", LiveTable)
        shown, more = len(table.keys), "" if self._audit_all else "+"
        set_subtitle(table, f"{(table.place or 0) + 1} of {shown:,}{more}" if shown else "")
        if self._shows_audit and not self._audit_all and (table.place or 0) >= shown - _NEAR:
            self._read_audit(older=bool(self._audit))

    # Keys

    def action_view(self) -> None:
        """The audit, or the actions again."""
        self.toggle_class("-audit")
        if self._shows_audit:
            self.query_one("#audit", LiveTable).focus()
            self._read_audit(older=False)
        else:
            self._list.focus()

    def action_filter(self) -> None:
        """Type words; the list is filtered as they are typed."""
        self.add_class("-filter")
        self.query_one("#action-filter", Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._words = event.value.lower().split()
        self._draw_list()
        if self._shows_audit:
            self._draw_audit()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self._back_to_list()
        self.set_class(bool(self._words), "-filter")

    def _back_to_list(self) -> None:
        self.query_one("#audit" if self._shows_audit else "#actions", LiveTable).focus()

    def action_move(self, step: int) -> None:
        table = self.query_one("#audit" if self._shows_audit else "#actions", LiveTable)
        table.action_cursor(step)

    def action_back(self) -> None:
        """The filter is emptied, then the audit is left."""
        if self.has_class("-filter"):
            self.query_one("#action-filter", Input).value = ""
            self._back_to_list()
            self.remove_class("-filter")
        elif self._shows_audit:
            self.action_view()

    def on_live_table_chosen(self, event: LiveTable.Chosen) -> None:
        # Imported when somebody looks closer.
        from screens.action_detail import ActionDetail

        action = self.selected
        if event.table.id == "audit":
            entry = next((e for e in self._audit if str(e.seq) == event.key), None)
            if entry is not None:
                from screens.audit_detail import AuditDetail

                self.app.push_screen(AuditDetail(entry, number=self.number))
        elif action is not None:
            self.app.push_screen(ActionDetail(action, number=self.number))
