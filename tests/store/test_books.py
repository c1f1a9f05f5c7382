"""Books in the store: what is published is what is read back, and only what is another one changes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from console.domain.book import Checklist, Runbook, Template
from console.domain.errors import Fenced, StoreRefused
from console.store import books
from console.store.lease import Lease
from tests.runbooks.words import SHELF
from tests.store.stores import Place


async def test_everything_comes_back_as_it_was_and_is_told_once(
    place: Place, wait_for: Callable[..., Awaitable[Any]]
) -> None:
    told: list[str] = []
    async with place.open("vera") as vera, place.leader() as (store, lease):
        listening = asyncio.create_task(vera.listen(told.append))
        await wait_for(lambda: "listening" in told)
        assert await books.publish(store, lease, SHELF.books) == len(SHELF.books)
        assert tuple(await books.runbooks(vera)) == tuple(b for b in SHELF.books if isinstance(b, Runbook))
        assert tuple(await books.checklists(vera)) == tuple(
            b for b in SHELF.books if isinstance(b, Checklist)
        )
        assert tuple(await books.templates(vera)) == tuple(b for b in SHELF.books if isinstance(b, Template))
        await wait_for(lambda: "book" in told)
        told.clear()
        read_at = await place.owner(
            "SELECT read_at FROM console.book WHERE kind <> 'template' ORDER BY place"
        )
        assert await books.publish(store, lease, SHELF.books) == 0
        # Without the last one, which is gone then; the others keep their time, and so their places.
        assert await books.publish(store, lease, SHELF.books[:-1]) == 1
        assert (
            await place.owner("SELECT read_at FROM console.book WHERE kind <> 'template' ORDER BY place")
            == read_at
        )
        assert len(await books.templates(vera)) == 5
        await wait_for(lambda: "book" in told)
        assert told.count("book") == 1
        listening.cancel()


async def test_only_the_leading_agent_publishes(place: Place) -> None:
    async with place.open("bob") as bob, place.leader() as (store, lease):
        old = Lease(lease.holder, lease.fence - 1, lease.expires_at)
        with pytest.raises(Fenced):
            await books.publish(store, old, SHELF.books)
        with pytest.raises(StoreRefused):
            await books.publish(bob, lease, SHELF.books)
        assert await books.runbooks(bob) == []
