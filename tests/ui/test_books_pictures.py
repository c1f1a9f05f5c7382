"""Pictures of screen 6. Each was looked at before it was accepted."""

from collections.abc import Callable, Sequence

import pytest
from textual.pilot import Pilot

from console.domain.snapshot import Snapshot
from screens.books import BooksScreen
from tests.ui.drive import SIZES, until
from tests.ui.fixtures import books
from tests.ui.test_books_keys import BooksApp


def app_of(snapshot: Snapshot, **more: object) -> BooksApp:
    return BooksApp(books.feed(snapshot), **more)


def keys(*pressed: str) -> Callable[[Pilot[None]], object]:
    """Wait until what is read is drawn, press, wait again."""

    def read(pilot: Pilot[None]) -> bool:
        screen = next((s for s in pilot.app.screen_stack if isinstance(s, BooksScreen)), None)
        if screen is None:
            return False
        text = screen.handover._text or screen.pane is not screen.handover
        return bool(screen.runbooks and screen.handover._found and screen.duties._past.runs and text)

    async def settle(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: read(pilot), "the reading")
        for key in pressed:
            await pilot.press(key)
            await until(pilot, lambda: read(pilot), "the reading")
        await pilot.wait_for_scheduled_animations()
        await pilot.pause()

    return settle


@pytest.mark.parametrize("size", SIZES)
def test_checklists(snap_compare: Callable[..., bool], size: str) -> None:
    assert snap_compare(app_of(books.live()), run_before=keys(), terminal_size=SIZES[size])


def test_checklists_in_16_colours_and_ascii(snap_compare: Callable[..., bool]) -> None:
    app = app_of(books.live(), theme="16-colours", ascii=True)
    assert snap_compare(app, run_before=keys(), terminal_size=SIZES["120x40"])


def test_checklists_of_a_store_that_is_away(snap_compare: Callable[..., bool]) -> None:
    assert snap_compare(app_of(books.store_away()), run_before=keys(), terminal_size=SIZES["120x40"])


VIEWS: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "history": (["h"], ["80x24"]),
    "runbooks": (["v"], ["80x24", "120x40"]),
    "hand-over": (["v", "v"], ["80x24", "120x40"]),
    "note": (["n"], ["120x40"]),
    "start": (["v", "s"], ["80x24"]),
    "hand-over-dialog": (["v", "v", "w"], ["80x24"]),
}


@pytest.mark.parametrize(("view", "size"), [(view, size) for view in VIEWS for size in VIEWS[view][1]])
def test_view(snap_compare: Callable[..., bool], view: str, size: str) -> None:
    app = app_of(books.live())
    assert snap_compare(app, run_before=keys(*VIEWS[view][0]), terminal_size=SIZES[size])
