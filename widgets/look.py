"""How things look now: the palette and the character set in use, as styles and glyphs by role."""

from rich.style import Style
from textual.widget import Widget

from themes.palette import DARK, Palette
from widgets.glyphs import UNICODE, Glyphs


class Look:
    """Styles by role: `look("crit", bold=True)`; symbols by role: `look.glyphs["crit"]`."""

    def __init__(self, palette: Palette, glyphs: Glyphs) -> None:
        self.palette = palette
        self.glyphs = glyphs
        self._styles: dict[tuple[str, bool, str | None], Style] = {}
        self._mixes: dict[tuple[str, str, int, int], Style] = {}

    def __call__(self, role: str, *, bold: bool = False, on: str | None = None) -> Style:
        """The style of a role, on the background of another role if `on` names one."""
        key = (role, bold, on)
        style = self._styles.get(key)
        if style is None:
            background = None if on is None else self.palette[on]
            style = Style(color=self.palette[role], bgcolor=background, bold=bold or None)
            self._styles[key] = style
        return style

    def chip(self, role: str) -> Style:
        """Text on a coloured chip; dark colours of the 16 take bright text."""
        dark = self.palette.ansi and self.palette[role] in _DARK_OF_16
        return self("strong" if dark else "chip", bold=True, on=role)

    def mix(self, low: str, high: str, step: int, steps: int) -> Style:
        """Step `step` of `steps` (0-based) of a gradient between two roles; two halves with 16 colours."""
        key = (low, high, step, steps)
        style = self._mixes.get(key)
        if style is None:
            share = step / (steps - 1) if steps > 1 else 1.0
            if self.palette.ansi:
                style = self(high if share >= 0.5 else low)
            else:
                style = Style(color=_blend(self.palette[low], self.palette[high], share))
            self._mixes[key] = style
        return style


def _blend(low: str, high: str, share: float) -> str:
    channels = (
        round(int(low[i : i + 2], 16) * (1 - share) + int(high[i : i + 2], 16) * share) for i in (1, 3, 5)
    )
    return "#" + "".join(f"{c:02x}" for c in channels)


_DARK_OF_16 = ("magenta", "red", "bright_red", "blue", "bright_black", "black")
_DEFAULT = Look(DARK, UNICODE)


def look_of(widget: Widget) -> Look:
    """The look of the app that `widget` is in; the dark one in an app that has none."""
    look = getattr(widget.app, "look", None)
    return look if isinstance(look, Look) else _DEFAULT
