"""The frame of a panel: a thin round border with a title that becomes a chip while the panel has the focus."""

from textual.content import Content
from textual.geometry import Region
from textual.widget import Widget

from console.domain.text import printable


def set_title(widget: Widget, title: str, *, subtitle: str | None = None) -> None:
    """Put plain text into a widget's border; no text is ever read as markup."""
    content = _content(title)
    if widget._border_title != content:
        widget.border_title = content
    if subtitle is not None:
        set_subtitle(widget, subtitle)


def set_subtitle(widget: Widget, subtitle: str) -> None:
    """The short fact at the bottom right of a border; only its row is repainted, and only when it changes."""
    content = _content(subtitle)
    if widget._border_subtitle != content:
        widget._border_subtitle = content
        left, top = widget.content_offset
        widget.refresh(Region(-left, widget.outer_size.height - 1 - top, widget.outer_size.width, 1))


def _content(text: str) -> Content | None:
    return Content(printable(text)) if text else None
