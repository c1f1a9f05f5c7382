"""What one console does to alerts, as another one sees it: told by the store, without asking again and again."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from console.domain.alert import Alert, Matcher
from console.feed import LiveFeed
from tests.store.alerting import Agent, opened
from tests.store.stores import Place


def the_alert(feed: LiveFeed) -> Alert:
    return feed.snapshot.alerts[0]


async def test_acknowledgements_and_silences_arrive_in_another_console_without_polling(
    place: Place,
    follow: Callable[..., Any],
    wait_for: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("console.feed._POLL_S", 3600.0)
    async with place.leader() as (store, lease):
        await Agent(store, lease).at(0, opened("Errors", "firing"))
    async with follow("alice") as one, follow("bob") as other:
        await wait_for(lambda: one.snapshot.alerts and other.snapshot.alerts)
        ids = [the_alert(one).id]
        # Each step is waited for: reading again once, when listening begins, could not show them all.
        await one.desk.acknowledge(ids)
        await wait_for(lambda: the_alert(other).acknowledged_by == "alice")
        await other.desk.unacknowledge(ids)
        await wait_for(lambda: the_alert(one).acknowledged_by is None)
        quiet = [Matcher("rule", "=", "Errors")]
        silence = await one.desk.silence(quiet, timedelta(hours=1), "a new provider")
        await wait_for(lambda: the_alert(other).silence == silence.id)
        assert [(s.id, s.reason) for s in other.snapshot.silences] == [(silence.id, "a new provider")]
        await other.desk.end_silence(silence.id)
        await wait_for(lambda: the_alert(one).silence is None and not one.snapshot.silences)
