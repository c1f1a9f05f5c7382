"""The war-room on a real store: a console of one person, and what another one does meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from console.app import TradexApp
from console.domain.book import Done
from console.domain.check import CheckResult, CheckStatus
from console.domain.errors import TradexError
from console.domain.incident import Entry, Role
from console.feed import LiveFeed
from console.processes.postgres import EmbeddedPostgres
from console.store import checks, incidents, presences
from console.store.pool import Store
from screens.incident import IncidentScreen
from screens.note_dialog import NoteDialog
from tests.conftest import NewDatabase
from tests.demo import TRADEX
from tests.incidents.rooms import leading, look, published, told
from tests.store.stores import Place, password_of, upgraded
from tests.terminal import Terminal
from tests.ui.drive import shown, until


@pytest.fixture(scope="module")
def place(postgres: EmbeddedPostgres, session_database: NewDatabase) -> Place:
    return Place(postgres, session_database(postgres, template=upgraded(postgres, session_database)))


@pytest.fixture
async def bob(place: Place) -> AsyncIterator[Store]:
    async with place.open("bob") as store:
        yield store


class WarRoom(TradexApp):
    DEFAULT_MODE = "incident"

    def __init__(self, place: Place, drafts: Path) -> None:
        feed = LiveFeed(place.url_of("alice"), user="alice", password=password_of("alice"))
        super().__init__(feed, theme="dark", bell=False, drafts=drafts)
        self.rung = 0

    def _ring(self) -> None:
        self.rung += 1


async def says(app: WarRoom, pilot: Pilot[None], *parts: str) -> None:
    await until(pilot, lambda: all(part in shown(app) for part in parts), " and ".join(parts))


async def test_two_people_work_on_one_incident(place: Place, bob: Store, tmp_path: Path) -> None:
    await published(place)
    number = await incidents.open_by_hand(bob, "orders fail", 2, runbook="order-execution-failure")
    await incidents.set_role(bob, number, Role.COMMANDER, "bob")
    book = (await look(bob, number)).runbooks[0].id
    app = WarRoom(place, tmp_path)
    async with app.run_test(size=(120, 40)) as pilot:
        await says(app, pilot, "SEV2", f"INC-{number}", "Orders fail", "commander  bob", "Look at the health")
        room = app.screen
        assert isinstance(room, IncidentScreen)
        # What bob does is here at once.
        await incidents.mark(bob, number, book, 1, Done.DONE)
        await incidents.add_note(bob, number, "first\n\n@alice look", key="k1")
        await says(app, pilot, "[✓] 1 Look at the health", "1 of 4 done", "bob calls you", "note+  first")
        assert app.rung == 1
        # What alice does is told to everybody, with her name.
        await pilot.press("down", "space")
        await says(app, pilot, "2 of 4 done", "alice ")
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, NoteDialog) and app.screen._is_open)
        await pilot.press(*"it was me", "ctrl+s")
        await says(app, pilot, "it was me", "the note is on the timeline")
        assert not list(tmp_path.iterdir())  # noqa: ASYNC240
        # Both say the same: the second one is told who was first.
        await incidents.mark(bob, number, book, 3, Done.DONE)
        with pytest.raises(TradexError):
            await incidents.mark(bob, number, book, 2, Done.DONE)
        # She is there, and goes where bob goes.
        await until(pilot, lambda: app.following._told is not None and not app.following._beating)
        assert [each.person for each in await presences.present(bob, number)] == ["alice"]
        await says(app, pilot, "war room")
        await pilot.press("f")
        await says(app, pilot, "following bob")
        await presences.beat(bob, number, screen=4)
        await until(pilot, lambda: app.current_mode == "alerts", "the way of bob")
        await pilot.press("f", "5")
        await until(pilot, lambda: app.screen is room)
        await says(app, pilot, "bob on 4")
        await incidents.close(bob, number, "a bad release")
        await says(app, pilot, "closed", "✓ resolved")
    kinds = [entry.event.kind for entry in await told(bob, number)]
    assert kinds.count("join") == 2 and kinds.count("note") == 2 and kinds.count("step") == 3


async def test_a_check_that_is_asked_for_comes_to_its_row_on_every_console(
    place: Place, bob: Store, tmp_path: Path
) -> None:
    await published(place)
    await incidents.open_by_hand(bob, "orders may be lost", 1, runbook="order-execution-failure")
    app = WarRoom(place, tmp_path)
    async with app.run_test(size=(160, 50)) as pilot, leading(place) as (store, lease):
        await says(app, pilot, "orders may be lost", "Test it", " x  check")
        await pilot.press("end", "x")
        await says(app, pilot, "the agent was asked to check db.backups", "asked │")
        run = await checks.due(store, lease)
        assert run is not None and (run.occasion, run.by) == ("pre", "alice")
        assert await checks.start(store, lease, run.id, 2)
        await says(app, pilot, "checking 0/2")
        result = CheckResult(
            "db.backups", "Backups", "database", CheckStatus.FAILED, "none since Monday", 3.0
        )
        await checks.put(store, lease, run.id, 1, result)
        await says(
            app, pilot, "Test it  none since Monday", "failed", "Backups: failed", "ago: none since Monday"
        )
        # Whoever comes later finds it there.
        other = WarRoom(place, tmp_path)
        async with other.run_test(size=(160, 50)) as later:
            await says(other, later, "Test it  none since Monday", "failed")
        await checks.end(store, lease, run.id, "")
        await checks.ask(bob, "pre")
        await says(app, pilot, "asked │")
        run = await checks.due(store, lease)
        assert run is not None and run.by == "bob"
        await checks.end(store, lease, run.id, "the agent can't reach the platform")
        await says(app, pilot, "Test it  the agent can't reach the platform", "no result")


async def test_a_console_that_is_killed_in_the_middle_of_a_note_has_it_when_it_comes_back(
    place: Place, bob: Store, tmp_path: Path
) -> None:
    number = await incidents.open_by_hand(bob, "prices stand still", 1)
    env = {
        "TRADEX_STORE__URL": place.url_of("alice"),
        "TRADEX_STORE__PASSWORD": password_of("alice"),
        "TRADEX_STATE_DIR": str(tmp_path / "state"),
        "XDG_CONFIG_HOME": str(tmp_path / "no config"),
        "LC_ALL": "C.UTF-8",
    }

    def opened(terminal: Terminal, line: str) -> None:
        terminal.wait_for("Components")
        terminal.send("5")
        terminal.wait_for(line)
        terminal.send("n")
        terminal.wait_for("Save note")

    def written() -> None:
        with Terminal(TRADEX, env=env) as terminal:
            opened(terminal, "note to timeline")
            terminal.send("the provider says\rthat it is them")
            terminal.wait_for("that it is them")
            terminal.process.kill()
            terminal.process.wait(10)

    def kept() -> None:
        with Terminal(TRADEX, env=env) as terminal:
            opened(terminal, "a draft waits")
            terminal.wait_for(lambda text: "the provider says" in text and "that it is them" in text)
            terminal.send("\x13")
            terminal.wait_for("the note is on the timeline")

    def notes(found: list[Entry]) -> list[str]:
        return [entry.body for entry in found if entry.event.kind == "note"]

    await asyncio.to_thread(written)
    assert notes(await told(bob, number)) == []
    await asyncio.to_thread(kept)
    assert notes(await told(bob, number)) == ["the provider says\nthat it is them"]
    assert list((tmp_path / "state").rglob("*INC-*.json")) == [], "what is sent is no draft any more"
