"""One action at full size: why, who, its steps with their states, its output as it comes, the proof, its history."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from console.domain import format as fmt
from console.domain.action import Action, ActionState, AuditEntry, OutputLine, Step
from console.domain.log import LogLine
from console.query import ActionChanges
from screens.action_deciding import DecidingScreen
from screens.action_rows import (
    CHANGE_COLUMNS,
    OUTPUT_COLUMNS,
    OUTPUT_COLUMNS_NARROW,
    STEP_COLUMNS,
    STEP_COLUMNS_NARROW,
    action_lines,
    change_entries,
    output_entries,
    step_entries,
    steps_of,
)
from screens.audit_rows import AUDIT_COLUMNS, AUDIT_COLUMNS_COMPACT, audit_entries
from screens.base import Layout
from screens.plan_lines import PlanView
from screens.plan_reader import PlanReader
from widgets.fact_list import FactList, ScrolledFacts
from widgets.live_table import LiveTable
from widgets.panel import set_subtitle, set_title

_VIEWS = ("output", "history", "audit", "plan")
_MOST_LINES = 5_000
_AUDITED = 200


class ActionDetail(DecidingScreen, PlanReader):
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
        Binding("f", "follow", "follow", show=False, id="action.follow"),
        Binding("r", "app.refresh", "refresh", show=False, id="action.refresh"),
        Binding("escape", "app.pop_screen", "back", id="detail.back"),
    ]

    def __init__(self, action: Action, *, number: int) -> None:
        super().__init__(number=number)
        self.action = action
        self._view = _VIEWS[0]
        self._steps: Sequence[Step] = ()
        self._lines: list[OutputLine] = []
        self._changes: ActionChanges = ()
        self._entries: Sequence[AuditEntry] = ()
        what = f"action {action.id}"
        self._course = self.follow(self._read_course, self._draw, "action", what=what)
        self._written = self.follow(
            self._read_output, self._draw_output, "output", what=f"the output of {what}"
        )
        self._audited = self.follow(
            *(self._read_audit, self._draw_audit, "audit"),
            what=f"the audit of {what}",
            wanted=lambda: self._view == "audit",
        )

    def compose_body(self) -> Iterable[Widget]:
        with Vertical():
            yield ScrolledFacts(id="action-words")
            yield LiveTable(id="steps", header=False, empty="no step yet", opens=False)
            with Horizontal():
                yield LiveTable(id="output", header=False, empty="")
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

    async def _read_course(self) -> None:
        query, number = self.feed.query, self.action.id
        self._steps = await query.action_steps(number)
        self._changes = await query.action_changes(number)
        self.action = self.snapshot.action(number) or await query.action(number) or self.action

    async def _read_output(self) -> None:
        last = self._lines[-1].seq if self._lines else 0
        while lines := await self.feed.query.action_output(self.action.id, after=last):
            self._lines += lines
            last = self._lines[-1].seq
        del self._lines[:-_MOST_LINES]

    async def _read_audit(self) -> None:
        self._entries = await self.feed.query.audit(action_id=self.action.id, limit=_AUDITED)

    # Drawing

    def update(self, changed: frozenset[str]) -> None:
        self.action = self.snapshot.action(self.action.id) or self.action
        if changed & {"actions", "kinds", "link"}:
            self._draw()
            self._draw_output()
            self._draw_audit()
        else:
            self.update_ages()

    def update_ages(self) -> None:
        self._draw_words()
        self._draw_steps()

    def _draw(self) -> None:
        self._draw_words()
        self._draw_steps()
        history = self.query_one("#history", LiveTable)
        empty = self._course.empty("nothing was written about it")
        history.show(CHANGE_COLUMNS, change_entries(self._changes, self.look), empty=empty)
        self._draw_plan()

    def _draw_output(self) -> None:
        look, narrow = self.look, self.arrangement is Layout.COMPACT
        output = self.query_one("#output", LiveTable)
        follows = output.place is None or output.place >= len(output.keys) - 1
        columns = OUTPUT_COLUMNS_NARROW if narrow else OUTPUT_COLUMNS
        output.show(
            columns,
            output_entries(self._lines, look, narrow=narrow),
            empty=self._written.empty(self._empty()),
        )
        if follows and self._lines:
            output.select(str(self._lines[-1].seq))
        count = len(self._lines)
        set_subtitle(output, fmt.counted(count, "line") if count else "")

    def _draw_audit(self) -> None:
        narrow = self.arrangement is Layout.COMPACT
        audit = self.query_one("#audit", LiveTable)
        audit.show(
            AUDIT_COLUMNS_COMPACT if narrow else AUDIT_COLUMNS,
            audit_entries(self._entries, self.look, self.now, compact=narrow),
            empty=self._audited.empty("nothing was written about it"),
        )

    def _empty(self) -> str:
        if self.action.started_at is None:
            return "it has not begun" if not self.action.state.final else "it never began: there is no output"
        return "no output yet" if not self.action.state.final else "it wrote no output"

    def _draw_words(self) -> None:
        words = self.query_one("#action-words", ScrolledFacts)
        width = words.content_size.width or 70
        most = 1 if self.arrangement is Layout.COMPACT else 3
        lines = action_lines(self.action, self.snapshot, self.look, self.now, width, most=most)
        room = max(self.app.size.height // 3, 5)
        words.styles.height = min(len(lines), room)
        words.show(lines, room=room)

    def _draw_steps(self) -> None:
        steps, narrow = self.query_one("#steps", LiveTable), self.arrangement is Layout.COMPACT
        found = steps_of(self.action, self._steps)
        steps.styles.height = min(max(len(found), 1), 5 if narrow else 9) + 2
        steps.show(
            STEP_COLUMNS_NARROW if narrow else STEP_COLUMNS,
            step_entries(found, self.look, self.now, narrow=narrow),
        )
        action = self.action
        set_subtitle(steps, f"{action.step} of {action.steps}" if action.steps else "")

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
        """The whole of a line or of an entry that was cut."""
        from screens.audit_detail import AuditDetail
        from screens.log_detail import LogDetail

        entry = next((each for each in self._entries if str(each.seq) == event.key), None)
        if event.table.id == "audit" and entry is not None:
            self.app.push_screen(AuditDetail(entry, number=self.number))
        line = next((each for each in self._lines if str(each.seq) == event.key), None)
        if event.table.id == "output" and line is not None:
            whole = LogLine(0, line.at, f"action {self.action.id}", "info", line.step, line.text)
            self.app.push_screen(LogDetail(whole, number=self.number))

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

    def action_follow(self) -> None:
        """The newest output, as it comes."""
        if self._lines:
            self.query_one("#output", LiveTable).select(str(self._lines[-1].seq))

    def action_copy(self) -> None:
        """The line of output under the cursor; elsewhere the equal command line."""
        output = self.query_one("#output", LiveTable)
        line = next((each for each in self._lines if str(each.seq) == output.selected), None)
        if output.has_focus and line is not None:
            text = line.text
        else:
            text = "" if self.action.plan is None else self.action.plan.command
        if text:
            self.copy_text(text)
        else:
            self.say("there is nothing to copy yet")
