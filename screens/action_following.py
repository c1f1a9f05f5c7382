"""One action that is followed: its steps, its output as it comes, one line of that at full length."""

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from console.domain import format as fmt
from console.domain.action import Action, OutputLine, Step, StepState
from console.domain.log import LogLine
from screens.action_deciding import DecidingScreen
from screens.action_rows import (
    OUTPUT_COLUMNS,
    OUTPUT_COLUMNS_NARROW,
    STEP_COLUMNS,
    STEP_COLUMNS_NARROW,
    output_entries,
    step_entries,
    steps_of,
)
from screens.base import Layout
from widgets.live_table import LiveTable
from widgets.panel import set_subtitle

_MOST_LINES = 5_000


class FollowingScreen(DecidingScreen):
    """Reads for the tables `#steps` and `#output` of the action in view, and draws them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "follow", "follow", show=False, id="action.follow"),
    ]

    def __init__(self, what: str, *, number: int | None = None) -> None:
        """`what` is followed, in words."""
        super().__init__(number=number)
        self._steps: Sequence[Step] = ()
        self._lines: Sequence[OutputLine] = ()
        self._course = self.follow(self.read_course, self.draw_course, "action", what=what, about=self._about)
        self._written = self.follow(
            *(self._read_output, self.draw_output, "output"), what=f"the output of {what}", about=self._about
        )

    def _about(self) -> int | None:
        action = self.action_in_view()
        return None if action is None else action.id

    @property
    def narrow(self) -> bool:
        """Whether the tables have little room."""
        return self.arrangement is Layout.COMPACT

    @property
    def lines(self) -> Sequence[OutputLine]:
        """What the action in view has written, as far as it was read."""
        return self._lines if self._written.of == self._about() else ()

    # Reading

    async def read_course(self) -> None:
        action = self.action_in_view()
        if action is not None:
            self._steps = await self.feed.query.action_steps(action.id)

    async def _read_output(self) -> None:
        action, lines = self.action_in_view(), list(self.lines)
        if action is None:
            return
        while page := await self.feed.query.action_output(action.id, after=lines[-1].seq if lines else 0):
            lines += page
        self._lines = lines[-_MOST_LINES:]

    # Drawing

    def draw_course(self) -> None:
        """Draw what `read_course` has read."""
        self.draw_steps()

    def draw_steps(self) -> None:
        """The one that runs stays in sight."""
        table, action = self.query_one("#steps", LiveTable), self.action_in_view()
        steps = () if action is None else steps_of(action, () if self._course.is_other else self._steps)
        table.show(
            STEP_COLUMNS_NARROW if self.narrow else STEP_COLUMNS,
            step_entries(steps, self.look, self.now, narrow=self.narrow),
            empty="" if action is None else "no step yet",
        )
        running = next((step for step in steps if step.state is StepState.RUNNING), None)
        if running is not None and not table.has_focus:
            table.select(str(running.seq))
        set_subtitle(table, f"{action.step} of {action.steps}" if action is not None and action.steps else "")

    def draw_output(self) -> None:
        """Whoever is at the end stays there."""
        table, lines = self.query_one("#output", LiveTable), self.lines
        follows = table.place is None or table.place >= len(table.keys) - 1
        table.show(
            OUTPUT_COLUMNS_NARROW if self.narrow else OUTPUT_COLUMNS,
            output_entries(lines, self.look, narrow=self.narrow),
            empty=self._written.empty(_no_output(self.action_in_view())),
        )
        if follows:
            self.action_follow()
        set_subtitle(table, fmt.counted(len(lines), "line") if lines else "")

    # Keys

    def action_follow(self) -> None:
        """The newest output, as it comes."""
        if self.lines:
            self.query_one("#output", LiveTable).select(str(self.lines[-1].seq))

    def on_live_table_chosen(self, event: LiveTable.Chosen) -> None:
        """The whole of a line that was cut."""
        line = next((each for each in self.lines if str(each.seq) == event.key), None)
        if event.table.id == "output" and line is not None:
            from screens.log_detail import LogDetail

            whole = LogLine(0, line.at, f"action {self._about()}", "info", line.step, line.text)
            self.app.push_screen(LogDetail(whole, number=self.number))


def _no_output(action: Action | None) -> str:
    if action is None:
        return ""
    if action.started_at is None:
        return "it has not begun" if not action.state.final else "it never began: there is no output"
    return "no output yet" if not action.state.final else "it wrote no output"
