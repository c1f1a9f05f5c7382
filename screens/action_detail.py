"""One action at full size: why, who, its steps with their states, its output as it comes, the proof, its history."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from console.domain.action import Action, ActionState, AuditEntry
from console.query import ActionChanges
from screens.action_following import FollowingScreen, SearchField
from screens.action_rows import (
    CHANGE_COLUMNS,
    action_lines,
    change_entries,
)
from screens.audit_rows import AUDIT_COLUMNS, AUDIT_COLUMNS_COMPACT, audit_entries
from screens.plan_lines import PlanView
from screens.plan_reader import PlanReader
from widgets.fact_list import FactList, ScrolledFacts
from widgets.live_table import LiveTable
from widgets.panel import set_title

_VIEWS = ("output", "history", "audit", "plan")
_AUDITED = 200


class ActionDetail(FollowingScreen, PlanReader):
    """Opened from the list of actions; the action is followed. `v` goes through output, history, audit and plan."""

    TITLE: ClassVar[str | None] = "Action"
    AUTO_FOCUS: ClassVar[str | None] = "#output"
    DEFAULT_CSS = """
    ActionDetail #action-words { height: 8; padding: 0 1; }
    ActionDetail #steps { height: 8; }
    ActionDetail #history, ActionDetail #audit, ActionDetail #plan-panel { display: none; }
    ActionDetail.-history #output, ActionDetail.-audit #output, ActionDetail.-plan #output { display: none; }
    ActionDetail.-history #history, ActionDetail.-audit #audit, ActionDetail.-plan #plan-panel { display: block; }
    ActionDetail #plan-panel { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("v", "view", "view", id="action.view"),
        Binding("y", "copy", "copy", id="action.copy"),
        Binding("r", "app.refresh", "refresh", show=False, id="action.refresh"),
        Binding("escape", "app.pop_screen", "back", id="detail.back"),
    ]

    def __init__(self, action: Action, *, number: int) -> None:
        what = f"action {action.id}"
        super().__init__(what, number=number)
        self.action = action
        self._view = _VIEWS[0]
        self._changes: ActionChanges = ()
        self._entries: Sequence[AuditEntry] = ()
        self._audited = self.follow(
            *(self._read_audit, self._draw_audit, "audit"),
            what=f"the audit of {what}",
            wanted=lambda: self._view == "audit",
        )

    def compose_body(self) -> Iterable[Widget]:
        with Vertical():
            yield ScrolledFacts(id="action-words")
            yield LiveTable(id="steps", header=False, empty="", opens=False, follow=True)
            yield SearchField()
            with Horizontal():
                yield LiveTable(id="output", header=False, empty="", follow=True)
                yield LiveTable(id="history", header=False, empty="", opens=False)
                yield LiveTable(id="audit", empty="")
                yield FactList(id="plan-panel", classes="panel")

    def on_mount(self) -> None:
        titles = {
            "steps": "Steps",
            "output": "Output",
            "history": "History",
            "audit": "Audit",
            "plan-panel": "Plan",
        }
        for name, title in titles.items():
            set_title(self.query_one(f"#{name}"), title)

    def action_in_view(self) -> Action | None:
        return self.action

    # Reading

    async def read_course(self) -> None:
        await super().read_course()
        query, number = self.feed.query, self.action.id
        self._changes = await query.action_changes(number)
        self.action = self.snapshot.action(number) or await query.action(number) or self.action

    async def _read_audit(self) -> None:
        self._entries = await self.feed.query.audit(action_id=self.action.id, limit=_AUDITED)

    # Drawing

    def update(self, changed: frozenset[str]) -> None:
        self.action = self.snapshot.action(self.action.id) or self.action
        if changed & {"actions", "kinds", "link"}:
            self.draw_course()
            self.draw_output()
            self._draw_audit()
            self.refresh_bindings()
        else:
            self.update_ages()

    def update_ages(self) -> None:
        self._draw_words()
        self.draw_steps()

    def draw_course(self) -> None:
        self.update_ages()
        history = self.query_one("#history", LiveTable)
        empty = self._course.empty("nothing was written about it")
        history.show(CHANGE_COLUMNS, change_entries(self._changes, self.look), empty=empty)
        self._draw_plan()

    def _draw_audit(self) -> None:
        audit = self.query_one("#audit", LiveTable)
        audit.show(
            AUDIT_COLUMNS_COMPACT if self.narrow else AUDIT_COLUMNS,
            audit_entries(self._entries, self.look, self.now, compact=self.narrow),
            empty=self._audited.empty("nothing was written about it"),
        )

    def _draw_words(self) -> None:
        words = self.query_one("#action-words", ScrolledFacts)
        width = words.content_size.width or 70
        most = 1 if self.narrow else 3
        lines = action_lines(self.action, self.snapshot, self.look, self.now, width, most=most)
        room = max(self.app.size.height // 3, 5)
        words.styles.height = min(len(lines), room)
        words.show(lines, room=room)

    def draw_steps(self) -> None:
        super().draw_steps()
        table = self.query_one("#steps", LiveTable)
        table.styles.height = min(max(len(table.entries), 1), 5 if self.narrow else 9) + 2

    def _draw_plan(self) -> None:
        panel, plan = self.query_one("#plan-panel", FactList), self.action.plan
        if plan is None:
            waits = self.action.state is ActionState.PLANNING
            panel.show(
                [((panel.text("the agent is planning it" if waits else "there is no plan", "muted"),), ())]
            )
            return
        width, height = panel.content_size.width or 70, panel.content_size.height or 10
        view = PlanView(plan, self.action.all_guards, self.action.needs_approval, "", self.action.choices)
        panel.show(self.plan_part(view, self.look, width, height))

    def draw_plan(self) -> None:
        self._draw_plan()

    def on_live_table_chosen(self, event: LiveTable.Chosen) -> None:
        """The whole of an entry that was cut."""
        entry = next((each for each in self._entries if str(each.seq) == event.key), None)
        if event.table.id == "audit" and entry is not None:
            from screens.audit_detail import AuditDetail

            self.app.push_screen(AuditDetail(entry, number=self.number))

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A plan is scrolled where it is seen."""
        if action in ("read_on", "read_page") and self._view != "plan":
            return False
        return super().check_action(action, parameters)

    def action_view(self) -> None:
        """Output, history, audit, plan."""
        self._view = _VIEWS[(_VIEWS.index(self._view) + 1) % len(_VIEWS)]
        for view in _VIEWS[1:]:
            self.set_class(view == self._view, f"-{view}")
        self.set_focus(None if self._view == "plan" else self.query_one(f"#{self._view}", LiveTable))
        self._audited.catch_up()
        self.call_after_refresh(self._draw_plan)

    def action_copy(self) -> None:
        """The line of output under the cursor; elsewhere the equal command line."""
        output = self.query_one("#output", LiveTable)
        line = next((each for each in self.lines if str(each.seq) == output.selected), None)
        if output.has_focus and line is not None:
            text = line.text
        else:
            text = "" if self.action.plan is None else self.action.plan.command
        if text:
            self.copy_text(text)
        else:
            self.say("there is nothing to copy yet")
