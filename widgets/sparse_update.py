"""Partial updates that send only the cells that changed, with no more colour codes than they need.

Textual's own update repeats each line from its widget's left edge up to the changed cells, once per changed
span. Over SSH that is most of a live screen's traffic: about 10 kB/s instead of 1. This replaces the rendering of
an update, nothing else; it depends on Textual's internals and is the reason why its version is pinned.
"""

from functools import lru_cache

from rich.color import ColorSystem
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate
from textual.strip import Strip

_SYSTEMS = {
    "standard": ColorSystem.STANDARD,
    "256": ColorSystem.EIGHT_BIT,
    "truecolor": ColorSystem.TRUECOLOR,
}
_SEEN_ON_BLANKS = {"4", "7", "9"}
_Codes = tuple[str, str, str]
"""Attributes, foreground and background of a style as SGR parameters; empty for the terminal's default."""


class SparseUpdate(ChopsUpdate):
    """The same spans as the update it is made from."""

    @classmethod
    def of(cls, update: ChopsUpdate) -> "SparseUpdate":
        return cls(update.chops, update.spans, update.chop_ends)

    def render_segments(self, console: Console) -> str:
        pen = _Pen(_SYSTEMS.get(console.color_system or ""))
        for y, x1, x2 in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                if strip is None or x >= x2 or end <= x1:
                    continue
                start = max(x1, x)
                pen.draw(start, y, strip.crop(start - x, min(end, x2) - x))
        return pen.text()


class _Pen:
    """Writes runs of cells and remembers the cursor and the colours in force."""

    def __init__(self, system: ColorSystem | None) -> None:
        self._system = system
        self._parts: list[str] = []
        self._at: tuple[int, int] | None = None
        self._codes: _Codes = ("", "", "")

    def draw(self, x: int, y: int, strip: Strip) -> None:
        if not strip.cell_length:
            return
        if self._at != (x, y):
            self._parts.append(f"\x1b[{y + 1};{x + 1}H")
        for segment in strip:
            if segment.text and not segment.control:
                self._write(segment)
        self._at = (x + strip.cell_length, y)

    def text(self) -> str:
        if any(self._codes):
            self._parts.append("\x1b[0m")
        return "".join(self._parts)

    def _write(self, segment: Segment) -> None:
        codes = ("", "", "") if segment.style is None else _codes(segment.style, self._system)
        if (
            not segment.text.strip(" ")
            and not {*codes[0].split(";"), *self._codes[0].split(";")} & _SEEN_ON_BLANKS
        ):
            # A blank shows its background only: the rest of the style in force may stay.
            codes = (self._codes[0], self._codes[1], codes[2])
        if codes != self._codes:
            self._parts.append(_change(self._codes, codes))
            self._codes = codes
        self._parts.append(segment.text)


def _change(before: _Codes, after: _Codes) -> str:
    """The shortest sequence that leads from one style to another."""
    if before[0] == after[0] and all(new or not old for old, new in zip(before, after, strict=True)):
        changed = [new for old, new in zip(before, after, strict=True) if new != old]
        return f"\x1b[{';'.join(changed)}m"
    return f"\x1b[{';'.join(['0', *(code for code in after if code)])}m"


@lru_cache(4096)
def _codes(style: Style, system: ColorSystem | None) -> _Codes:
    if system is None:
        return (_attributes(style), "", "")
    foreground, background = (
        ""
        if color is None or color.is_default
        else ";".join(color.downgrade(system).get_ansi_codes(foreground=front))
        for color, front in ((style.color, True), (style.bgcolor, False))
    )
    return (_attributes(style), foreground, background)


def _attributes(style: Style) -> str:
    flags = (
        (style.bold, "1"),
        (style.dim, "2"),
        (style.italic, "3"),
        (style.underline, "4"),
        (style.blink, "5"),
        (style.reverse, "7"),
        (style.strike, "9"),
    )
    return ";".join(code for on, code in flags if on)
