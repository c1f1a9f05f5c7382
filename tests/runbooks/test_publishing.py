"""The agent's duty on a real store: files become books, a change is seen, and a broken file is told once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from console.runbooks import publishing
from console.runbooks.library import Shelf
from console.runbooks.publishing import SUBJECT, Publishing
from console.runbooks.reading import Vocabulary
from console.store import books, timeline
from console.store import lease as leases
from console.store.pool import Store
from tests.runbooks.test_library import OWN, put
from tests.runbooks.words import WORDS
from tests.store.stores import Place


@pytest.fixture(autouse=True)
def _look_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "_LOOK_S", 0.01)


@asynccontextmanager
async def publishes(
    place: Place, folder: Path, words: Callable[[], Vocabulary] = lambda: WORDS
) -> AsyncIterator[Store]:
    """An agent that leads and does this one duty."""
    async with place.leader() as (store, lease):
        duty = asyncio.create_task(Publishing(folder, words).run(store, lease))
        try:
            yield store
        finally:
            duty.cancel()
            await asyncio.gather(duty, return_exceptions=True)
            await leases.release(store, lease)


Wait = Callable[..., Awaitable[Any]]


async def test_files_are_published_again_as_they_change_and_a_broken_one_is_told_once(
    place: Place, tmp_path: Path, wait_for: Wait
) -> None:
    file = put(tmp_path, "runbooks/ours.md", OWN.format(title="Ours", step="Call"))

    async def titled(title: str) -> bool:
        return any(book.title == title for book in await books.runbooks(store))

    async def told(count: int) -> list[tuple[str, str, str]]:
        """The entries about books, oldest first, once there are so many."""

        async def enough() -> bool:
            return len(await timeline.recent(store, subject=SUBJECT)) >= count

        await wait_for(enough)
        events = await timeline.recent(store, subject=SUBJECT)
        return [(e.kind, str(e.severity), e.text.replace(f"{tmp_path}/", "")) for e in reversed(events)]

    async with publishes(place, tmp_path) as store:
        await wait_for(lambda: titled("Ours"))
        assert len(await books.templates(store)) == 6
        file.write_text(OWN.format(title="Better", step="Call"), encoding="utf-8")
        await wait_for(lambda: titled("Better"))
        again = ("book", "info", "the books were read again: 6 runbooks, 4 checklists, 6 templates")
        assert await told(1) == [again]
        file.write_text("broken", encoding="utf-8")
        broken = (
            "book",
            "warning",
            "a runbook, checklist or template is broken, what was in force stays: "
            "runbooks/ours.md:1: expected front matter (title: ...) between two lines ---",
        )
        assert await told(2) == [again, broken]
        # Another change while it is still broken is published, and what is broken is not told again.
        put(tmp_path, "runbooks/more.md", OWN.format(title="More", step="Call"))
        await wait_for(lambda: titled("More"))
        assert await titled("Better")
    # The next agent begins with the broken file: what was in force stays, and was told.
    async with publishes(place, tmp_path) as store:
        put(tmp_path, "runbooks/even-more.md", OWN.format(title="Even more", step="Call"))
        await wait_for(lambda: titled("Even more"))
        assert await titled("Better") and await told(2) == [again, broken]
        file.write_text(OWN.format(title="Mended", step="Call"), encoding="utf-8")
        assert (await told(3))[2][2] == "the books were read again: 8 runbooks, 4 checklists, 6 templates"
        assert await titled("Mended")


def test_what_is_said_of_broken_files_names_the_first_fault_and_where_the_rest_is_told() -> None:
    faults = tuple(f"books/runbooks/{name}.md:3: level: expected 1" for name in ("one", "two", "three"))
    kept = "a runbook, checklist or template is broken, what was in force stays: "
    rest = " and 2 more: tradex runbook check"
    assert publishing._complaint(Shelf((), faults)) == f"{kept}{faults[0]}{rest}"
    assert publishing._complaint(Shelf((), faults[:1])) == f"{kept}{faults[0]}"
    new = publishing._complaint(Shelf((), faults[:1], frozenset(faults[:1])))
    assert new == f"a runbook, checklist or template is broken, and nothing of it is in force: {faults[0]}"
    long = publishing._complaint(Shelf((), ("x" * 500, *faults[1:])))
    assert len(long) <= 500 and long.endswith(rest)


async def test_what_steps_may_name_is_looked_at_again_when_it_changes(
    place: Place, tmp_path: Path, wait_for: Wait
) -> None:
    put(tmp_path, "runbooks/ours.md", OWN.format(title="Named", step="Call {action: our_own}"))
    assert WORDS.kinds is not None
    words = [WORDS, Vocabulary(WORDS.kinds | {"our_own": WORDS.kinds["failover"]}, WORDS.checks, WORDS.specs)]

    async def named() -> bool:
        return any(book.title == "Named" for book in await books.runbooks(store))

    async def told() -> bool:
        said = await timeline.recent(store, limit=1, subject=SUBJECT)
        return bool(said) and "no such action: our_own" in said[0].text

    async with publishes(place, tmp_path, lambda: words[0]) as store:
        await wait_for(told)
        assert not await named()
        del words[0]
        await wait_for(named)
