"""Screens and dialogs that show a plan which may be longer than its room: it is scrolled, nothing of it is left out."""

from typing import Any, ClassVar

from textual.binding import Binding, BindingType
from textual.screen import Screen

from console.domain.action import Plan
from screens.paragraphs import Line
from screens.plan_lines import PlanView, Shown, plan_lines
from widgets.look import Look


class PlanReader(Screen[Any]):
    """Mix into a screen, after its base. `draw_plan` says how what `plan_part` returns is drawn again."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "read_on(1)", "read on", key_display="↑↓", id="plan.down"),
        Binding("up", "read_on(-1)", "read back", show=False, id="plan.up"),
        Binding("pagedown", "read_page(1)", "page down", show=False, id="plan.page-down"),
        Binding("pageup", "read_page(-1)", "page up", show=False, id="plan.page-up"),
    ]
    _part = Shown([])
    _part_of: Plan | None = None

    def draw_plan(self) -> None:
        """Draw the plan."""
        raise NotImplementedError

    def plan_part(self, view: PlanView, look: Look, width: int, room: int) -> list[Line]:
        """The lines of a plan that are in sight; another plan begins at its top."""
        top = self._part.top if view.plan == self._part_of else 0
        scrolled = self._part.overhang > 0
        self._part, self._part_of = plan_lines(view, look, width, room, top), view.plan
        if scrolled is not (self._part.overhang > 0):
            self.call_later(self.refresh_bindings)
        return self._part.lines

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What fits is not scrolled. A field has one line, and leaves these keys to the plan."""
        if action in ("read_on", "read_page"):
            return self._part.overhang > 0
        return super().check_action(action, parameters)

    def action_read_on(self, step: int) -> None:
        """The next line of a plan that is longer than its room, or the one before."""
        self._part = self._part._replace(top=self._part.top + step)
        self.draw_plan()

    def action_read_page(self, direction: int) -> None:
        self.action_read_on(direction * max(self._part.page - 1, 1))
