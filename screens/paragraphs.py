"""Lines of words: a label before what it names, text in as many lines as there may be, values and names. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from widgets.cells import EMPTY, Cells, cells, piece
from widgets.look import Look
from widgets.text_panel import wrapped

# Of alerts there are lines on the first screen too.
if TYPE_CHECKING:
    from console.domain.action import Fact

Line = tuple[Cells, Cells]
"""The left end and the right end."""


def folded(text: str, width: int, most: int) -> list[str]:
    """`text` in at most `most` lines; the last one holds the rest, however long that is."""
    lines = wrapped(text, max(width, 8))
    if len(lines) > most:
        lines = [*lines[: most - 1], " ".join(line.strip() for line in lines[most - 1 :])]
    return lines


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels of one width, in cells, under each other."""

    size: int

    def line(self, label: str, content: Cells, look: Look) -> Line:
        """`where       PRODUCTION`"""
        return (piece(f"{label:<{self.size}}", look("faint")), *content), EMPTY

    def lines(self, label: str, lines: Sequence[Cells], look: Look) -> list[Line]:
        """The label stands before the first of them."""
        return [self.line("" if i else label, line, look) for i, line in enumerate(lines)]

    def text(
        self, label: str, text: str, look: Look, width: int, *, role: str = "text", most: int = 2
    ) -> list[Line]:
        """A text of at most `most` lines of `width` cells; no line without a text."""
        lines = folded(text, width - self.size, most) if text else ()
        return self.lines(label, [cells(line, look(role)) for line in lines], look)


def value_size(facts: Sequence[Fact]) -> int:
    """The room for the values: counts stand under each other, one in words takes what it needs."""
    counts = (fact.value for fact in facts if " " not in fact.value and not fact.value[:1].isalpha())
    return max(map(len, counts), default=0)


def fact_cells(fact: Fact, look: Look, size: int, *, calm: str = "text") -> Cells:
    """`   46 refused with 403`; `error rate  0.1 % before, 4.2 % now` where the value is in words, or of several and
    longer than `size`."""
    loud = fact.weight in ("warn", "crit")
    label = look(fact.weight if loud else calm)
    value = look(fact.weight if loud else "strong", bold=True)
    if fact.value[:1].isalpha() or (" " in fact.value and len(fact.value) > size):
        return piece(f"{fact.label}  ", label), piece(fact.value, value)
    return piece(f"{fact.value:>{size}} ", value), piece(fact.label, label)
