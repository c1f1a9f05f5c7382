"""The last row: the keys that work now, from the bindings in force; help and quit always at the right."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from rich.segment import Segment
from textual.binding import Binding
from textual.screen import Screen

from widgets.cells import Cells, measure, space
from widgets.line_widget import LineWidget

_ALWAYS = ("app.help", "app.quit")
_KNOWN = ("table.down", "log.down", "screen.next-pane", "app.theme", "app.commands")
"""What every screen has: it gives way to what only this one has."""
_LATER = ("action.search", "action.error", "app.follow")
"""What helps to read, or to look on, gives way to what does something."""


class KeyRow(LineWidget):
    """`key label` pairs in the order of the bindings (focused widget, screen, app), those that every screen has at the
    end; what doesn't fit is left out."""

    DEFAULT_CSS = "KeyRow { height: 1; width: 1fr; }"

    def __init__(self) -> None:
        super().__init__(id="keys")

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._changed)

    def _changed(self, screen: Screen[object]) -> None:
        self.redraw()

    def build(self, width: int, height: int) -> list[Cells]:
        bindings = sorted(shown_bindings(self.screen), key=lambda b: (b.id in _KNOWN, b.id in _LATER))
        right = self._hints(b for name in _ALWAYS for b in bindings if b.id == name)
        room = width - 1 - measure(right) - 2
        left: list[Segment] = [Segment(" ")]
        for binding in bindings:
            if binding.id in _ALWAYS:
                continue
            hint = self._hints([binding])
            gap = 2 if len(left) > 1 else 0
            if measure(left) + gap + measure(hint) <= room:
                left += [*space(gap), *hint]
        return [[*left, *space(width - measure(left) - measure(right) - 1), *right, Segment(" ")]]

    def _hints(self, bindings: Iterable[Binding]) -> list[Segment]:
        hints: list[Segment] = []
        for binding in bindings:
            if hints:
                hints += space(2)
            hints += [
                self.text(key_label(binding, self.look.glyphs.keys), "accent", bold=True),
                self.text(f" {binding.description}", "muted"),
            ]
        return hints


_NAMES = {
    "question_mark": "?",
    "colon": ":",
    "slash": "/",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "escape": "esc",
    "enter": "⏎",
    "up": "↑",
    "down": "↓",
    "pageup": "pgup",
    "pagedown": "pgdn",
}


_CHARACTERS = {"slash": "/", "plus": "+"}
"""What Textual takes for keys without a character, and so for free while they are typed into a field."""


def key_label(binding: Binding, keys: Mapping[str, str]) -> str:
    """How a binding's key is written for a person."""
    label = binding.key_display or " ".join(_NAMES.get(k, k) for k in binding.key.split(","))
    return keys.get(label, label)


def all_keys(bindings: Iterable[Binding], keys: Mapping[str, str]) -> str:
    """Every key of some bindings in one label: `↑↓ j k`."""
    names = list(dict.fromkeys(_NAMES.get(b.key, b.key) for b in bindings))
    if "↑" in names and "↓" in names:
        names = ["↑↓" if keys.get("↑↓") == "↑↓" else "arrows", *(n for n in names if n not in ("↑", "↓"))]
    return " ".join(keys.get(name, name) for name in names)


def shown_bindings(screen: Screen[object]) -> Iterable[Binding]:
    """The bindings with a hint that work on `screen` now, each action once."""
    seen: set[str] = set()
    hinted, worded = getattr(screen, "hinted", None), getattr(screen, "worded", None)
    for active in screen.active_bindings.values():
        binding = active.binding
        if hinted is not None and not hinted(binding.action):
            continue
        if screen.focused is not None and screen.focused.check_consume_key(
            binding.key, _CHARACTERS.get(binding.key)
        ):
            continue
        if binding.show and binding.description and active.enabled and (binding.id or "") not in seen:
            seen.add(binding.id or "")
            words = "" if worded is None else worded(binding.action)
            yield replace(binding, description=words) if words else binding
