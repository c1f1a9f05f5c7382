"""The figures of Health: what they are called, and what stays known of one that has no value now."""

from dataclasses import replace

import pytest

from console.domain.snapshot import Snapshot
from screens.figures import resource_entries
from screens.metric_tiles import metric_tiles
from screens.vitals import VITALS, Vital, vital_tiles
from tests.ui.drive import SIZES, app_of, rows, until
from tests.ui.fixtures import story
from themes.palette import DARK
from widgets.cells import Cells
from widgets.glyphs import UNICODE
from widgets.live_table import Row
from widgets.look import Look
from widgets.tile import TileLine

LOOK = Look(DARK, UNICODE)
SPARKS = "▁▂▃▄▅▆▇"


def _text(found: Cells) -> str:
    return "".join(piece.text for piece in found)


def _unread(*names: str) -> Snapshot:
    """The story, but these metrics can't be read now."""
    live = story.live()
    lost = {name: replace(live.metrics.values[name], value=None, reason="no database") for name in names}
    return replace(live, metrics=replace(live.metrics, values={**live.metrics.values, **lost}))


@pytest.mark.parametrize("vital", VITALS, ids=lambda vital: vital.metric)
def test_a_figure_without_a_value_keeps_its_last_hour(vital: Vital) -> None:
    place = VITALS.index(vital)
    before = vital_tiles(story.live(), LOOK, greyed=False)[place]
    tile = vital_tiles(_unread(vital.metric), LOOK, greyed=False)[place]
    assert (tile.value, tile.unit, _text(tile.note)) == ("–", "", "no database")
    assert tile.values == before.values and any(tile.values)
    assert (tile.limit, tile.floor, tile.over) == (before.limit, before.floor, before.over)


async def test_with_little_room_too_the_last_hour_is_drawn_beside_the_dash() -> None:
    app = app_of(_unread("p95_execution_time", "error_rate", "orders_per_second"))
    async with app.run_test(size=SIZES["80x24"]) as pilot:
        line = app.screen.query_one("#vitals", TileLine).region.y
        await until(pilot, lambda: "p95 –" in rows(app)[line])
        for short, after in (("p95", "err"), ("err", "ord"), ("ord", "cpu")):
            piece = rows(app)[line].partition(f"{short} –")[2].partition(after)[0]
            assert set(piece) & set(SPARKS), rows(app)[line]


def test_the_share_of_fast_orders_is_never_called_success() -> None:
    live, metric = story.live(), "success_under_500ms_pct"
    orders = next(
        t for v, t in zip(VITALS, vital_tiles(live, LOOK, greyed=False), strict=True) if v.short == "ord"
    )
    assert _text(orders.note).startswith("< 500 ms ")
    assert "< 500 ms" in [tile.title for tile in metric_tiles(live, LOOK, greyed=False)]
    resources = resource_entries(live, LOOK, 44, greyed=False)
    (row,) = (row for row in resources if isinstance(row, Row) and row.key == metric)
    assert _text(row.cells[0]) == "< 500 ms"
