"""Keys of Security: what is filled in from where, and what may be done about a finding and what is in force."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from textual.pilot import Pilot

from console.domain.diagnosis import Sample
from console.domain.finding import Detector
from console.domain.log import LogLine
from console.domain.snapshot import Snapshot
from screens.action_detail import ActionDetail
from screens.aim import Aim, address_in, at_line, at_sample
from screens.dismiss_dialog import DismissDialog
from screens.logs import LogScreen
from screens.plan_dialog import PlanDialog
from screens.security import SecurityScreen
from tests.ui.drive import SIZES, QuietApp, rows, shown, until
from tests.ui.fixtures import actions
from tests.ui.fixtures.actions import AFFECTED, ATTACKER, VICTIM, ActionClerk
from tests.ui.fixtures.story import NOW
from tests.ui.test_action_dialog import SecurityApp
from widgets.field import Field
from widgets.key_row import key_label
from widgets.live_table import LiveTable


class Seen:
    """A running app on Security."""

    def __init__(self, app: QuietApp, pilot: Pilot[None], clerk: ActionClerk) -> None:
        self.app, self.pilot, self.clerk = app, pilot, clerk

    def table(self, name: str) -> LiveTable:
        return self.app.screen_stack[0].query_one(f"#{name}", LiveTable)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)

    async def until(self, condition: Any, what: str = "the condition") -> None:
        await until(self.pilot, condition, what)

    async def says(self, *parts: str) -> None:
        await self.until(lambda: all(part in shown(self.app) for part in parts), " and ".join(parts))

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
    async with opened(actions.nothing(), size=size, detectors=blind) as seen:
        await seen.says("? UNKNOWN: brute force can't run: auth_audit_log: permission denied")
        assert "NO OPEN ATTACK" not in shown(seen.app)
        seen.app.static._detectors = actions.DETECTORS
        seen.app.static.hint("finding")
        await seen.says("NO OPEN ATTACK", "watching: brute force")
    async with opened(actions.nothing(), size=size, detectors=()) as seen:
        await seen.says("? UNKNOWN: no detector has run yet: nobody watches")
    async with opened(size=size, detectors=blind) as seen:
        await seen.says("2 OPEN ATTACKS", "can't run")


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
        await seen.says(f"{who} may only look here")
        seen.table("findings").select("5")


async def test_a_dismissed_one_is_not_dismissed_again() -> None:
    async with opened() as seen:
        seen.table("findings").select("5")
        await seen.press("x")
        await seen.says("tess.w dismissed it already: our own load test")


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
    ],
)
def test_an_address_is_found_in_a_text(text: str, address: str) -> None:
    # A version of four numbers is an address like any other.
    assert address_in(text.replace("v2.14.4.1 then ", "")) == address


def test_a_sample_aims_at_its_user_and_the_address_of_its_lines() -> None:
    line = LogLine(1, NOW, "functions", "error", "execute-order", f"refused for {ATTACKER}")
    sample = Sample((("id", "o-1"), ("user", VICTIM), ("reason", "no price")), (line,))
    assert at_sample(sample) == Aim(ATTACKER, VICTIM, "order o-1: no price", "order o-1")
    assert at_line(replace(line, user=VICTIM)).user == VICTIM


@pytest.mark.parametrize("size", SIZES)
async def test_every_key_that_is_shown_here_works(size: str) -> None:
    async with opened(size=size) as seen:
        for path in ((), ("9",), ("enter",), ("escape", "v")):
            await seen.press(*path)
            await seen.pilot.pause()
            labels = seen.app.look.glyphs.keys
            working = {
                f"{key_label(active.binding, labels)} {active.binding.description}"
                for active in seen.app.screen.active_bindings.values()
                if active.enabled and active.binding.show
            }
            hints = set(re.split(r" {2,}", rows(seen.app)[-1].strip()))
            assert hints <= working and {"? help", "q quit"} < hints
