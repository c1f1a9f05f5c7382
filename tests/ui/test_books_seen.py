"""What screen 6 says of itself: files that are broken, keys that have room, and where the focus is without items."""

from dataclasses import replace

from console.domain.book import Step
from console.domain.event import Event, Severity
from screens.duty_pane import ChecklistsPane
from tests.ui.drive import rows, shown
from tests.ui.fixtures import books
from tests.ui.fixtures.story import NOW
from tests.ui.test_books_keys import opened

BROKEN = "a runbook is broken, what was in force stays: books/prices.md:3: level: expected 1, not 9"


def _said(severity: Severity, text: str) -> Event:
    return Event(990, NOW, "book", severity, "books", text, "agent-2")


async def test_a_broken_file_is_told_with_its_line_until_it_is_mended() -> None:
    broken = replace(books.live(), events=(_said(Severity.WARNING, f"{BROKEN} \x1b[2J{'x' * 300}"),))
    async with opened(broken) as seen:
        await seen.says("books/prices.md:3", "level: expected 1, not 9", "Morning health", "5 of 9")
        assert "\x1b" not in shown(seen.app)
        mended = _said(Severity.INFO, "the books were read again: 5 runbooks")
        seen.app.static.publish(replace(broken, events=(mended,)))
        seen.app.static.hint("event")
        await seen.until(lambda: "prices.md" not in shown(seen.app) and "read again" not in shown(seen.app))


async def test_the_key_to_the_other_views_has_room_on_a_small_screen() -> None:
    async with opened(size="80x24") as seen:
        assert all(hint in rows(seen.app)[-1] for hint in ("v view", "h history", "o begin", "k skip"))
        await seen.press("tab")
        await seen.until(lambda: not seen.table("items").has_focus and "v view" in rows(seen.app)[-1])
        await seen.press("v")
        await seen.until(lambda: seen.table("books").has_focus)


async def test_x_on_the_item_that_is_about_the_hand_over_leads_to_it() -> None:
    run = replace(books.MORNING, items=books.items((Step("Both have signed", screen=6), None)))
    lists = (replace(books.STANDINGS[0], run=run), *books.STANDINGS[1:])
    async with opened(replace(books.live(), checklists=lists)) as seen:
        await seen.says("x go")
        await seen.press("x")
        await seen.until(lambda: seen.table("handovers").has_focus)


async def test_without_anything_to_tick_the_arrows_move_through_the_lists() -> None:
    none = tuple(replace(standing, run=None) for standing in books.STANDINGS)
    async with opened(replace(books.live(), checklists=none)) as seen:
        first = seen.table("lists").selected
        await seen.press("down")
        assert seen.table("lists").selected != first
        await seen.press("v", "V")
        await seen.until(lambda: seen.table("lists").has_focus, "back among the lists")
        assert isinstance(seen.books.pane, ChecklistsPane)
