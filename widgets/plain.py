"""NO_COLOR in a terminal with 16 colours: their grey is no colour of theirs, so what is shown is told apart by weight
and by reversed cells."""

from functools import lru_cache

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter, monochrome_style


class Plain(LineFilter):
    """Named colours become the terminal's own two, all others their grey."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment
            if segment.style is None
            else Segment(segment.text, _plain(segment.style), segment.control)
            for segment in segments
        ]


@lru_cache(1024)
def _plain(style: Style) -> Style:
    named = [color for color in (style.color, style.bgcolor) if color is not None and color.triplet is None]
    if not named:
        return monochrome_style(style)
    # Black is the ground of the 16.
    chip = style.bgcolor is not None and style.bgcolor.number not in (None, 0)
    return style + Style(color="default", bgcolor="default", reverse=bool(style.reverse) is not chip)
