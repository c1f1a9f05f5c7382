"""The line that answers "is it well?": the verdict as a chip, why, and how many components are how."""

from rich.segment import Segment

from console.domain.health import Overall, Verdict
from screens.components import Counts
from widgets.cells import Cells, join, piece, space, spread
from widgets.line_widget import LineWidget
from widgets.states import verdict_state

_NO_DATA = Overall(Verdict.UNKNOWN, "no data yet")


class VerdictLine(LineWidget):
    """Chip and reason at the left, counts at the right; words go first where there is no room."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._overall = _NO_DATA
        self._counts = Counts()
        self._greyed = False
        self._since = ""

    def show(self, overall: Overall, counts: Counts, *, greyed: bool) -> None:
        self._overall, self._counts, self._greyed = overall, counts, greyed
        self.redraw()

    def build(self, width: int, height: int) -> list[Cells]:
        state = verdict_state(self._overall.verdict)
        role, glyph = ("stale", "stale") if self._greyed else (state.role, state.glyph)
        word = state.word.upper()
        if self._greyed and self._overall.verdict is not Verdict.UNKNOWN:
            word = f"LAST {word}"
        left = [
            Segment(" "),
            piece(f" {self.look.glyphs[glyph]} {word} ", self.look.chip(role)),
            Segment("  "),
            self.text(self._overall.reason, "stale" if self._greyed else "text"),
        ]
        return [spread(left, self._tally(words=width >= 100), width, self.ellipsis)]

    def _tally(self, *, words: bool) -> Cells:
        counts = self._counts
        parts: list[Cells] = []
        for number, role, glyph, word in (
            (counts.ok, "ok", "ok", "ok"),
            (counts.degraded, "warn", "warn", "degraded"),
            (counts.down, "crit", "crit", "down"),
            (counts.unknown, "stale", "unknown", "unknown"),
            (counts.stale, "stale", "stale", "stale"),
        ):
            if number or role == "ok":
                label = f" {number} {word}" if words else f" {number}"
                parts.append(
                    (
                        self.text(self.look.glyphs[glyph], role),
                        self.text(label, "text" if number else "muted"),
                    )
                )
        return (*join(parts, space(3 if words else 2)), Segment(" "))
