"""A small seeded share of `python -m tests.chaos --scenario alerts`."""

import random

from tests.alerting import recorded
from tests.chaos import alerts
from tests.store.stores import Place


async def test_kills_and_stops_of_two_agents_change_nothing(place: Place, second_place: Place) -> None:
    rows = recorded.rows(7, 240)
    expected = await alerts.undisturbed(place, rows)
    found, met = await alerts.disturbed(second_place, rows, random.Random(7), speed=100)
    assert met.kills >= 1 and met.stops >= 1 and met.terms > 2, met
    assert len(expected) > 20
    alerts.compare(expected, found)
