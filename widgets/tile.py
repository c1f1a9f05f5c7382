"""One figure with what it is measured against and its last hour; as a box, or as one piece of a line."""

from dataclasses import dataclass

from rich.segment import Segment

from widgets.cells import EMPTY, Cells, cut, measure, space, spread
from widgets.charts import area, beyond_roles, meter, resample_worst, spark
from widgets.line_widget import LineWidget
from widgets.panel import set_title


@dataclass(frozen=True, slots=True)
class TileFacts:
    """What a tile shows.

    `value` and `note` are the first line's two ends, `footnote` the last line. `values` is the past, oldest
    first, on a scale of `low`..`high`; columns above `limit` (below it if `floor`) take the colour `over`.
    `mark` stands behind the unit. `fraction` is the meter's, None for no meter. `stale` draws all of it in the
    stale colour.
    """

    title: str
    short: str
    value: str
    unit: str = ""
    mark: Cells = EMPTY
    role: str = "strong"
    note: Cells = EMPTY
    footnote: Cells = EMPTY
    state: Cells = EMPTY
    values: tuple[float | None, ...] = ()
    low: float = 0.0
    high: float = 1.0
    limit: float | None = None
    floor: bool = False
    over: str = "crit"
    fraction: float | None = None
    stale: bool = False


class Tile(LineWidget):
    """A box with a trend: value and note, then the area."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, classes="panel tile")
        self._facts: TileFacts | None = None

    def show(self, facts: TileFacts) -> None:
        if facts == self._facts:
            return
        if self._facts is None or facts.title != self._facts.title:
            set_title(self, facts.title)
        self._facts = facts
        self.redraw()

    def _head(self, facts: TileFacts, width: int) -> Cells:
        note = facts.note if measure(facts.note) + measure(self._value(facts)) + 1 <= width else EMPTY
        return spread(self._value(facts), note, width, self.ellipsis)

    def _value(self, facts: TileFacts) -> Cells:
        role = "stale" if facts.stale else facts.role
        unit = (self.text(f" {facts.unit}", "faint"),) if facts.unit else EMPTY
        mark = (Segment(" "), *facts.mark) if facts.mark else EMPTY
        return (self.text(facts.value, role, bold=True), *unit, *mark)

    def build(self, width: int, height: int) -> list[Cells]:
        if self._facts is None:
            return []
        facts = self._facts
        rows: list[Cells] = [self._head(facts, width)]
        rows.extend(
            area(
                resample_worst(facts.values, width * 2, facts.limit, floor=facts.floor),
                width,
                height - 1,
                self.look,
                low=facts.low,
                high=facts.high,
                roles=over_roles(facts, width),
            )
        )
        return rows


class MeterTile(Tile):
    """A box with a meter: value and state, meter, limit."""

    def _head(self, facts: TileFacts, width: int) -> Cells:
        value = self._value(facts)
        # The glyph keeps the state where its word has no room.
        state = facts.state if measure(value) + 1 + measure(facts.state) <= width else facts.state[:1]
        return spread(value, state, width, self.ellipsis)

    def build(self, width: int, height: int) -> list[Cells]:
        if self._facts is None:
            return []
        facts = self._facts
        role = facts.role if facts.role in ("warn", "crit") else "s2"
        bar = meter(facts.fraction, width, self.look, role="stale" if facts.stale else role)
        return [self._head(facts, width), bar, cut(facts.footnote, width, self.ellipsis)]


class TileLine(LineWidget):
    """Several tiles in one line: `label value unit spark`, as many as fit, sparks as wide as there is room."""

    DEFAULT_CSS = "TileLine { height: 1; }"

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._tiles: tuple[TileFacts, ...] = ()

    def show(self, tiles: tuple[TileFacts, ...]) -> None:
        self._tiles = tiles
        self.redraw()

    def build(self, width: int, height: int) -> list[Cells]:
        heads = [self._head(facts) for facts in self._tiles]
        while heads and sum(map(measure, heads)) + 2 * len(heads) + 4 * len(heads) > width:
            heads.pop()
        if not heads:
            return []
        room = width - 2 - sum(map(measure, heads)) - 2 * (len(heads) - 1) - len(heads)
        line: list[Segment] = [Segment(" ")]
        for i, head in enumerate(heads):
            facts = self._tiles[i]
            share = room // len(heads) + (1 if i < room % len(heads) else 0)
            if i:
                line.extend(space(2))
            line.extend(head)
            line.append(Segment(" "))
            line.extend(
                spark(
                    resample_worst(facts.values, share, facts.limit, floor=facts.floor),
                    share,
                    self.look,
                    top=facts.high,
                    roles=over_roles(facts, share),
                    role="stale" if facts.stale else "s1",
                )
            )
        return [line]

    def _head(self, facts: TileFacts) -> list[Segment]:
        role = "stale" if facts.stale else facts.role
        head = [self.text(f"{facts.short} ", "muted"), self.text(facts.value, role, bold=True)]
        if facts.unit:
            head.append(self.text(f" {facts.unit}", "faint"))
        if facts.mark:
            head += [Segment(" "), *facts.mark]
        return head


def over_roles(facts: TileFacts, width: int) -> list[str | None]:
    """The colour of each column: `over` where the value was beyond the limit, stale where all of it is."""
    if facts.stale:
        return ["stale"] * width
    columns = resample_worst(facts.values, width, facts.limit, floor=facts.floor)
    return beyond_roles(columns, facts.limit, facts.over, floor=facts.floor)
