"""The dialog before an action: what it asks the agent for, what it shows, and what a person can and can't confirm."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from textual import events

from console.domain.action import Action, ActionState, Guard, Parameter, Plan, PlannedStep
from console.domain.errors import Refused
from console.domain.snapshot import AgentState, Snapshot
from console.store.actions import Asked
from screens.plan_dialog import PlanDialog
from screens.plan_lines import PlanView, plan_lines
from screens.security import SecurityScreen
from screens.while_dialogs import freeze
from tests.ui import drive
from tests.ui.drive import SIZES, QuietApp, at_once, rows, shown, until
from tests.ui.fixtures import actions
from tests.ui.fixtures.actions import ATTACKER, BLOCK_PLAN, FROZEN, HASH, SUSPEND_PLAN, ActionClerk
from tests.ui.fixtures.story import NOW
from themes.palette import DARK
from widgets.field import Field
from widgets.glyphs import UNICODE
from widgets.look import Look


class SecurityApp(QuietApp):
    DEFAULT_MODE = "security"


class Seen(drive.Seen[ActionClerk]):
    """A running app with its dialog."""

    @property
    def dialog(self) -> PlanDialog:
        assert isinstance(self.app.screen, PlanDialog)
        return self.app.screen

    @property
    def open(self) -> bool:
        return isinstance(self.app.screen, PlanDialog)

    async def planned(self, number: int = 40, plan: Plan = BLOCK_PLAN, **more: Any) -> None:
        """The agent's plan arrives, and the store's guards with it."""
        await self.until(lambda: self.dialog.asking.number == number, "the request's answer")
        self.app.static.publish(actions.planned(self.app.static.snapshot, number, plan, **more))
        await self.until(lambda: self.dialog.asking.guards, "the guards")
        await self.pilot.pause()

    def becomes(self, number: int, **changes: Any) -> None:
        """The action is something else by now."""
        snapshot = self.app.static.snapshot
        found: Sequence[Action] = [replace(a, **changes) if a.id == number else a for a in snapshot.actions]
        self.app.static.publish(replace(snapshot, actions=tuple(found)))


@asynccontextmanager
async def opened(
    *keys: str, snapshot: Snapshot | None = None, size: str = "120x40", clerk: ActionClerk | None = None
) -> AsyncIterator[Seen]:
    """On Security, with the cursor on the open finding; then `keys`."""
    clerk = clerk or ActionClerk()
    app = SecurityApp(actions.feed(snapshot or actions.live(), desk=clerk))
    async with app.run_test(size=SIZES[size]) as pilot:
        await until(pilot, lambda: isinstance(app.screen, SecurityScreen) and app.screen.focused)
        seen = Seen(app, pilot, clerk)
        if keys:
            await seen.press(*keys)
        yield seen


# Asking


async def test_b_on_a_finding_asks_for_a_plan_at_once_and_shows_it_when_it_comes() -> None:
    async with opened("B") as seen:
        await seen.until(lambda: seen.clerk.of("request"))
        _, kind, target, params, more = seen.clerk.of("request")[0]
        assert (kind, target) == ("block_ip", ATTACKER)
        assert params == {"network": ATTACKER, "length": "24h"}
        assert more["cause"] == "finding 3" and "87 failed log-ins" in more["reason"]
        assert "the agent asks the platform" in shown(seen.app)
        await seen.planned()
        text = shown(seen.app)
        for part in (
            *("refuse 203.0.113.7 at the platform's functions", "vercel", "users who logged in in 24 h"),
            *("guards  7 of 7 passed", "not private, not reserved", "ops_rw is a responder"),
            *(
                "PRODUCTION",
                "15 Mar 03:12:47 UTC",
                "tradex block-ip 203.0.113.7 --for 24h",
                "Block 203.0.113.7",
            ),
        ):
            assert part in text, part


async def test_y_confirms_the_plan_that_was_shown_and_it_is_said() -> None:
    async with opened("B") as seen:
        await seen.planned()
        await seen.press("y")
        await seen.until(lambda: not seen.open)
        assert seen.clerk.of("confirm") == [
            ("confirm", 40, {"plan_hash": HASH, "typed": "", "choices": {}, "override": ""})
        ]
        assert not seen.clerk.of("withdraw")
        await seen.until(lambda: "action 40, block-ip 203.0.113.7: confirmed" in shown(seen.app))


async def test_nothing_can_be_confirmed_before_the_plan_is_there() -> None:
    async with opened("B") as seen:
        await seen.press("y", "B")
        await seen.until(lambda: "its plan is not there yet" in shown(seen.app))
        assert not seen.clerk.of("confirm")
        await seen.planned()
        await seen.press("B", "b", "enter")
        await seen.until(lambda: not seen.open)
        assert not seen.clerk.of("confirm"), "neither the key that opened it nor enter acts"


@pytest.mark.parametrize("key", ["enter", "escape"])
async def test_leaving_withdraws_what_nobody_confirmed(key: str) -> None:
    async with opened("B") as seen:
        await seen.planned()
        await seen.press(key)
        await seen.until(lambda: not seen.open)
        await seen.until(lambda: seen.clerk.of("withdraw"))
        assert seen.clerk.of("withdraw")[0][1] == 40


async def test_a_request_that_is_answered_after_somebody_left_is_withdrawn_too() -> None:
    clerk = ActionClerk(wait=asyncio.Event())
    async with opened("B", clerk=clerk) as seen:
        await seen.until(lambda: clerk.of("request"))
        await seen.press("escape")
        await seen.until(lambda: not seen.open)
        assert not clerk.of("withdraw")
        assert clerk.wait is not None
        clerk.wait.set()
        await seen.until(lambda: clerk.of("withdraw"))
        assert clerk.of("withdraw")[0][1] == 40


async def test_what_somebody_else_asked_for_is_joined_and_never_withdrawn() -> None:
    clerk = ActionClerk()
    clerk.told = "nora.k asked for this already: it is action 40, planned"
    async with opened("B", clerk=clerk) as seen:
        await seen.planned()
        await seen.press("escape")
        await seen.until(lambda: not seen.open)
        await seen.pilot.pause()
        assert not clerk.of("withdraw")


async def test_what_is_under_way_already_is_said_and_can_not_be_confirmed() -> None:
    clerk = ActionClerk()
    clerk.told = "nora.k asked for this already: it is action 40, planned"
    async with opened("B", clerk=clerk) as seen:
        await seen.until(lambda: seen.dialog.asking.number == 40)
        running = actions.action(40, "block_ip", ATTACKER, ActionState.RUNNING, "03:12:00")
        snapshot = seen.app.static.snapshot
        seen.app.static.publish(replace(snapshot, actions=(running, *snapshot.actions)))
        words = "nora.k asked for this already: it is action 40"
        await seen.until(lambda: f"✗ {words}; 9 shows how it goes" in shown(seen.app))
        assert "enter cancels" in shown(seen.app) and "y block" not in shown(seen.app)
        await seen.press("y")
        await seen.until(lambda: f"▲ {words} " in shown(seen.app))
        assert "planned" not in shown(seen.app) and "running: " not in shown(seen.app)
        assert not clerk.of("confirm")


async def test_another_length_is_another_wish_and_asks_anew() -> None:
    async with opened("B") as seen:
        await seen.planned()
        await seen.press("l", "ctrl+u", *"2h")
        await seen.until(lambda: seen.dialog.query_one("#p-length", Field).value == "2h")
        await seen.press("tab")
        seen.dialog.query_one("#buttons").focus()
        await seen.press("y")
        await seen.until(lambda: "something else is written by now" in shown(seen.app))
        assert not seen.clerk.of("confirm")
        await seen.press("l", "enter")
        await seen.until(lambda: len(seen.clerk.of("request")) == 2)
        assert seen.clerk.of("request")[1][3] == {"network": ATTACKER, "length": "2h"}
        await seen.until(lambda: seen.clerk.of("withdraw"))
        assert seen.clerk.of("withdraw")[0][1] == 40, "the plan before is withdrawn"
        await seen.planned(41)
        await seen.press("y")
        await seen.until(lambda: seen.clerk.of("confirm"))
        assert seen.clerk.of("confirm")[0][1] == 41


async def test_a_wish_that_comes_back_does_not_take_the_answer_to_the_one_before() -> None:
    clerk = ActionClerk(wait=asyncio.Event())
    joined = Asked(40, "ops_rw asked for this already: it is action 40, planning")
    clerk.answers = [Asked(40, ""), Asked(41, ""), joined, Asked(42, "")]
    async with opened("B", clerk=clerk) as seen:
        await seen.until(lambda: len(clerk.of("request")) == 1)
        for count, length in ((2, "2h"), (3, "24h")):
            await seen.press("l", "ctrl+u", *length, "enter")
            await seen.until(lambda count=count: len(clerk.of("request")) == count)
        assert clerk.wait is not None
        clerk.wait.set()
        await seen.until(lambda: [call[1] for call in clerk.of("withdraw")] == [40, 41])
        await seen.until(lambda: seen.dialog.asking.number == 40)
        more = {"state": ActionState.CANCELLED, "words": "withdrawn", "ended_at": NOW}
        seen.app.static.publish(actions.planned(seen.app.static.snapshot, 40, BLOCK_PLAN, **more))
        await seen.planned(42)
        await seen.press("escape")
        await seen.until(lambda: [call[1] for call in clerk.of("withdraw")] == [40, 41, 42])


async def test_a_kind_of_more_parameters_than_letters_can_be_asked_for() -> None:
    base = actions.live()
    more = tuple(Parameter(f"extra-{i}", f"Extra {i}", required=False) for i in range(30))
    kinds = tuple(replace(k, parameters=(*k.parameters, *more)) for k in base.kinds)
    async with opened("B", snapshot=replace(base, kinds=kinds)) as seen:
        await seen.planned()
        assert seen.dialog.query_one("#p-extra-29", Field)


async def test_the_same_text_again_asks_for_nothing() -> None:
    async with opened("B") as seen:
        await seen.planned()
        await seen.press("l", "enter", "r", "enter")
        await seen.pilot.pause()
        assert len(seen.clerk.of("request")) == 1


async def test_without_a_row_a_small_form_asks_and_enter_leads_to_what_is_missing() -> None:
    async with opened() as seen:
        await seen.press("1")
        await seen.until(lambda: type(seen.app.screen).__name__ == "HealthScreen")
        await seen.press("B")
        await seen.until(lambda: seen.open)
        network = seen.dialog.query_one("#p-network", Field)
        await seen.until(lambda: network.has_focus)
        await seen.press(*"192.0.2.9", "enter")
        await seen.until(lambda: seen.dialog.query_one("#reason", Field).has_focus)
        assert not seen.clerk.of("request")
        await seen.press(*"scans", "enter")
        await seen.until(lambda: seen.clerk.of("request"))
        _, _, target, params, more = seen.clerk.of("request")[0]
        assert (target, params["network"], more["reason"], more["cause"]) == (
            "192.0.2.9",
            "192.0.2.9",
            "scans",
            "",
        )


async def test_what_is_typed_while_the_dialog_opens_arrives_in_its_field() -> None:
    for burst in (True, False):
        async with opened() as seen:
            await seen.press("1")
            await seen.until(lambda: type(seen.app.screen).__name__ == "HealthScreen")
            keys = ("B", "2", "0", "3")
            if burst:
                at_once(seen.app, *keys)
            else:
                await seen.press(*keys)
            await seen.until(lambda: seen.open)
            network = seen.dialog.query_one("#p-network", Field)
            await seen.until(lambda: network.value == "203")  # noqa: B023
            assert type(seen.app.screen_stack[0]).__name__ == "HealthScreen"
            await seen.press(*".0.113.7", "enter", "x", "enter")
            await seen.until(lambda: seen.clerk.of("request"))
            assert seen.clerk.of("request")[0][2] == "203.0.113.7"


async def test_a_key_that_leads_to_a_field_takes_effect_before_the_next_one() -> None:
    async with opened() as seen:
        at_once(seen.app, "B", "r", "!", "y", "q")
        await seen.until(lambda: seen.open)
        reason = seen.dialog.query_one("#reason", Field)
        await seen.until(lambda: reason.value.endswith("!yq"))
        assert not seen.clerk.of("confirm")


async def test_what_is_pasted_while_the_dialog_opens_arrives_too() -> None:
    async with opened() as seen:
        await seen.press("1")
        await seen.until(lambda: type(seen.app.screen).__name__ == "HealthScreen")
        at_once(seen.app, "B")
        await seen.until(lambda: seen.open)
        assert seen.app._driver is not None
        seen.app._driver.send_message(events.Paste("203.0.113.7"))
        at_once(seen.app, "0")
        await seen.until(lambda: seen.dialog.query_one("#p-network", Field).value == "203.0.113.70")


async def test_what_is_typed_right_after_enter_goes_to_the_field_that_enter_leads_to() -> None:
    async with opened() as seen:
        await seen.press("1")
        await seen.until(lambda: type(seen.app.screen).__name__ == "HealthScreen")
        await seen.press("B")
        await seen.until(lambda: seen.open and isinstance(seen.dialog.focused, Field))
        at_once(seen.app, *"192.0.2.9", "enter", *"it scans", "tab", *"y")
        reason, network = seen.dialog.query_one("#reason", Field), seen.dialog.query_one("#p-network", Field)
        await seen.until(lambda: seen.dialog._is_open and reason.value)
        assert (network.value, reason.value) == ("192.0.2.9", "it scans"), "and tab leads on from there"


async def test_escape_at_once_cancels_and_what_comes_after_it_is_dropped() -> None:
    async with opened() as seen:
        at_once(seen.app, "B", "escape")
        await seen.until(lambda: seen.clerk.of("withdraw"))
        assert isinstance(seen.app.screen, SecurityScreen)


# What a plan wants


async def test_a_typed_target_must_be_equal() -> None:
    plan = replace(BLOCK_PLAN, typed="203.0.113.7")
    async with opened("B") as seen:
        await seen.planned(plan=plan)
        await seen.says("w type it   type: 203.0.113.7 ")
        # Nobody has to look for the field.
        await seen.until(lambda: seen.dialog.query_one("#typed", Field).has_focus)
        await seen.press(*"203.0.113.70", "enter", "y")
        await seen.until(lambda: seen.dialog.query_one("#typed", Field).has_focus)
        assert not seen.clerk.of("confirm")
        await seen.press("backspace", "enter", "y")
        await seen.until(lambda: seen.clerk.of("confirm"))
        assert seen.clerk.of("confirm")[0][2]["typed"] == "203.0.113.7"


async def test_a_choice_is_made_explicitly_and_goes_along() -> None:
    async with opened("S") as seen:
        await seen.until(lambda: seen.clerk.of("request"))
        assert seen.clerk.of("request")[0][1:3] == ("suspend_account", actions.AFFECTED), (
            "who got in is filled in"
        )
        plan = replace(SUSPEND_PLAN, typed="")
        await seen.planned(plan=plan, kind="suspend_account", target=actions.AFFECTED)
        await seen.says("1) 2 open positions, 1 pending order: ", "(not chosen): 1 goes through them")
        await seen.press("y")
        await seen.until(lambda: "decide first: 2 open positions, 1 pending order (1)" in shown(seen.app))
        await seen.press("1", "1")
        await seen.until(lambda: "don't suspend it now" in shown(seen.app))
        await seen.press("1")
        await seen.until(lambda: "they stay open" in shown(seen.app))
        assert "(not chosen)" not in shown(seen.app)
        await seen.press("y")
        await seen.until(lambda: seen.clerk.of("confirm"))
        assert seen.clerk.of("confirm")[0][2]["choices"] == {"positions": "keep"}


@pytest.mark.parametrize("size", ["80x24", "120x40"])
async def test_the_key_that_confirms_is_shown_however_long_the_target_is(size: str) -> None:
    async with opened("S", size=size) as seen:
        await seen.until(lambda: seen.clerk.of("request"))
        await seen.planned(plan=SUSPEND_PLAN, kind="suspend_account", target=actions.AFFECTED)
        await seen.says("y suspend")


async def test_a_refused_plan_offers_only_to_leave() -> None:
    async with opened("B") as seen:
        await seen.until(lambda: seen.clerk.of("request"))
        more = {"state": ActionState.REFUSED, "words": "it is on the allow list", "ended_at": NOW}
        seen.app.static.publish(actions.planned(seen.app.static.snapshot, 40, BLOCK_PLAN, **more))
        await seen.until(lambda: "refused: it is on the allow list" in shown(seen.app))
        assert "enter cancels" in shown(seen.app) and "y block" not in shown(seen.app)


async def test_a_freeze_stops_a_responder() -> None:
    clerk = ActionClerk()
    clerk.guards = (FROZEN,)
    async with opened("B", clerk=clerk) as seen:
        await seen.planned()
        await seen.press("y")
        await seen.until(lambda: "only a commander may override this: frozen" in shown(seen.app))
        assert "y block" not in shown(seen.app), "a key that can't act is not offered"
        await seen.says("by tess.w: quarter end; a", "commander may override it")
        assert not seen.dialog.query_one("#override-field").display, "nor is a field"
        assert not clerk.of("confirm")


async def test_a_freeze_is_overridden_by_a_commander_with_a_reason() -> None:
    clerk = ActionClerk()
    clerk.guards = (FROZEN,)
    commander = actions.as_person(actions.live(), "bob", "commander")
    async with opened("B", clerk=clerk, snapshot=commander) as seen:
        await seen.planned()
        assert "y block" in shown(seen.app) and "may override" not in shown(seen.app)
        await seen.press("y")
        await seen.until(lambda: seen.dialog.query_one("#override", Field).has_focus)
        await seen.press(*"it attacks", "enter", "y")
        await seen.until(lambda: clerk.of("confirm"))
        assert clerk.of("confirm")[0][2]["override"] == "it attacks"


async def test_a_second_person_is_named_before_and_said_after() -> None:
    clerk = ActionClerk()
    clerk.approval = "wider than /24"
    async with opened("B", clerk=clerk) as seen:
        await seen.planned()
        await seen.until(lambda: "wider than /24; approved by any commander but ops_rw" in shown(seen.app))
        clerk.wait = asyncio.Event()
        await seen.press("y")
        await seen.until(lambda: clerk.of("confirm"))
        seen.becomes(40, state=ActionState.CONFIRMED, needs_approval="wider than /24")
        clerk.wait.set()
        await seen.until(lambda: not seen.open)
        await seen.says("action 40, block-ip 203.0.113.7: waits for a second person")


async def test_a_refusal_of_the_store_stays_in_one_line_and_the_dialog_stays() -> None:
    async with opened(
        "B", clerk=ActionClerk(error=Refused("vera is a viewer: block_ip takes a responder"))
    ) as seen:
        await seen.until(lambda: "takes a responder" in shown(seen.app))
        assert seen.open
        await seen.press("y")
        assert not seen.clerk.of("confirm")


async def test_a_refusal_of_the_agent_says_the_guards_words() -> None:
    async with opened("B") as seen:
        await seen.planned()
        seen.becomes(40, state=ActionState.REFUSED, words="10.0.0.0/8 is a private range", ended_at=NOW)
        await seen.until(lambda: "refused: 10.0.0.0/8 is a private range" in shown(seen.app))
        await seen.press("y")
        assert not seen.clerk.of("confirm")


async def test_a_plan_that_is_too_old_is_not_confirmed() -> None:
    async with opened("B") as seen:
        await seen.planned()
        seen.becomes(40, plan_expires_at=NOW - timedelta(seconds=1))
        await seen.press("y")
        await seen.until(lambda: "the plan is too old" in shown(seen.app))
        assert not seen.clerk.of("confirm")


async def test_without_an_agent_it_says_so_and_nothing_can_be_confirmed() -> None:
    gone = replace(actions.live(), agent=AgentState(None, 41, NOW, 5.0))
    async with opened("B", snapshot=gone) as seen:
        await seen.until(lambda: "no agent leads: nobody can plan it" in shown(seen.app))
        await seen.press("y")
        assert not seen.clerk.of("confirm")


# Who may ask


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"user": "vera", "role": "viewer"}, "▲ vera is a viewer and may only look: that takes a responder"),
        ({"user": "alice", "role": "responder", "read_only": True}, "this console is read-only"),
        ({"user": "alice", "role": "responder", "away": "connection refused"}, "the store is away"),
    ],
)
async def test_a_key_that_can_not_act_says_why(change: dict[str, Any], words: str) -> None:
    for key in "BSM":
        snapshot = actions.as_person(actions.live(), **change)
        async with opened(key, snapshot=snapshot, size="80x24") as seen:
            await seen.until(lambda: words in shown(seen.app))
            assert not seen.open and not seen.clerk.asked


async def test_a_kind_that_this_installation_has_not_got_says_why() -> None:
    base = actions.live()
    kinds = tuple(replace(k, unavailable="platform.ops_url is not set") for k in base.kinds)
    async with opened("B", snapshot=replace(base, kinds=kinds)) as seen:
        await seen.until(lambda: "can't be done here: platform.ops_url is not set" in shown(seen.app))
    async with opened("B", snapshot=replace(base, kinds=())) as seen:
        await seen.until(lambda: "no agent has said yet which actions there are" in shown(seen.app))


async def test_the_palette_has_every_kind_that_can_be_done() -> None:
    async with opened() as seen:
        titles = {c.title for c in seen.app.get_system_commands(seen.app.screen)}
        assert {"Block an address", "Scale the platform", "Begin maintenance"} <= titles
        assert "Tell everybody" not in titles
        await seen.press("colon", *"scale the")
        await seen.until(lambda: "Scale the platform" in shown(seen.app))
        await seen.press("enter")
        await seen.until(lambda: seen.open)
        assert seen.dialog.spec.name == "scale_resources"
        assert "small | medium | large" in shown(seen.app)


async def test_m_begins_maintenance_and_ends_it_where_it_is_on() -> None:
    base = actions.live()
    async with opened("M", snapshot=base) as seen:
        await seen.until(lambda: seen.open)
        assert seen.dialog.spec.name == "maintenance_on"
    on = replace(base.effects[0], id=50, kind="maintenance_on", target="")
    async with opened("M", snapshot=replace(base, effects=(on,))) as seen:
        await seen.until(lambda: seen.open)
        assert seen.dialog.spec.name == "maintenance_off"


# Room


BIG = replace(
    SUSPEND_PLAN,
    steps=tuple(PlannedStep(f"s{i}", f"step {i} of a long plan", "platform") for i in range(9)),
    notes=tuple(f"note {i}" for i in range(5)),
)


@pytest.mark.parametrize("size", ["80x24", "120x40"])
async def test_the_largest_plan_fits_with_its_buttons(size: str) -> None:
    clerk = ActionClerk()
    clerk.guards, clerk.approval = (FROZEN,), "suspend_account always takes a second person"
    async with opened("S", size=size, clerk=clerk) as seen:
        await seen.planned(plan=BIG, kind="suspend_account", target=actions.AFFECTED)
        await seen.pilot.pause()
        frame = seen.dialog.query_one("#dialog").region
        assert frame.height <= SIZES[size][1] - 2
        lines = rows(seen.app)
        text = "\n".join(lines)
        for part in (
            "step 0 of a long plan",
            "Cancel",
            "guards",
            "frozen until",
            "always takes a second person",
        ):
            assert part in text, part
        assert "2 open positions" in text, "what has to be decided is never left out"


LONG_NOTE = "tokens that were issued stay valid; orders are refused at once; " * 4


@pytest.mark.parametrize("room", range(8, 40))
def test_nothing_of_a_plan_is_ever_left_out(room: int) -> None:
    plan = replace(BIG, notes=(*BIG.notes, LONG_NOTE))
    failed = Guard("freeze", False, f"frozen until 08:00 by tess.w: {'quarter end ' * 9}")
    view = PlanView(plan, (*plan.guards, failed), "always takes a second person")
    look, seen = Look(DARK, UNICODE), set[str]()
    shown, top = plan_lines(view, look, 70, room), 0
    while True:
        assert len(shown.lines) <= room
        seen |= {"".join(s.text for s in (*left, *right)) for left, right in shown.lines}
        if top >= shown.overhang:
            break
        top += 1
        shown = plan_lines(view, look, 70, room, top)
    text = " ".join(" ".join(seen).split())
    words = [w for n in (LONG_NOTE, failed.text) for w in n.split()]
    for part in (
        *words,
        *(step.title for step in plan.steps),
        *(note for note in plan.notes[:-1]),
        *(fact.label for fact in plan.facts),
        *(guard.text for guard in plan.guards),
        *("2 open positions, 1 pending order", "always takes a second person", "c tradex suspend"),
    ):
        assert part in text, part
    if room >= 12:
        sight = " ".join("".join(s.text for s in left) for left, _ in shown.lines)
        assert "always takes a second person" in sight and "frozen until" in sight, "not even at the end"


async def test_what_has_no_room_is_counted_and_reached_with_the_arrows_from_a_field_too() -> None:
    async with opened("S", size="80x24") as seen:
        await seen.planned(plan=SUSPEND_PLAN, kind="suspend_account", target=actions.AFFECTED)
        assert "orders are refused" not in shown(seen.app) and "last address" not in shown(seen.app)
        await seen.says("8 more: down, page down", "1 ban it")
        await seen.press("r", "down")
        await seen.says("7 more: down, page down", "1 above")
        await seen.press("pagedown")
        await seen.says("last address", "orders are refused", "8 above")
        await seen.press("pageup", "pageup", "enter")
        await seen.says("8 more")
        await seen.press("down")
        await seen.says("7 more", "1 above")
        await seen.press("pagedown")
        await seen.says("last address", "orders are refused", "8 above")
        await seen.press("pagedown")
        await seen.says("c tradex suspend", "8 above", "2 open positions, 1 pending order")
        assert "more:" not in shown(seen.app)
        await seen.press("pageup", "pageup", "up")
        await seen.says("8 more: down, page down", "1 ban it")
        assert "above" not in shown(seen.app)
        await seen.press("1")
        await seen.says("they stay open")


async def test_another_plan_begins_at_its_top() -> None:
    async with opened("S", size="80x24") as seen:
        await seen.planned(plan=SUSPEND_PLAN, kind="suspend_account", target=actions.AFFECTED)
        await seen.press("pagedown")
        await seen.says("7 above")
        seen.becomes(40, plan=BIG)
        await seen.says("step 0 of a long plan")
        assert "above" not in shown(seen.app)


# For a while


async def test_a_freeze_and_a_broken_glass_are_in_the_palette_and_ask_for_a_reason() -> None:
    commander = actions.as_person(actions.live(), "bob", "commander")
    for title, typed, call in (
        ("Freeze changes", "2h", ("freeze", timedelta(hours=2), "quarter end")),
        ("Break the glass", "20m", ("break_glass", timedelta(minutes=20), "quarter end")),
    ):
        async with opened(snapshot=commander) as seen:
            found = {c.title: c.callback for c in seen.app.get_system_commands(seen.app.screen)}
            found[title]()
            await seen.until(lambda: "why, for the audit" in shown(seen.app))
            await seen.press("enter", "y")
            await seen.until(lambda: "a reason is required" in shown(seen.app))
            await seen.press(*"quarter end", "enter", "l", "ctrl+u", *"99d", "enter", "y")
            await seen.until(lambda: "at most" in shown(seen.app))
            assert not seen.clerk.asked
            await seen.press("ctrl+u", *typed, "enter", "y")
            await seen.until(lambda: seen.clerk.asked)
            assert seen.clerk.asked == [call]


async def test_what_holds_is_ended_from_the_palette_and_a_responder_can_not_freeze() -> None:
    async with opened(snapshot=replace(actions.emergency(), glass=())) as seen:
        found = {c.title: c.callback for c in seen.app.get_system_commands(seen.app.screen)}
        assert not [title for title in found if title.startswith("Mend the glass")]
        found["End the freeze of tess.w: quarter end"]()
        await seen.until(lambda: seen.clerk.of("end_freeze"))
        await seen.until(lambda: "the freeze is over" in shown(seen.app))
    broken = actions.emergency()
    (glass,) = broken.glass
    async with opened(snapshot=broken) as seen:
        found = {c.title: c.callback for c in seen.app.get_system_commands(seen.app.screen)}
        assert "Mend the glass" not in found
        found[f"Mend the glass of {glass.author}"]()
        await seen.until(lambda: seen.clerk.asked)
        assert seen.clerk.asked == [("mend_glass", glass.author)]
    async with opened(snapshot=actions.as_person(broken, "alice", "responder")) as seen:
        found = {c.title for c in seen.app.get_system_commands(seen.app.screen)}
        assert not [title for title in found if title.startswith("Mend the glass")]
    async with opened() as seen:
        found = {c.title for c in seen.app.get_system_commands(seen.app.screen)}
        assert "Freeze changes" not in found and "Break the glass" in found
    async with opened(snapshot=actions.as_person(broken, "vera", "viewer")) as seen:
        found = {c.title for c in seen.app.get_system_commands(seen.app.screen)}
        assert not found & {"Freeze changes", "Break the glass"}
        assert not [title for title in found if title.startswith("End the freeze")]
    async with opened() as seen:
        freeze(seen.app.screen)  # type: ignore[arg-type]
        await seen.until(lambda: "that takes a commander" in shown(seen.app))


@pytest.mark.parametrize("size", ["80x24", "120x40"])
@pytest.mark.parametrize(
    ("title", "parts"),
    [
        (
            "Break the glass",
            (
                "every console shows",
                "loud",
                "14 Mar 03:42 UTC, if it began now",
                "▸ Cancel",
                "Break the glass ",
            ),
        ),
        (
            "Freeze changes",
            ("but a commander overrides", "14 Mar 11:12 UTC, if it began now", "Freeze changes "),
        ),
    ],
)
async def test_what_such_a_while_means_and_when_it_ends_is_never_cut(
    title: str, parts: Sequence[str], size: str
) -> None:
    commander = actions.as_person(actions.live(), "bob", "commander")
    async with opened(snapshot=commander, size=size) as seen:
        found = {c.title: c.callback for c in seen.app.get_system_commands(seen.app.screen)}
        found[title]()
        await seen.until(lambda: "why, for the audit" in shown(seen.app))
        seen.app.screen.query_one("#buttons").focus()
        await seen.says(*parts)
        frame = seen.app.screen.query_one("#dialog").region
        inside = [line[frame.x : frame.right] for line in rows(seen.app)[frame.y : frame.bottom]]
        assert not [line for line in inside if "…" in line]
