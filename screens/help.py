"""`?`: the keys that work on this screen, written from its bindings, and what the signs mean."""

from dataclasses import replace
from typing import ClassVar

from rich.segment import Segment
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.dom import DOMNode
from textual.screen import ModalScreen, Screen

from widgets.cells import Cells, fit, measure
from widgets.key_row import all_keys
from widgets.line_widget import LineWidget
from widgets.panel import set_title

Section = tuple[str, list[tuple[Binding, ...]]]

_SIGNS = (
    ("ok", "ok", "fine"),
    ("warn", "warn", "warning"),
    ("crit", "crit", "critical"),
    ("info", "info", "information"),
    ("firing", "crit", "fires"),
    ("acked", "ack", "acknowledged"),
    ("pending", "pending", "pending"),
    ("silenced", "muted", "silenced"),
    ("stale", "stale", "too old"),
    ("unknown", "stale", "not asked"),
    ("none", "muted", "none, over"),
    ("running", "accent", "runs"),
    ("done", "ok", "done"),
    ("failed", "crit", "failed, refused"),
    ("to-do", "muted", "to do"),
    ("blocked", "info", "in force"),
)
_SCREENS = "screens of the row"


def sections_of(screen: Screen[object]) -> list[Section]:
    """The bindings in force on `screen`: of the focused panel, of the screen, everywhere; each action once."""
    sections: dict[str, dict[str, list[Binding]]] = {}
    for active in screen.active_bindings.values():
        binding = active.binding
        # What Textual binds by itself has no id; those keys are not part of the console.
        if binding.description and binding.id:
            section = sections.setdefault(_title(active.node, screen), {})
            # Those stand in the screen row, each with its number.
            does = _SCREENS if binding.id.startswith("app.go-") else binding.description
            section.setdefault(does, []).append(replace(binding, description=does))
    order = ("this panel", "this screen", "everywhere")
    return [(t, [tuple(b) for b in sections[t].values()]) for t in order if t in sections]


def _title(node: DOMNode, screen: Screen[object]) -> str:
    if node is screen:
        return "this screen"
    return "everywhere" if node is screen.app else "this panel"


class HelpBody(LineWidget):
    """The lines of the help, scrolled by its dialog."""

    def __init__(self, sections: list[Section]) -> None:
        super().__init__(id="help-body")
        self._sections = sections
        self._top = 0

    @property
    def rows(self) -> int:
        return len(self._lines(70))

    def build(self, width: int, height: int) -> list[Cells]:
        lines = self._lines(width)
        self._top = min(max(self._top, 0), max(len(lines) - height, 0))
        return lines[self._top : self._top + height]

    def read_on(self, step: int) -> None:
        """Where not all of it has room, show what is below, or above."""
        self._top += step
        self.redraw()

    def _lines(self, width: int) -> list[Cells]:
        lines: list[Cells] = []
        for title, actions in self._sections:
            lines.append((self.text(title, "strong", bold=True),))
            entries = [self._entry(bindings) for bindings in actions]
            half = width // 2
            for i in range(0, len(entries), 2):
                row = fit(entries[i], half, self.ellipsis)
                if i + 1 < len(entries):
                    row += fit(entries[i + 1], width - half, self.ellipsis)
                lines.append(row)
            lines.append(())
        lines.append((self.text("signs", "strong", bold=True),))
        row: list[Segment] = []
        for glyph, role, word in _SIGNS:
            sign = (self.text(f"  {self.look.glyphs[glyph]} ", role), self.text(word, "muted"))
            if measure((*row, *sign)) > width:
                lines.append(row)
                row = []
            row += sign
        lines.append(row)
        if len(lines) + 2 > self.app.size.height:
            return [line for line in lines if line]
        return lines

    def _entry(self, bindings: tuple[Binding, ...]) -> Cells:
        keys = all_keys(bindings, self.look.glyphs.keys)
        return (
            self.text(f"  {keys:<11} ", "accent", bold=True),
            self.text(bindings[0].description, "text"),
        )


class HelpScreen(ModalScreen[None]):
    """A dialog over the screen it explains."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,enter,q", "dismiss", "close", id="help.close"),
        Binding("down,j", "read_on(1)", "read on", show=False, id="help.down"),
        Binding("up,k", "read_on(-1)", "read back", show=False, id="help.up"),
        Binding("pagedown,end", "read_on(99)", "end", show=False, id="help.end"),
        Binding("pageup,home", "read_on(-99)", "top", show=False, id="help.top"),
    ]

    def __init__(self, title: str, sections: list[Section]) -> None:
        super().__init__()
        self._heading = title
        self._sections = sections

    def compose(self) -> ComposeResult:
        yield HelpBody(self._sections)

    def on_mount(self) -> None:
        body = self.query_one(HelpBody)
        more = body.rows + 2 > self.app.size.height
        set_title(body, self._heading, subtitle="down reads on, esc closes" if more else "esc closes")
        body.styles.height = min(body.rows + 2, self.app.size.height)

    def action_read_on(self, step: int) -> None:
        self.query_one(HelpBody).read_on(step)
