"""9 Actions and audit: what was asked for, what runs, how it ended; and the audit of everything."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Input

from console.domain.action import Action, ActionState, AuditEntry, Step
from console.domain.snapshot import MOST_ENDED
from screens.action_deciding import DecidingScreen
from screens.action_rows import (
    ACTION_COLUMNS,
    STEP_COLUMNS_NARROW,
    action_entries,
    action_lines,
    action_row,
    matches,
    step_entries,
    steps_of,
)
from screens.aim import Aim
from screens.audit_rows import AUDIT_COLUMNS, AUDIT_COLUMNS_COMPACT, audit_entries, audit_matches
from screens.base import Layout
from widgets.cells import EMPTY, cells
from widgets.fact_list import FactList
from widgets.field import FilterField
from widgets.live_table import LiveTable, Row
from widgets.panel import set_subtitle, set_title

_PAGE = 200
_NEAR = 20
"""So many rows before the end of what was read, the next page is."""


class AuditTable(LiveTable):
    """Whoever goes down where it ends wants to read on."""

    def action_cursor(self, step: int) -> None:
        before = self.selected
        super().action_cursor(step)
        if step > 0 and self.selected == before and self.on_cursor is not None:
            self.on_cursor()


class ActionsScreen(DecidingScreen):
    """The list; beside it the action under the cursor. `v` shows the audit instead."""

    NUMBER = 9
    AUTO_FOCUS: ClassVar[str | None] = "#actions"
    DEFAULT_CSS = """
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
        Binding("f", "plans", "plans that never ran", show=False, id="actions.plans"),
        Binding("r", "app.refresh", "refresh", show=False, id="actions.refresh"),
        Binding("escape", "back", "back", show=False, id="actions.back"),
        Binding("down", "move(1)", "select", show=False, id="actions.down"),
        Binding("up", "move(-1)", "select", show=False, id="actions.up"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._words: Sequence[str] = ()
        self._wanted: int | None = None
        """The action to put the cursor on, once it is listed."""
        self._known = 0
        """The latest action that was there when the list was drawn."""
        self._plans = False
        """Whether plans that never ran are listed one by one."""
        self._audit: list[AuditEntry] = []
        self._audit_all = False
        self._newest = self.follow(
            *(self._read_newest, self._draw_audit, "audit"),
            what="the audit",
            wanted=lambda: self._shows_audit,
        )
        self._older = self.follow(self._read_older, self._draw_audit, what="the audit")
        self._steps: Sequence[Step] = ()
        self._course = self.follow(
            *(self._read_steps, self._draw_selected, "action"),
            what="its steps",
            about=lambda: self.selected and self.selected.id,
        )

    def compose_body(self) -> Iterable[Widget]:
        with Vertical():
            yield FilterField(id="action-filter", placeholder="words, !word, state, person, action:12")
            with Horizontal(id="columns"):
                yield LiveTable(id="actions", empty="", follow=True)
                with Vertical(id="beside"):
                    yield FactList(id="action-words", classes="panel")
                    yield LiveTable(id="action-steps", header=False, empty="no step yet")
            yield AuditTable(id="audit", empty="", newest_first=True)

    def on_mount(self) -> None:
        titles = {"actions": "Actions", "action-words": "Detail", "action-steps": "Steps", "audit": "Audit"}
        for name, title in titles.items():
            set_title(self.query_one(f"#{name}"), title)
        self._list.on_cursor = self._moved
        self.query_one("#audit", LiveTable).on_cursor = self._page_down

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
        # Why it was done then is no reason to do it again.
        return Aim(action.params.get("network", ""), action.params.get("account", ""))

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
        # Who looks for something finds it, whatever became of it.
        entries = action_entries(
            *(found, self._row_of, self.look, self.now),
            headings=self.arrangement is not Layout.COMPACT,
            plans=self._plans or bool(self._words),
        )
        if self._words and snapshot.actions:
            empty = "no action matches"
        else:
            empty = "nothing today: B blocks an address, S suspends an account, : has all"
        at_top, known = self._list.place == 0, self._known
        self._known = max((action.id for action in snapshot.actions), default=0)
        self._list.show(ACTION_COLUMNS, entries, empty=empty if snapshot.control else "")
        keys = self._list.keys
        if str(self._wanted) in keys:
            self._list.select(str(self._wanted))
            self._wanted = None
        elif at_top and keys and int(keys[0]) > known:
            # Not what has only come up, or was not listed: what comes in is seen.
            self._list.select(keys[0])
        self.set_class(not keys, "-empty")
        self._draw_list_place()

    def _draw_list_place(self) -> None:
        snapshot = self.snapshot
        waiting = sum(a.waits_for_approval for a in snapshot.actions)
        stuck = sum(a.state is ActionState.INTERRUPTED for a in snapshot.actions)
        parts = [(waiting, "waiting for approval"), (stuck, "interrupted"), (len(snapshot.freezes), "freeze")]
        told = [f"{n} {word}" for n, word in parts if n]
        if sum(a.state.final for a in snapshot.actions) >= MOST_ENDED:
            told.insert(0, f"last {MOST_ENDED} that ended")
        if self._plans:
            told.append("all plans")
        set_subtitle(self._list, ", ".join(filter(None, (self._list.place_words, *told))))

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
        cut = len(lines) - words.content_size.height if most == 1 else 0
        set_subtitle(words, f"{cut} more: enter" if 0 < cut < len(lines) else "")
        found = steps_of(action, () if self._course.is_other else self._steps)
        empty = "no step yet" if action.started_at is None else self._course.empty("no step yet")
        steps.show(STEP_COLUMNS_NARROW, step_entries(found, look, self.now, narrow=True), empty=empty)

    # The steps of the action under the cursor

    def _moved(self) -> None:
        self._draw_list_place()
        self._draw_selected()
        self._course.soon()

    async def _read_steps(self) -> None:
        action = self.selected
        if action is not None:
            self._steps = await self.feed.query.action_steps(action.id)

    # The audit

    async def _read_newest(self) -> None:
        self._take_newest(await self.feed.query.audit(limit=_PAGE))
        self._older.problem = ""

    async def _read_older(self) -> None:
        if self._audit and not self._audit_all:
            last = self._audit[-1]
            page = await self.feed.query.audit(before=last.seq, limit=_PAGE)
            # Unless all was read anew meanwhile.
            if self._audit[-1] == last:
                self._audit += page
                self._audit_all = len(page) < _PAGE

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
        problem = self._newest.problem or self._older.problem
        more = "" if self._audit_all else f" of the last {len(self._audit):,}: down reads on"
        words = f"no entry matches{more}" if self._audit and self._words else ""
        columns = AUDIT_COLUMNS_COMPACT if compact else AUDIT_COLUMNS
        table.show(
            columns, audit_entries(found, self.look, self.now, compact=compact), empty=problem or words
        )
        self._draw_place()

    def _draw_place(self) -> None:
        table = self.query_one("#audit", LiveTable)
        set_subtitle(table, table.place_words + ("" if self._audit_all or not table.keys else "+"))

    def _page_down(self) -> None:
        """Read on where somebody has come near the end of what was read, or wants to go beyond it."""
        self._draw_place()
        table = self.query_one("#audit", LiveTable)
        if not self._audit_all and (table.place or 0) >= len(table.keys) - _NEAR:
            self._older.again()

    # Keys

    def show_action(self, action_id: int) -> None:
        """Put the cursor on it, whatever is shown now."""
        self._wanted = action_id
        if not self._framed:
            return
        if self._shows_audit:
            self.action_view()
        self.query_one(FilterField).drop(self._list)
        self._draw_list()

    def action_view(self) -> None:
        """The audit, or the actions again."""
        self.toggle_class("-audit")
        if self._shows_audit:
            self.query_one("#audit", LiveTable).focus()
            self._newest.again()
        else:
            self._list.focus()

    def action_plans(self) -> None:
        """Plans that never ran: one by one, or counted."""
        self._plans = not self._plans
        self._draw_list()

    def action_filter(self) -> None:
        """Type words; the list is filtered as they are typed."""
        self.query_one(FilterField).open()

    def on_input_changed(self, event: Input.Changed) -> None:
        self._words = event.value.lower().split()
        self._draw_list()
        if self._shows_audit:
            self._draw_audit()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.query_one(FilterField).keep(self._shown)

    @property
    def _shown(self) -> LiveTable:
        return self.query_one("#audit" if self._shows_audit else "#actions", LiveTable)

    def action_move(self, step: int) -> None:
        self._shown.action_cursor(step)

    def action_back(self) -> None:
        """The filter is emptied, then the audit is left."""
        if not self.query_one(FilterField).drop(self._shown) and self._shows_audit:
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
