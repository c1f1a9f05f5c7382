"""Keys of Security: what is filled in from where, and what may be done about a finding and what is in force."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from console.domain.diagnosis import Sample
from console.domain.errors import StoreAway, TradexError
from console.domain.finding import Detector
from console.domain.log import LogLine
from console.domain.snapshot import Snapshot
from console.static_feed import StaticFeed
from screens import security
from screens.action_detail import ActionDetail
from screens.aim import Aim, address_in, at_line, at_sample
from screens.dismiss_dialog import DismissDialog
from screens.logs import LogScreen
from screens.plan_dialog import PlanDialog
from screens.security import SecurityScreen
from tests.ui import drive
from tests.ui.drive import SIZES, shown, until
from tests.ui.fixtures import actions
from tests.ui.fixtures.actions import AFFECTED, ATTACKER, VICTIM, ActionClerk
from tests.ui.fixtures.story import NOW
from tests.ui.test_action_dialog import SecurityApp
from widgets.field import Field
from widgets.live_table import LiveTable


class Seen(drive.Seen[ActionClerk]):
    """A running app on Security."""

    def table(self, name: str) -> LiveTable:
        return self.app.screen_stack[0].query_one(f"#{name}", LiveTable)

    async def request(self) -> tuple[Any, ...]:
        await self.until(lambda: self.clerk.of("request"))
        return self.clerk.of("request")[0]


@asynccontextmanager
async def opened(
    snapshot: Snapshot | None = None, *, size: str = "120x40", **more: Any
) -> AsyncIterator[Seen]:
    clerk = ActionClerk()
    app = SecurityApp(actions.feed(snapshot or actions.live(), desk=clerk, **more))
    async with app.run_test(size=SIZES[size]) as pilot:
        await until(pilot, lambda: isinstance(app.screen, SecurityScreen) and app.screen.focused)
        yield Seen(app, pilot, clerk)


async def test_8_shows_who_attacks_and_what_is_in_force() -> None:
    async with opened() as seen:
        await seen.says("2 OPEN ATTACKS", "2 blocks in force", "1 account suspended", "watching: brute force")
        assert seen.table("findings").keys == ["3", "4", "2", "1", "5"]
        await seen.says("203.0.113.7", "1,204", "2+", "◈ blocked", "dismissed", "B block ip 1d")
        await seen.says(
            "blocked addresses 2", "suspended accounts 1", "lifted within the hour 1", "1h 5m", "vercel ✗"
        )


@pytest.mark.parametrize("size", ["80x24", "160x50"])
async def test_it_fits_other_sizes(size: str) -> None:
    async with opened(size=size) as seen:
        await seen.says("OPEN ATTACKS", "203.0.113.7", "192.0.2.17", "In force")


@pytest.mark.parametrize("size", ["80x24", "120x40"])
async def test_a_detector_that_can_not_run_is_no_calm(size: str) -> None:
    blind = (Detector("brute_force", None, None, "auth_audit_log: permission denied"),)
    calm = actions.nothing()
    async with opened(replace(calm, detectors=blind), size=size) as seen:
        await seen.says("? UNKNOWN: brute force can't run: auth_audit_log: permission denied")
        assert "NO OPEN ATTACK" not in shown(seen.app)
        seen.app.static.publish(calm)
        await seen.says("NO OPEN ATTACK", "watching: brute force")
    async with opened(replace(calm, detectors=()), size=size) as seen:
        await seen.says("? UNKNOWN: no detector has run yet: nobody watches")
    async with opened(replace(actions.live(), detectors=blind), size=size) as seen:
        await seen.says("2 OPEN ATTACKS", "can't run")


async def test_before_anything_was_read_nothing_is_called_calm() -> None:
    calm = actions.nothing()
    async with opened(replace(calm, control=False, detectors=(), kinds=())) as seen:
        await seen.says("READING")
        assert "NO OPEN ATTACK" not in shown(seen.app)
        seen.app.static.publish(calm)
        await seen.says("NO OPEN ATTACK")


async def test_what_is_told_meanwhile_is_there_when_somebody_comes_back() -> None:
    calm = actions.nothing()
    async with opened() as seen:
        await seen.press("v", "v")
        await seen.says("1 account logged in")
        await seen.press("1")
        change = replace(actions.FINDING_HISTORY[3][0], text="2 accounts logged in")
        seen.app.static._finding_history = {3: (change,)}
        seen.app.static.hint("finding")
        await seen.press("8")
        await seen.says("2 accounts logged in")
        await seen.press("1")
        blind = (Detector("brute_force", None, None, "permission denied"),)
        seen.app.static.publish(replace(calm, detectors=blind))
        await seen.press("8")
        await seen.says("UNKNOWN: brute force can't run: permission denied")


def counted(feed: StaticFeed, name: str, error: TradexError | None = None) -> list[tuple[Any, ...]]:
    """What it is asked from here on; with `error` it can't answer."""
    asked: list[tuple[Any, ...]] = []
    answer = getattr(feed, name)

    async def count(*args: Any, **more: Any) -> Any:
        asked.append((*args, *more.values()))
        if error is not None:
            raise error
        return await answer(*args, **more)

    setattr(feed, name, count)
    return asked


async def test_what_is_behind_a_finding_is_read_once_on_opening_and_once_when_it_grows() -> None:
    feed = actions.feed(actions.live(), desk=ActionClerk())
    asked = counted(feed, "finding_history")
    app = SecurityApp(feed)
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await until(pilot, lambda: "87 failed log-ins" in shown(app) and asked)
        base, screen = actions.live(), app.screen
        assert isinstance(screen, SecurityScreen)
        await until(pilot, lambda: screen._past._timer is not None and not screen._past.is_other)
        screen._past._stayed()
        await pilot.pause()
        assert asked == [(3,)]
        feed.hint("finding")
        more = tuple(replace(f, count=99) if f.id == 3 else f for f in base.findings)
        feed.publish(replace(base, findings=more))
        await until(pilot, lambda: "99" in shown(app) and len(asked) > 1)
        screen._past._stayed()
        await pilot.pause()
        assert asked == [(3,), (3,)]


async def test_what_does_not_age_is_not_built_each_second(monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened() as seen:
        await seen.says("S suspends it")
        screen = seen.app.screen
        assert isinstance(screen, SecurityScreen)
        built: list[object] = []
        monkeypatch.setattr(security, "account_entries", lambda *args: built.append(args) or [])
        screen.second()
        assert not built
        seen.app.static.publish(replace(actions.live(), effects=()))
        await seen.until(lambda: built)


async def test_lines_that_can_not_be_read_are_said_and_tried_again() -> None:
    feed = actions.feed(actions.live(), desk=ActionClerk())
    read = feed.logs
    asked = counted(feed, "logs", StoreAway("connection reset"))
    app = SecurityApp(feed)
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await until(pilot, lambda: "what is behind it could not be read: connection reset" in shown(app))
        await pilot.press("v")
        await pilot.pause()
        assert "no line of the logs" not in shown(app) and len(asked) <= 3
        feed.logs = read  # type: ignore[method-assign]
        await pilot.press("1", "8")
        await until(pilot, lambda: "log-in refused: wrong e-mail" in shown(app))


async def test_a_cursor_that_nobody_moved_is_on_the_newest_attack_and_b_means_that() -> None:
    base = actions.live()
    old = replace(base, findings=base.findings[2:])
    async with opened(old) as seen:
        assert seen.table("findings").selected == "2"
        seen.app.static.publish(base)
        await seen.until(lambda: seen.table("findings").selected == "3")
        await seen.press("B")
        assert (await seen.request())[2] == ATTACKER
    async with opened(old) as seen:
        await seen.press("down")
        seen.app.static.publish(base)
        await seen.until(lambda: len(seen.table("findings").keys) == 5)
        assert seen.table("findings").selected == "1", "a row that was chosen stays chosen"


async def test_the_finding_under_the_cursor_is_told_with_its_accounts_lines_and_history() -> None:
    async with opened() as seen:
        await seen.says("87 failed log-ins of 3 accounts", "limit is 10", AFFECTED, "S suspends it")
        await seen.press("v")
        await seen.says("log-in refused: wrong e-mail or password")
        await seen.press("v")
        await seen.says("1 account logged in")
        seen.table("findings").select("5")
        await seen.says("by tess.w: our own load test")


async def test_s_suspends_who_got_in_and_in_the_list_of_accounts_that_one() -> None:
    async with opened() as seen:
        await seen.press("S")
        await seen.until(lambda: isinstance(seen.app.screen, PlanDialog))
        assert (await seen.request())[1:3] == ("suspend_account", AFFECTED)
    async with opened() as seen:
        seen.table("accounts").focus()
        seen.table("accounts").select(VICTIM)
        await seen.press("S")
        assert (await seen.request())[2] == VICTIM


async def test_u_lifts_what_is_in_force() -> None:
    async with opened() as seen:
        seen.table("force").focus()
        seen.table("force").select("31")
        await seen.press("u")
        await seen.until(lambda: isinstance(seen.app.screen, PlanDialog))
        await seen.press(*"over", "enter")
        _, kind, target, _, more = await seen.request()
        assert (kind, target, more["undo_of"]) == ("unblock_ip", "192.0.2.17", 8)
    async with opened() as seen:
        await seen.press("u")
        await seen.says("nothing of this is in force")
        seen.table("findings").select("2")
        await seen.press("u")
        await seen.until(lambda: isinstance(seen.app.screen, PlanDialog))
        assert seen.app.screen.query_one("#p-network", Field).value == "192.0.2.17"


async def test_u_on_an_account_reinstates_it() -> None:
    async with opened() as seen:
        seen.table("force").focus()
        seen.table("force").select("29")
        await seen.press("u", *"cleared", "enter")
        _, kind, target, params, _ = await seen.request()
        assert (kind, target, params) == (
            *("reinstate_account", "mallory@example.com"),
            {"account": "mallory@example.com"},
        )


async def test_u_in_the_list_of_accounts_reinstates_the_one_under_the_cursor() -> None:
    base = actions.live()
    theirs = replace(base.effects[2], target=AFFECTED)
    async with opened(replace(base, effects=(theirs, *base.effects))) as seen:
        accounts = seen.table("accounts")
        accounts.focus()
        accounts.select(AFFECTED)
        await seen.says("◈ 0d9c4a52", "suspended")
        await seen.press("u", *"cleared", "enter")
        _, kind, target, _, more = await seen.request()
        assert (kind, target, more["undo_of"]) == ("reinstate_account", AFFECTED, theirs.action_id)
        await seen.press("escape")
        await seen.until(lambda: isinstance(seen.app.screen, SecurityScreen))
        accounts.select(VICTIM)
        await seen.press("u")
        await seen.says("nothing of this is in force")


@pytest.mark.parametrize("size", ["80x24", "120x40"])
async def test_what_is_in_force_is_counted_where_it_does_not_fit(size: str) -> None:
    async with opened(size=size) as seen:
        await seen.says("1 of 4: 3 in force")
        seen.table("force").focus()
        await seen.press("end")
        await seen.says("4 of 4: 3 in force")


async def test_enter_on_what_is_in_force_opens_its_action() -> None:
    async with opened() as seen:
        seen.table("force").focus()
        seen.table("force").select("31")
        await seen.press("enter")
        await seen.until(lambda: isinstance(seen.app.screen, ActionDetail))
        assert seen.app.screen.action.id == 8  # type: ignore[attr-defined]


async def test_a_finding_is_dismissed_with_a_reason() -> None:
    async with opened() as seen:
        await seen.press("x")
        await seen.until(lambda: isinstance(seen.app.screen, DismissDialog))
        await seen.press("enter", "y")
        await seen.says("a reason is required")
        assert not seen.clerk.asked
        await seen.press(*"our test", "enter", "y")
        await seen.until(lambda: seen.clerk.of("dismiss"))
        assert seen.clerk.of("dismiss") == [("dismiss", 3, "our test")]
        await seen.says("dismissed: 203.0.113.7")


@pytest.mark.parametrize(("who", "role"), [("vera", "viewer"), ("ops", "none")])
async def test_who_may_only_look_can_not_dismiss(who: str, role: str) -> None:
    async with opened(actions.as_person(actions.live(), who, role)) as seen:
        await seen.press("x")
        await seen.says(f"{who} is a {role} and may only look: that takes a responder")
        assert isinstance(seen.app.screen, SecurityScreen) and not seen.clerk.asked


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ({"read_only": True}, "this console is read-only"),
        ({"away": "connection refused"}, "the store is away"),
    ],
)
async def test_where_nothing_can_be_written_nothing_is_dismissed(link: dict[str, Any], words: str) -> None:
    base = actions.live()
    async with opened(replace(base, link=replace(base.link, **link))) as seen:
        await seen.press("x")
        await seen.says(words)
        assert isinstance(seen.app.screen, SecurityScreen) and not seen.clerk.asked


async def test_a_dismissed_one_is_not_dismissed_again() -> None:
    async with opened() as seen:
        seen.table("findings").select("5")
        await seen.press("x")
        await seen.says("tess.w dismissed it already: our own load test")


async def test_an_account_without_a_name_is_told_by_the_beginning_of_its_id_and_whole_under_the_cursor() -> (
    None
):
    base = actions.live()
    named = replace(base.findings[0], users=("mia@example.com", VICTIM, AFFECTED))
    async with opened(replace(base, findings=(named, *base.findings[1:]))) as seen:
        accounts = seen.table("accounts")
        await seen.until(lambda: accounts.keys == [AFFECTED, "mia@example.com", VICTIM])
        await seen.says("mia@example.com", "0d9c4a52  ", "7f3a1b52  ", f"{AFFECTED} ─╯")
        assert VICTIM not in shown(seen.app)
        accounts.select(VICTIM)
        await seen.says(f"{VICTIM} ─╯")
        assert AFFECTED not in shown(seen.app)
        accounts.focus()
        await seen.press("S")
        assert (await seen.request())[2] == VICTIM
        await seen.press("escape")
        accounts.select("mia@example.com")
        await seen.until(lambda: VICTIM not in shown(seen.app))


async def test_without_room_enter_goes_deeper_and_escape_comes_back() -> None:
    async with opened(size="80x24") as seen:
        await seen.press("enter")
        await seen.until(lambda: seen.table("accounts").has_focus)
        await seen.says("only tried 2: nobody got in")
        await seen.press("escape")
        await seen.until(lambda: seen.table("findings").has_focus)
        assert not seen.app.screen.has_class("-deep")


# From elsewhere


async def test_b_and_s_on_a_line_of_the_log_are_filled_in_from_it() -> None:
    async with opened() as seen:
        await seen.press("l")
        await seen.until(
            lambda: isinstance(seen.app.screen, LogScreen) and "log-in refused" in shown(seen.app)
        )
        await seen.press("B")
        _, kind, target, _, more = await seen.request()
        assert (kind, target) == ("block_ip", ATTACKER)
        assert "auth log 03:12:41: log-in refused" in more["reason"] and more["cause"] == "log line 503"
        await seen.press("escape")
        await seen.until(lambda: isinstance(seen.app.screen, LogScreen))
        await seen.press("S")
        await seen.until(lambda: len(seen.clerk.of("request")) == 2)
        assert seen.clerk.of("request")[1][1:3] == ("suspend_account", VICTIM)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("from 203.0.113.7: refused", "203.0.113.7"),
        ("[2001:db8:1:2::7] said 12:30:45", "2001:db8:1:2::/64"),
        ("at 03:12:44 nothing 1.2.3", ""),
        ("v2.14.4.1 then 10.0.0.300 and 198.51.100.23.", "198.51.100.23"),
        ("::ffff:203.0.113.9 mapped", "203.0.113.9"),
        ("v2.14.4.1.9, client:203.0.113.9", "203.0.113.9"),
    ],
)
def test_an_address_is_found_in_a_text(text: str, address: str) -> None:
    assert address_in(text) == address


def test_a_sample_aims_at_its_user_and_the_address_of_its_lines() -> None:
    line = LogLine(1, NOW, "functions", "error", "execute-order", f"refused for {ATTACKER}")
    sample = Sample((("id", "o-1"), ("user", VICTIM), ("reason", "no price")), (line,))
    assert at_sample(sample) == Aim(ATTACKER, VICTIM, "order o-1: no price", "order o-1")
    assert at_line(replace(line, user=VICTIM)).user == VICTIM
