"""One action that is followed: its steps, its output as it comes, one line of that at full length."""

import re
from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input

from console.domain import format as fmt
from console.domain.action import Action, ActionState, OutputLine, Step, StepState
from console.domain.log import LogLine
from screens.action_deciding import DecidingScreen
from screens.action_rows import (
    OUTPUT_COLUMNS,
    OUTPUT_COLUMNS_NARROW,
    STEP_COLUMNS,
    STEP_COLUMNS_NARROW,
    first_error,
    looks_like_error,
    output_row,
    step_entries,
    steps_of,
)
from screens.base import Layout
from widgets.field import FilterField
from widgets.live_table import Deferred, LiveTable, Row
from widgets.panel import set_subtitle

_MOST_LINES = 5_000


class SearchField(FilterField):
    """What is looked for in the output, as plain text."""

    HEADING: ClassVar[str] = "Search"

    def __init__(self) -> None:
        super().__init__(id="search", placeholder="text in the output")


class FollowingScreen(DecidingScreen):
    """Reads for the tables `#steps` and `#output` of the action in view, and draws them; `SearchField` belongs beside
    the output."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "follow", "follow", id="action.follow"),
        Binding("slash", "search", "search", id="action.search"),
        Binding("n", "found(1)", "next", id="action.next-found"),
        Binding("N", "found(-1)", "previous", show=False, id="action.previous-found"),
        Binding("e", "error", "error", id="action.error"),
    ]

    def __init__(self, what: str, *, number: int | None = None) -> None:
        """`what` is followed, in words."""
        super().__init__(number=number)
        self._steps: Sequence[Step] = ()
        self._lines: Sequence[OutputLine] = ()
        self._left_out = 0
        self._followed = True
        self._rows: tuple[Sequence[OutputLine], Sequence[Deferred]] = ((), ())
        self._wanted: re.Pattern[str] | None = None
        self._hits: tuple[Sequence[OutputLine], re.Pattern[str] | None, Sequence[OutputLine]] = ((), None, ())
        self._telling: list[OutputLine] = []
        self._first: OutputLine | None = None
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

    @property
    def steps(self) -> Sequence[Step]:
        """Its steps: as they went, or as planned."""
        action = self.action_in_view()
        return () if action is None else steps_of(action, () if self._course.is_other else self._steps)

    # Reading

    async def read_course(self) -> None:
        action = self.action_in_view()
        if action is not None:
            self._steps = await self.feed.query.action_steps(action.id)

    async def _read_output(self) -> None:
        action, lines = self.action_in_view(), list(self.lines)
        if action is None:
            return
        if not lines:
            self._left_out, self._telling = 0, []
        while page := await self.feed.query.action_output(action.id, after=lines[-1].seq if lines else 0):
            lines += page
            self._telling += [line for line in page if line.kind != "command" and looks_like_error(line.text)]
            self._left_out += max(len(lines) - _MOST_LINES, 0)
            del lines[:-_MOST_LINES]
        oldest = lines[0].seq if lines else 0
        self._telling = [line for line in self._telling if line.seq >= oldest]
        self._lines = lines

    # Drawing

    def draw_course(self) -> None:
        """Draw what `read_course` has read."""
        self.draw_steps()

    def draw_steps(self) -> None:
        """The one that runs stays in sight."""
        table, action = self.query_one("#steps", LiveTable), self.action_in_view()
        steps = self.steps
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
        follows = self._at_end
        failed = {step.name for step in self.steps if step.state is StepState.FAILED}
        self._first = first_error(lines, self._telling, failed) if lines else None
        if self._rows[0] is not lines:
            # Thousands of them: each is made once, and drawn as long as it is in sight.
            known = {line.seq: row for line, row in zip(*self._rows, strict=True)}
            rows = [
                known.get(line.seq) or Deferred(str(line.seq), partial(self._row, line)) for line in lines
            ]
            self._rows = lines, rows
        table.show(
            OUTPUT_COLUMNS_NARROW if self.narrow else OUTPUT_COLUMNS,
            self._rows[1],
            empty=self._written.empty(_no_output(self.action_in_view())),
        )
        if follows:
            self._go_to(lines[-1] if lines else None)
        self._draw_place()

    def _row(self, line: OutputLine) -> Row:
        found = [] if self._wanted is None else [m.span() for m in self._wanted.finditer(line.text)]
        return output_row(line, self.look, narrow=self.narrow, error=line is self._first, found=found)

    @property
    def _at_end(self) -> bool:
        table = self.query_one("#output", LiveTable)
        return table.place is None or table.place >= len(table.keys) - 1

    def _draw_place(self) -> None:
        """How many lines there are; of what was found, which one is under the cursor."""
        table, lines = self.query_one("#output", LiveTable), self.lines
        if self._followed is not self._at_end:
            self._followed = self._at_end
            self.call_later(self.refresh_bindings)
        words = fmt.counted(len(lines), "line") if lines else ""
        if self._left_out and lines:
            words = f"the last {len(lines):,} of {len(lines) + self._left_out:,} lines"
        if self._wanted is not None:
            found = [str(line.seq) for line in self._found()]
            place = f"{found.index(table.selected) + 1} of " if table.selected in found else ""
            words = f"{place}{fmt.counted(len(found), 'match', 'matches')}, {words}"
        elif lines and self._at_end and not self._is_over:
            words = f"following, {words}"
        set_subtitle(table, words)

    @property
    def _is_over(self) -> bool:
        action = self.action_in_view()
        return action is None or action.state.final

    # Keys

    def hinted(self, action: str) -> bool:
        """What can't be decided about this action now gives its place to what can; keys for the output are shown where
        there is some, and one that leads to its end where that is not in sight."""
        shown = self.action_in_view()
        match action:
            case "approve":
                return shown is not None and (shown.waits_for_approval or shown.state is ActionState.PLANNED)
            case "decide":
                waits = shown is not None and shown.waits_for_approval
                return shown is not None and shown.state is ActionState.INTERRUPTED and not waits
            case "end":
                return shown is not None and not shown.state.final
            case "undo":
                return shown is not None and shown.state is ActionState.DONE
            case "follow" | "search" | "error":
                there = bool(self.lines) and self.output_has_place
                return there and not (action == "follow" and self._followed)
            case _:
                return super().hinted(action)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Without a search there is no next match."""
        if action == "found" and self._wanted is None:
            return False
        return super().check_action(action, parameters)

    @property
    def output_has_place(self) -> bool:
        """Whether the output is in sight, or can be."""
        return self.query_one("#output") in self.focus_chain

    def show_output(self) -> bool:
        """Have the output in sight; where it has no place that is said."""
        if not self.output_has_place:
            self.say("the output is not shown here")
        return self.output_has_place

    def action_follow(self) -> None:
        """The newest output, as it comes."""
        if self.show_output():
            self._go_to(self.lines[-1] if self.lines else None)

    def action_error(self) -> None:
        """Where the trouble began; from there, the next line that tells of an error."""
        table, first = self.query_one("#output", LiveTable), self._first
        if first is None:
            self.say("no line tells of an error", role="ok", glyph="done")
            return
        if not self.show_output():
            return
        after = [line for line in self._telling if line.seq > first.seq]
        places = {str(line.seq): i for i, line in enumerate((first, *after))}
        here = places.get(table.selected or "", -1)
        self._go_to((first, *after)[(here + 1) % len(places)])

    def action_search(self) -> None:
        """Type what is looked for in the output."""
        if self.show_output():
            self.query_one(SearchField).open()

    def on_input_changed(self, event: Input.Changed) -> None:
        if isinstance(event.input, SearchField):
            text = event.value.strip()
            self._wanted = re.compile(re.escape(text), re.IGNORECASE) if text else None
            self._go_to(found[0] if (found := self._found()) else None)
            self._search_changed()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if isinstance(event.input, SearchField):
            event.input.keep(self.query_one("#output", LiveTable))

    def action_back(self) -> None:
        """Nothing is searched for any more."""
        field = self.query_one(SearchField)
        field.drop(self.query_one("#output", LiveTable))

    def _search_changed(self) -> None:
        self.query_one("#output", LiveTable).redraw()
        self._draw_place()
        self.refresh_bindings()

    def action_found(self, step: int) -> None:
        """The next line with what is searched for, or the one before; around the end."""
        found = self._found()
        if not found:
            self.say("nothing is found")
            return
        table = self.query_one("#output", LiveTable)
        here = int(table.selected or 0)
        if step > 0:
            line = next((each for each in found if each.seq > here), found[0])
        else:
            line = next((each for each in reversed(found) if each.seq < here), found[-1])
        self._go_to(line)

    def _found(self) -> Sequence[OutputLine]:
        """The lines with what is searched for."""
        wanted, lines = self._wanted, self.lines
        if wanted is None:
            return ()
        if self._hits[0] is not lines or self._hits[1] is not wanted:
            # Asked again with each move of the cursor.
            self._hits = lines, wanted, [line for line in lines if wanted.search(line.text)]
        return self._hits[2]

    def _go_to(self, line: OutputLine | None) -> None:
        if line is not None:
            self.query_one("#output", LiveTable).select(str(line.seq))

    def on_live_table_highlighted(self, event: LiveTable.Highlighted) -> None:
        if event.table.id == "output" and not isinstance(event, LiveTable.Chosen):
            self._draw_place()

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
