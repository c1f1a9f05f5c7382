"""A store with people in it, and a feed that follows it in the background."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from console.feed import LiveFeed
from console.processes.postgres import EmbeddedPostgres
from tests.conftest import NewDatabase
from tests.store.stores import Place, password_of, upgraded


@pytest.fixture
def place(postgres: EmbeddedPostgres, new_database: NewDatabase, session_database: NewDatabase) -> Place:
    return Place(postgres, new_database(postgres, template=upgraded(postgres, session_database)))


@asynccontextmanager
async def following(place: Place, person: str = "alice") -> AsyncIterator[LiveFeed]:
    feed = LiveFeed(place.url, user=person, password=password_of(person))
    task = asyncio.create_task(feed.run())
    try:
        yield feed
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def follow(place: Place) -> Callable[..., object]:
    return lambda person="alice": following(place, person)
