"""The figures of Health: what they are called, and what stays known of one that has no value now."""

from dataclasses import replace

import pytest

from console.domain.snapshot import Snapshot
from screens.figures import resource_entries
from screens.metric_tiles import metric_tiles
from screens.vitals import VITALS, vital_tiles
from tests.ui.drive import SIZES, app_of, rows, until
from tests.ui.fixtures import story
from widgets.cells import Cells
from widgets.live_table import Row
from widgets.look import Look, look
from widgets.tile import TileLine


def _text(found: Cells) -> str:
    return "".join(piece.text for piece in found)


def _unread(*names: str) -> Snapshot:
    """The story, but these metrics can't be read now."""
    live = story.live()
    lost = {name: replace(live.metrics.values[name], value=None, reason="no database") for name in names}
    return replace(live, metrics=replace(live.metrics, values={**live.metrics.values, **lost}))


@pytest.mark.parametrize("vital", VITALS, ids=lambda vital: vital.metric)
def test_a_figure_without_a_value_keeps_its_last_hour(vital) -> None:
    place = VITALS.index(vital)
    before = vital_tiles(story.live(), LOOK, greyed=False)[place]
    tile = vital_tiles(_unread(vital.metric), LOOK, greyed=False)[place]
    assert (tile.value, tile.unit, _text(tile.note)) == ("–", "", "no database")
    assert tile.values == before.values and any(tile.values)
    assert (tile.limit, tile.floor, tile.over) == (before.limit, before.floor, before.over)
