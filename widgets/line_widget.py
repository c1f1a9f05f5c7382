"""The base of all widgets here: lines that are compared before they are drawn, so that only changed cells are sent.

A subclass says what its lines are (`build`) and calls `redraw` when its facts change. Over SSH a live screen
costs what changed on it, not what is on it.
"""

from collections.abc import Iterable, Sequence

from rich.cells import get_character_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from widgets.cells import Cells, piece
from widgets.look import Look, look_of

# Two changed spans closer than this are sent as one: a cursor move and a style cost about as many bytes.
_MERGE_GAP = 6


class LineWidget(Widget):
    """A widget of whole lines. `lines_refreshed` counts the lines redrawn because they changed (for tests)."""

    DEFAULT_CSS = "LineWidget { height: 1fr; width: 1fr; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes, markup=False)
        self._strips: list[Strip] = []
        self._drawn_size = (-1, -1)
        self.lines_refreshed = 0

    def build(self, width: int, height: int) -> Iterable[Cells]:
        """The lines, at most `height` of them and each at most `width` cells; called only with room to draw."""
        raise NotImplementedError

    @property
    def look(self) -> Look:
        return look_of(self)

    @property
    def ellipsis(self) -> Segment:
        """What stands for text that was cut."""
        return Segment(self.look.glyphs["ellipsis"], self.look("faint"))

    def redraw(self) -> None:
        """Build again and repaint the cells that differ from what is on the screen."""
        size = self.content_size
        if not self.is_attached or not size.width or not size.height:
            self._drawn_size = (-1, -1)
            return
        if self._drawn_size != (size.width, size.height):
            self._draw(size.width, size.height)
            self.refresh()
            return
        before = self._strips
        self._draw(size.width, size.height)
        regions = [
            Region(start, y, end - start, 1)
            for y, (old, new) in enumerate(zip(before, self._strips, strict=True))
            if old != new
            for start, end in changed_spans(old, new)
        ]
        if regions:
            self.lines_refreshed += len({region.y for region in regions})
            self.refresh(*regions)

    def restart(self) -> None:
        """Draw everything again: the look has changed."""
        self._drawn_size = (-1, -1)
        self.redraw()

    def _draw(self, width: int, height: int) -> None:
        base = Style.from_color(None, self.background_colors[1].rich_color)
        strips = [
            Strip(Segment.apply_style((s for s in line if s.text), base)).adjust_cell_length(width, base)
            for line in list(self.build(width, height))[:height]
        ]
        strips.extend(Strip.blank(width, base) for _ in range(height - len(strips)))
        self._strips = strips
        self._drawn_size = (width, height)

    def render_line(self, y: int) -> Strip:
        width, height = self.content_size
        if not width or not height:
            return Strip.blank(width)
        if self._drawn_size != (width, height):
            self._draw(width, height)
        return self._strips[y] if y < len(self._strips) else Strip.blank(width)

    def text(self, content: str, role: str = "text", *, bold: bool = False, on: str | None = None) -> Segment:
        """A piece of text in a role's style."""
        return piece(content, self.look(role, bold=bold, on=on))


def changed_spans(old: Strip, new: Strip) -> list[tuple[int, int]]:
    """Where two strips differ, as (start, end) columns; near spans are joined."""
    before, after = _columns(old), _columns(new)
    width = max(len(before), len(after))
    before += [None] * (width - len(before))
    after += [None] * (width - len(after))
    spans: list[tuple[int, int]] = []
    for x in range(width):
        if before[x] == after[x]:
            continue
        if spans and x - spans[-1][1] < _MERGE_GAP:
            spans[-1] = (spans[-1][0], x + 1)
        else:
            spans.append((x, x + 1))
    return spans


def _columns(strip: Strip) -> list[tuple[str, Style | None] | None]:
    """What each column shows; a wide character stands in its first column and is repeated in its second."""
    columns: list[tuple[str, Style | None] | None] = []
    for segment in strip:
        style = segment.style
        if segment.text.isascii():
            columns.extend((char, style) for char in segment.text)
            continue
        for char in segment.text:
            size = get_character_cell_size(char)
            if size:
                columns.extend([(char, style)] * size)
            elif columns and columns[-1] is not None:
                columns[-1] = (columns[-1][0] + char, style)
    return columns


def plain(lines: Sequence[Strip]) -> list[str]:
    """The text of strips, for tests."""
    return [strip.text for strip in lines]
