"""What the tests of `tradex incident` share: people with commands on one furnished store."""

import asyncio
import json
import os
from collections.abc import Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from console.domain.book import Template
from console.domain.metric import MetricSpec, MetricValue
from console.processes.postgres import EmbeddedPostgres
from console.store import books, ticks
from tests import command
from tests.conftest import NewDatabase
from tests.incidents import rooms
from tests.store.stores import Place, password_of, upgraded

UPDATE = Template(
    *("internal-update", "How it goes", "internal", "update"),
    "# {{ incident }} {{ title }}\n\nIt is {{ status }}, {{ impact }}. {{ commander }} leads. Next: {{ next_update }}",
    {1: timedelta(minutes=30)},
)
IMPACT = Template("customer-impact", "What it cost", "customer", "update", "{{ impact }}")
FINAL = Template("customer-final", "It is over", "customer", "final", "It is over: {{ resolution }}")
SPECS = (
    MetricSpec("error_rate", "Error rate", "%", "orders", "sql", "", decimals=2, warning=1, critical=5),
    MetricSpec("failed_today", "Failed today", "count", "orders", "sql", ""),
    MetricSpec("cpu_usage", "CPU", "%", "system", "scrape", "", warning=80, critical=95),
)
MINUTE = timedelta(minutes=1)


class Desk:
    """Commands as people on one store."""

    def __init__(self, place: Place, home: Path) -> None:
        self.place, self.home = place, home

    def env(self, person: str) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("TRADEX_")}
        return kept | {
            "TRADEX_STATE_DIR": str(self.home),
            "XDG_CONFIG_HOME": str(self.home),
            "TRADEX_STORE__URL": self.place.url_of(person),
            "TRADEX_STORE__PASSWORD": password_of(person),
        }

    def run(self, *args: str, person: str = "alice") -> CompletedProcess[str]:
        return command.run("incident", *args, env=self.env(person))

    def done(self, *args: str, person: str = "alice") -> str:
        run = self.run(*args, person=person)
        assert run.returncode == 0, (args, run.stderr)
        return run.stdout

    def json(self, *args: str, person: str = "alice") -> Any:
        return json.loads(self.done(*args, "--json", person=person))

    def sql(self, text: str, *args: object) -> list[Any]:
        return self.now(self.place.owner(text, *args))

    @staticmethod
    def now(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run(work)


async def furnish(place: Place) -> dict[str, int]:
    """Books, alerts that fire, and two hours of readings up to ten minutes from now."""
    async with rooms.leading(place) as (store, lease):
        await books.publish(store, lease, [rooms.ORDERS, rooms.BREACH, UPDATE, FINAL, IMPACT])
        now = await store.now()
        start = now.replace(second=0, microsecond=0) - 120 * MINUTE

        def row(i: int) -> tuple[datetime, list[MetricValue]]:
            at = start + i * MINUTE
            values = (8.0 if i >= 115 else 0.2, 100.0 + min(i, 118), 30.0 if i < 60 else 60.0)
            return at, [MetricValue(s.name, v, at) for s, v in zip(SPECS, values, strict=True)]

        await ticks.write_seeded(store, lease, SPECS, map(row, range(131)))
        rules = ("High Error Rate", "High Order Latency", "Capacity Warning")
        return dict(zip(rules, await rooms.fire(store, lease, *rules, at=now - 4 * MINUTE), strict=True))


def furnished(postgres: EmbeddedPostgres, session_database: NewDatabase, home: Path) -> Desk:
    """A desk on a store of its own."""
    place = Place(postgres, session_database(postgres, template=upgraded(postgres, session_database)))
    Desk.now(furnish(place))
    return Desk(place, home)
