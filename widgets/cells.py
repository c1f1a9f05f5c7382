"""Rows of a terminal from styled pieces, measured in cells: cut, padded, joined. Pure, no markup anywhere.

A `Cells` value is a sequence of rich Segments; `piece()` is the only way text gets into one, and it makes
control characters visible, so that no data can reach the terminal as a command.
"""

from collections.abc import Iterable, Sequence

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

from console.domain.text import printable

Cells = Sequence[Segment]
EMPTY: Cells = ()


def piece(text: str, style: Style | None = None) -> Segment:
    """One styled run of text, made safe to show."""
    return Segment(text if text.isascii() and text.isprintable() else printable(text), style)


def cells(text: str, style: Style | None = None) -> Cells:
    """One run of text as Cells; nothing for an empty text."""
    return (piece(text, style),) if text else EMPTY


def space(width: int, style: Style | None = None) -> Cells:
    return (Segment(" " * width, style),) if width > 0 else EMPTY


def measure(content: Cells) -> int:
    """How many terminal cells `content` takes."""
    return sum(cell_len(s.text) for s in content)


def cut(content: Cells, width: int, ellipsis: Segment) -> list[Segment]:
    """`content` in at most `width` cells; what was cut off is replaced by `ellipsis` (one cell)."""
    if width <= 0:
        return []
    if measure(content) <= width:
        return list(content)
    room = width - 1
    kept: list[Segment] = []
    for segment in content:
        length = cell_len(segment.text)
        if length > room:
            # A wide character that would be halved leaves a blank cell.
            if room:
                kept.append(Segment(set_cell_size(segment.text, room), segment.style))
            break
        kept.append(segment)
        room -= length
    kept.append(ellipsis)
    return kept


def fit(content: Cells, width: int, ellipsis: Segment, *, right: bool = False) -> list[Segment]:
    """`content` in exactly `width` cells, padded on the right, or on the left if `right`."""
    kept = cut(content, width, ellipsis)
    gap = width - measure(kept)
    if gap > 0:
        blank = Segment(" " * gap)
        return [blank, *kept] if right else [*kept, blank]
    return kept


def spread(left: Cells, right: Cells, width: int, ellipsis: Segment) -> list[Segment]:
    """`left` and `right` at the two ends of `width` cells; `left` is cut first."""
    right_width = measure(right)
    if right_width > width:
        return fit(right, width, ellipsis)
    room = width - right_width
    if right_width and measure(left) > room - 1:
        return [*fit(left, room - 1, ellipsis), Segment(" "), *right]
    return [*fit(left, room, ellipsis), *right]


def join(parts: Iterable[Cells], gap: Cells) -> list[Segment]:
    """The parts that are not empty, with `gap` between them."""
    row: list[Segment] = []
    for part in parts:
        if part:
            if row:
                row.extend(gap)
            row.extend(part)
    return row


def restyle(content: Cells, style: Style) -> list[Segment]:
    """`content` with `style` over every piece's own."""
    return [Segment(s.text, s.style + style if s.style else style) for s in content]


def behind(content: Cells, style: Style) -> list[Segment]:
    """`content` with `style` under every piece's own, so that chips keep their background."""
    return [Segment(s.text, style + s.style if s.style else style) for s in content]
