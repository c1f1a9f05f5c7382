"""The store's own guards of actions, and what happens when several people and agents want something at once."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from console.domain.action import (
    Action,
    ActionState,
    Choice,
    Fact,
    Guard,
    Layer,
    Parameter,
    Plan,
    PlannedStep,
    Proof,
    Step,
    StepState,
)
from console.domain.asking import parameters, target, undoing
from console.domain.errors import Fenced, Misuse, Refused
from console.store import actions, audit, effects, freezes, timeline
from console.store import lease as leases
from console.store.pool import Store
from tests.store.acting import BLOCK, FAILOVER, KINDS, PLAN, RESTART, UNBLOCK, ask, found, planned, verbs
from tests.store.stores import NOON, Place

HOUR = timedelta(hours=1)


@pytest.fixture
async def ready(place: Place) -> Place:
    """A store that knows the kinds."""
    async with place.leader() as (store, lease):
        await actions.publish_kinds(store, lease, KINDS)
        await leases.release(store, lease)
    return place


async def confirm(store: Store, action: Action, **answers: str) -> None:
    await actions.confirm(
        store,
        action.id,
        plan_hash=action.plan_hash,
        typed=answers.get("typed", ""),
        override=answers.get("override", ""),
    )


async def test_what_is_written_is_what_is_read(ready: Place) -> None:
    async with ready.leader() as (agent, lease), ready.open("alice") as alice:
        plan = Plan(
            "Block \u202e it",
            (PlannedStep("a", "Title", "platform", 1.5, False),),
            (Fact("users", "3", "warn"),),
            (Guard("address", True, "fine"),),
            (Choice("positions", "Open positions", (("keep", "as they are"),)),),
            ("a note",),
            await agent.now() + HOUR,
            "203.0.113.7",
            "it is wide",
            "tradex block-ip 203.0.113.7",
        )
        action = await planned(alice, agent, lease, plan=plan, network="203.0.113.7")
        assert action.plan == replace(plan, title="Block \ufffd it")
        assert (action.requested_by, action.params) == ("alice", {"network": "203.0.113.7"})
        await actions.confirm(
            alice, action.id, plan_hash=action.plan_hash, typed="203.0.113.7", choices={"positions": "keep"}
        )
        waiting = await found(alice, action.id)
        assert (waiting.needs_approval, waiting.waits_for_approval) == ("it is wide", True)
        assert waiting.choices == {"positions": "keep"}
        async with ready.open("bob") as bob:
            await actions.approve(bob, action.id, plan_hash=action.plan_hash)
        assert await actions.start(agent, lease, action.id) == ""
        now = await agent.now()
        step = Step(1, "a", "Title", "platform", StepState.DONE, 2, now + HOUR, now, now, "it is in")
        await actions.write_steps(agent, lease, action.id, [step])
        assert await actions.steps(alice, action.id) == [step]
        await actions.append_output(
            agent, lease, action.id, step="a", kind="command", lines=["x \x1b[2J", "y"]
        )
        lines = await actions.output(alice, action.id)
        assert [(o.kind, o.text) for o in lines] == [("command", "x ␛[2J"), ("command", "y")]
        assert await actions.output(alice, action.id, after=lines[0].seq) == lines[1:]
        layers = (Layer("platform", "in force"), Layer("vercel", "failed", "no answer"))
        await effects.put(
            agent,
            lease,
            action.id,
            kind="block_ip",
            target=action.target,
            expires_at=now + HOUR,
            layers=layers,
        )
        (effect,) = await effects.current(alice)
        assert (effect.layers, effect.author, effect.expires_at) == (layers, "alice", now + HOUR)
        await actions.watch(agent, lease, action.id)
        proof = Proof("proved", "12 refused", (Fact("403s", "12"),))
        await actions.write_proof(agent, lease, action.id, proof)
        await actions.finish(agent, lease, action.id, ActionState.DONE, "done")
        over = await found(alice, action.id)
        assert (over.state, over.proof, over.words, over.step, over.steps) == (
            ActionState.DONE,
            proof,
            "done",
            1,
            1,
        )
        assert await actions.current(alice, since=now) == [over]
        assert [state for _, state, _, _ in await actions.changes(alice, action.id)] == [
            *("planning", "planned", "confirmed", "approved", "running", "verifying", "done"),
        ]
        assert await verbs(alice, action.id) == [
            *("requested", "planned", "confirmed", "approved", "started", "step done", "verifying", "ended"),
        ]
        told = [e for e in await timeline.recent(alice) if e.kind == "action"]
        assert {e.actor for e in told} == {"alice", "bob", "auto"}


async def test_ten_ask_for_the_same_at_once_and_get_one_action(ready: Place) -> None:
    async with (
        ready.leader() as (agent, lease),
        ready.open("alice", size=5) as alice,
        ready.open("bob", size=5) as bob,
    ):
        ten = [
            actions.request(who, kind="block_ip", target="203.0.113.7", params={}, reason="it attacks")
            for who in (alice, bob) * 5
        ]
        answers = await asyncio.gather(*ten)
        assert {a.id for a in answers} == {1}
        told = [a.told for a in answers if a.told]
        assert len(told) == 9
        assert all("asked for this already: it is action 1, planning" in words for words in told)
        assert sorted(await verbs(alice, 1)) == ["joined"] * 9 + ["requested"]
        await actions.write_plan(agent, lease, 1, PLAN)
        action = await found(alice, 1)
        both = await asyncio.gather(
            *(confirm(who, action) for who in (alice, bob) * 5), return_exceptions=True
        )
        assert [r for r in both if r is None] == [None]
        assert all("confirmed it already" in str(r) for r in both if r is not None)
        late = await actions.request(
            alice, kind="block_ip", target="203.0.113.7", params={"length": "1h"}, reason="x"
        )
        assert (late.id, "confirmed" in late.told) == (1, True), "also with other parameters: it is under way"


async def test_a_plan_is_confirmed_as_it_was_read_or_not_at_all(ready: Place) -> None:
    async with ready.leader() as (agent, lease), ready.open("alice") as alice:
        number = await ask(alice)
        with pytest.raises(Refused, match="its plan is not there yet"):
            await actions.confirm(alice, number, plan_hash="")
        choices = (Choice("positions", "Open positions", (("keep", ""), ("refuse", ""))),)
        await actions.write_plan(agent, lease, number, replace(PLAN, typed="203.0.113.7", choices=choices))
        action = await found(alice, number)
        answers: dict[str, Any] = {
            "plan_hash": action.plan_hash,
            "typed": "203.0.113.7",
            "choices": {"positions": "keep"},
        }
        wrongs: tuple[tuple[dict[str, Any], str], ...] = (
            ({"plan_hash": "0" * 64}, "the plan has changed"),
            ({"typed": "203.0.113.8"}, "type 203.0.113.7 to confirm"),
            ({"choices": {}}, "a choice is still open: Open positions"),
            ({"choices": {"positions": "sell"}}, "a choice is still open: Open positions"),
        )
        for wrong, words in wrongs:
            with pytest.raises(Refused, match=words):
                await actions.confirm(alice, number, **(answers | wrong))
        await actions.confirm(alice, number, **answers)
        assert (await verbs(alice, number)).count("refused confirmation") == 5


async def test_plans_and_approvals_go_stale(ready: Place) -> None:
    async with ready.leader() as (agent, lease), ready.open("alice") as alice, ready.open("bob") as bob:
        plan = await planned(alice, agent, lease)
        heavy = await planned(alice, agent, lease, "failover", "replica")
        await confirm(alice, heavy)
        assert await actions.expire(agent, lease) == 0
        await ready.owner("UPDATE console.action SET plan_expires_at = now() - interval '1 s'")
        await ready.owner(
            "UPDATE console.action SET approval_expires_at = approval_expires_at - interval '15 min'"
        )
        with pytest.raises(Refused, match="the plan is too old"):
            await confirm(alice, plan)
        with pytest.raises(Refused, match="waited too long"):
            await actions.approve(bob, heavy.id, plan_hash=heavy.plan_hash)
        assert await actions.expire(agent, lease) == 2
        assert {(await found(alice, a.id)).words for a in (plan, heavy)} == {
            "nobody confirmed it in time",
            "nobody approved it in time",
        }
        assert await actions.start(agent, lease, heavy.id) is None


async def test_the_second_person_is_another_commander_and_there_is_one(ready: Place) -> None:
    async with (
        ready.leader() as (agent, lease),
        ready.open("alice") as alice,
        ready.open("bob", size=4) as bob,
    ):
        mine = await planned(bob, agent, lease, "failover", "replica")
        await confirm(alice, mine)
        assert await actions.start(agent, lease, mine.id) is None, "not before it is approved"
        with pytest.raises(Refused, match="not the one who asked"):
            await actions.approve(bob, mine.id, plan_hash=mine.plan_hash)
        await actions.cancel(bob, mine.id)
        hers = await planned(alice, agent, lease, "failover", "replica")
        await confirm(alice, hers)
        with pytest.raises(Refused, match="alice is a responder: an approval takes a commander"):
            await actions.approve(alice, hers.id, plan_hash=hers.plan_hash)
        with pytest.raises(Refused, match="the plan has changed"):
            await actions.approve(bob, hers.id, plan_hash="")
        both = await asyncio.gather(
            *(actions.approve(bob, hers.id, plan_hash=hers.plan_hash) for _ in range(4)),
            return_exceptions=True,
        )
        assert [r for r in both if r is None] == [None]
        assert all("bob approved it already" in str(r) for r in both if r is not None)
        assert (await verbs(alice, hers.id)).count("approved") == 1
        assert await actions.start(agent, lease, hers.id) == ""


async def test_a_responder_needs_a_commander_where_the_kind_says_so(ready: Place) -> None:
    async with ready.leader() as (agent, lease), ready.open("alice") as alice, ready.open("bob") as bob:
        hers = await planned(alice, agent, lease, "suspend_account", "a@b.c")
        assert (await actions.preview(alice, hers.id)).approval == "suspend-account takes a commander"
        await confirm(alice, hers)
        assert (await found(alice, hers.id)).waits_for_approval
        await actions.cancel(alice, hers.id)
        his = await planned(bob, agent, lease, "suspend_account", "a@b.c")
        assert (await actions.preview(bob, his.id)).approval == ""
        await confirm(bob, his)
        assert not (await found(bob, his.id)).waits_for_approval


async def test_broken_glass_stands_in_for_the_second_person_until_it_is_over(ready: Place) -> None:
    async with ready.leader() as (agent, lease), ready.open("alice") as alice, ready.open("bob") as bob:
        for length, words in ((HOUR * 2, "at most an hour"), (timedelta(0), "at most an hour")):
            with pytest.raises(Refused, match=words):
                await freezes.break_glass(alice, reason="alone", length=length)
        with pytest.raises(Refused, match="needs a reason"):
            await freezes.break_glass(alice, reason=" ", length=HOUR)
        glass = await freezes.break_glass(alice, reason="alone", length=HOUR)
        assert (glass.author, await freezes.broken_glass(bob)) == ("alice", [glass])
        with pytest.raises(Refused, match="broken already"):
            await freezes.break_glass(alice, reason="alone", length=HOUR)
        assert [(g.author, g.reason) for g in await freezes.broken_glass(bob)] == [("alice", "alone")]
        hers = await planned(alice, agent, lease, "failover", "replica")
        assert (await actions.preview(alice, hers.id)).approval == ""
        assert (await actions.preview(bob, hers.id)).approval != "", "it is hers alone"
        await confirm(alice, hers)
        assert await actions.start(agent, lease, hers.id) == ""
        await actions.finish(agent, lease, hers.id, ActionState.DONE, "")
        assert "under broken glass" in (await actions.changes(alice, hers.id))[2][3]
        await ready.owner("UPDATE console.glass SET ends_at = now()")
        again = await planned(alice, agent, lease, "failover", "replica")
        await confirm(alice, again)
        assert (await found(alice, again.id)).waits_for_approval
        with pytest.raises(Refused, match="no glass of yours"):
            await freezes.mend_glass(alice)
        (told,) = [e for e in await timeline.recent(bob) if "broke the glass" in e.text]
        assert str(told.severity) == "critical"


async def test_a_commander_mends_anybodys_glass_and_a_responder_only_their_own(ready: Place) -> None:
    async with ready.open("alice") as alice, ready.open("bob") as bob, ready.open("vera") as vera:
        await freezes.break_glass(bob, reason="alone", length=HOUR)
        await freezes.break_glass(alice, reason="alone too", length=HOUR)
        for who, words in ((alice, "alice is a responder"), (vera, "vera is a viewer")):
            with pytest.raises(Refused, match=f"{words}: to mend somebody else's glass takes a commander"):
                await freezes.mend_glass(who, "bob")
        await freezes.mend_glass(bob, "alice")
        assert [glass.author for glass in await freezes.broken_glass(vera)] == ["bob"]
        with pytest.raises(Refused, match="no glass of alice is broken"):
            await freezes.mend_glass(bob, "alice")
        await freezes.break_glass(alice, reason="again", length=HOUR)
        await freezes.mend_glass(alice, "alice")
        await freezes.mend_glass(bob)
        assert await freezes.broken_glass(vera) == []
        mended = [(e.actor, e.subject) for e in await audit.recent(bob) if e.verb == "mended the glass"]
        assert mended == [("bob", "bob"), ("alice", "alice"), ("bob", "alice")]
        told = [e.text for e in await timeline.recent(bob) if "mended" in e.text]
        assert told == ["bob mended the glass", "alice mended the glass", "bob mended the glass of alice"]


async def test_a_budget_is_for_the_hour_and_only_a_commander_goes_past_it(ready: Place) -> None:
    async with ready.leader() as (agent, lease), ready.open("alice") as alice, ready.open("bob") as bob:

        async def spend(who: Store, **answers: str) -> int:
            action = await planned(who, agent, lease, "restart", "primary")
            await confirm(who, action, **answers)
            await actions.start(agent, lease, action.id)
            await actions.finish(agent, lease, action.id, ActionState.DONE, "")
            return action.id

        for _ in range(RESTART.budget):
            await spend(alice)
        with pytest.raises(
            Refused, match=r"2 of 2 within the hour; a commander may override it with a reason"
        ):
            await spend(alice)
        left = await found(alice, 3)
        with pytest.raises(Refused, match="only a commander may override it"):
            await confirm(alice, left, override="it is down")
        await actions.withdraw(alice, left.id)
        over = await found(bob, await spend(bob, override="it is down"))
        assert over.override == "it is down"
        # The store's time runs ten times as fast.
        await ready.owner("UPDATE console.action SET confirmed_at = confirmed_at - interval '6 min'")
        assert (await found(alice, await spend(alice, override="not needed"))).override == ""


async def test_a_freeze_holds_what_minds_it_also_when_it_begins_before_the_approval(ready: Place) -> None:
    async with ready.leader() as (agent, lease), ready.open("alice") as alice, ready.open("bob") as bob:
        waits = await planned(alice, agent, lease, "failover", "replica")
        await confirm(alice, waits)
        short = await freezes.add(bob, start=None, length=timedelta(milliseconds=1), reason="a blink")
        assert (short.author, short.reason, short.ends_at - short.starts_at) == (
            "bob", "a blink", timedelta(milliseconds=1),
        )  # fmt: skip
        for length, reason, words in ((HOUR, "", "needs a reason"), (HOUR * 24 * 91, "x", "at most 90 days")):
            with pytest.raises(Refused, match=words):
                await freezes.add(bob, start=None, length=length, reason=reason)
        with pytest.raises(Refused, match="takes a commander"):
            await freezes.add(alice, start=None, length=HOUR, reason="x")
        later = await freezes.add(bob, start=await bob.now() + HOUR, length=HOUR, reason="later")
        assert (await actions.preview(alice, waits.id)).guards[1].passed
        freeze = await freezes.add(bob, start=None, length=HOUR, reason="holiday")
        assert await freezes.current(alice) == [freeze, later]
        with pytest.raises(Refused, match=r"frozen until .* by bob: holiday; ask for a new plan"):
            await actions.approve(bob, waits.id, plan_hash=waits.plan_hash)
        await actions.cancel(alice, waits.id)
        free = await planned(alice, agent, lease)
        await confirm(alice, free)
        held = await planned(bob, agent, lease, "restart", "primary")
        with pytest.raises(Refused, match="frozen until"):
            await confirm(bob, held)
        await confirm(bob, held, override="it is down")
        await freezes.end(bob, freeze.id)
        for number, words in ((freeze.id, "is over already"), (99, "there is no freeze 99")):
            with pytest.raises(Refused, match=words):
                await freezes.end(bob, number)
        assert await freezes.current(alice) == [later]


async def test_who_overrode_a_budget_did_not_override_a_freeze_that_came_later(ready: Place) -> None:
    async with ready.leader() as (agent, lease), ready.open("alice") as alice, ready.open("bob") as bob:
        await actions.publish_kinds(agent, lease, [replace(FAILOVER, budget=1), RESTART])
        first = await planned(alice, agent, lease, "failover", "primary")
        await confirm(alice, first)
        await actions.cancel(alice, first.id)
        waits = await planned(bob, agent, lease, "failover", "replica")
        await confirm(bob, waits, override="it is down")
        await ready.owner("UPDATE console.action SET requested_by = 'alice', confirmed_by = 'alice'")
        await freezes.add(bob, start=None, length=HOUR, reason="holiday")
        with pytest.raises(Refused, match=r"frozen until .* by bob: holiday; ask for a new plan"):
            await actions.approve(bob, waits.id, plan_hash=waits.plan_hash)


async def test_a_freeze_that_was_overridden_is_so_for_the_second_person_too(ready: Place) -> None:
    async with ready.leader() as (agent, lease), ready.open("alice") as alice, ready.open("bob") as bob:
        await freezes.add(bob, start=None, length=HOUR, reason="holiday")
        waits = await planned(alice, agent, lease, "failover", "replica")
        await confirm(bob, waits, override="it is down")
        # What was shown when it was confirmed stays with it, and in the audit; the plan is as it was.
        kept = await found(alice, waits.id)
        assert [(g.name, g.passed) for g in kept.guards] == [
            ("role", True),
            ("freeze", False),
            ("budget", True),
            ("one at a time", True),
        ]
        assert "holiday" in kept.guards[1].text and not waits.guards
        assert (kept.plan, kept.plan_hash) == (waits.plan, waits.plan_hash)
        (entry,) = (e for e in await audit.recent(bob, action_id=waits.id, limit=9) if e.verb == "confirmed")
        assert [g["name"] for g in json.loads(entry.detail)["guards"]] == [g.name for g in kept.guards]
        await ready.owner("UPDATE console.action SET confirmed_by = 'alice'")
        await actions.approve(bob, waits.id, plan_hash=waits.plan_hash)


async def test_a_flood_of_output_is_cut_but_never_the_calls_that_were_made(ready: Place) -> None:
    async with ready.leader() as (agent, lease), ready.open("alice") as alice:
        number = await ask(alice)
        await ready.owner(
            "INSERT INTO console.action_output (action_id, step, kind, text) "
            "SELECT $1, 'flood', 'out', 'x' FROM generate_series(1, 20000)",
            number,
        )
        for kind in ("out", "command", "note"):
            await actions.append_output(agent, lease, number, step="s", kind=kind, lines=[f"a {kind}"])
        lines = await actions.output(alice, number, limit=30_000)
        assert [line.text for line in lines[20_000:]] == ["a command", "a note"]


async def test_one_at_a_time_on_a_target_and_in_a_group(ready: Place) -> None:
    async with ready.leader() as (agent, lease), ready.open("alice") as alice:
        first = await planned(alice, agent, lease, length="1h")
        second = await planned(alice, agent, lease, length="2h")
        assert first.id != second.id, "other parameters are another plan"
        await confirm(alice, first)
        with pytest.raises(Refused, match=f"action {first.id} of alice is under way: block-ip 203.0.113.7"):
            await confirm(alice, second)
        restart = await planned(alice, agent, lease, "restart", "primary")
        heavy = await planned(alice, agent, lease, "failover", "replica")
        await confirm(alice, restart)
        with pytest.raises(Refused, match=f"action {restart.id} of alice is under way: restart primary"):
            await confirm(alice, heavy)


async def test_withdrawing_never_ends_what_somebody_else_wants_too(ready: Place) -> None:
    async with ready.leader() as (agent, lease), ready.open("alice") as alice, ready.open("bob") as bob:
        action = await planned(alice, agent, lease)
        with pytest.raises(Refused, match="alice asked for it"):
            await actions.withdraw(bob, action.id)
        await confirm(bob, action)
        with pytest.raises(Refused, match="it is confirmed, confirmed by bob"):
            await actions.withdraw(alice, action.id)
        shared = await planned(alice, agent, lease, target="203.0.113.9")
        assert await ask(bob, target="203.0.113.9") == shared.id
        with pytest.raises(Refused, match="bob asked for it too"):
            await actions.withdraw(alice, shared.id)
        other = await planned(alice, agent, lease, target="203.0.113.8")
        assert await ask(alice, target="203.0.113.8") == other.id
        await actions.withdraw(alice, other.id, "a slip")
        assert (await found(bob, other.id)).words == "alice withdrew it: a slip"


async def test_cancelled_before_it_runs_it_is_over_and_after_that_the_agent_ends_it(ready: Place) -> None:
    async with ready.leader() as (agent, lease), ready.open("alice") as alice, ready.open("bob") as bob:
        action = await planned(alice, agent, lease)
        await confirm(alice, action)
        await actions.cancel(bob, action.id, "not now")
        over = await found(alice, action.id)
        assert (over.state, over.words) == (ActionState.CANCELLED, "bob cancelled it: not now")
        assert await actions.start(agent, lease, action.id) is None
        with pytest.raises(Refused, match="it is cancelled already"):
            await actions.cancel(alice, action.id)
        action = await planned(alice, agent, lease)
        await confirm(alice, action)
        await actions.start(agent, lease, action.id)
        await actions.cancel(bob, action.id)
        now = await found(alice, action.id)
        assert (now.state, now.cancelled_by) == (ActionState.RUNNING, "bob")
        pending = Step(2, "b", "B", "", StepState.PENDING)
        await actions.write_steps(agent, lease, action.id, [pending])
        await actions.finish(agent, lease, action.id, ActionState.CANCELLED, "one of two steps is done")
        assert [s.state for s in await actions.steps(alice, action.id)] == [StepState.CANCELLED]


async def test_an_interrupted_one_waits_for_a_choice(ready: Place) -> None:
    async with ready.leader() as (agent, lease), ready.open("alice") as alice:
        action = await planned(alice, agent, lease)
        await confirm(alice, action)
        await actions.start(agent, lease, action.id)
        await actions.interrupt(agent, lease, action.id, "did it happen?")
        assert (await found(alice, action.id)).question == "did it happen?"
        assert await actions.start(agent, lease, action.id) is None
        with pytest.raises(Refused, match="waits for a choice"):
            await actions.cancel(alice, action.id)
        with pytest.raises(Refused, match="choose again, skip or stop"):
            await actions.resume(alice, action.id, "perhaps")
        await actions.resume(alice, action.id, "skip")
        with pytest.raises(Refused, match="skip was chosen already"):
            await actions.resume(alice, action.id, "again")
        assert await actions.start(agent, lease, action.id) == "skip"
        assert (await found(alice, action.id)).question == ""


async def test_a_deposed_agent_writes_nothing(ready: Place) -> None:
    async with ready.leader("old") as (agent, old), ready.open("alice") as alice:
        action = await planned(alice, agent, old)
        asked = await ask(alice, target="203.0.113.8")
        await confirm(alice, action)
        await actions.start(agent, old, action.id)
        await ready.owner("UPDATE console.lease SET expires_at = now()")
        async with ready.leader("new") as (_, new):
            before = await actions.current(alice, since=NOON), await audit.head(alice)
            step = Step(1, "a", "A", "", StepState.DONE)
            writes = [
                actions.publish_kinds(agent, old, []),
                actions.write_plan(agent, old, asked, PLAN),
                actions.start(agent, old, action.id),
                actions.write_steps(agent, old, action.id, [step]),
                actions.append_output(agent, old, action.id, step="a", kind="out", lines=["x"]),
                actions.watch(agent, old, action.id),
                actions.interrupt(agent, old, action.id, "?"),
                actions.write_proof(agent, old, action.id, Proof("proved")),
                effects.put(agent, old, action.id, kind="x", target="x", expires_at=None, layers=[]),
                effects.lift(agent, old, action.id, kind="x", target="x", layers=[]),
                actions.finish(agent, old, action.id, ActionState.DONE, "x"),
                actions.expire(agent, old),
                actions.request_automatic(
                    agent, old, kind="block_ip", target="x", params={}, reason="x", cause="x", plan=PLAN
                ),
            ]
            for write in writes:
                with pytest.raises(Fenced):
                    await write
            now = await actions.current(alice, since=NOON), await audit.head(alice)
            assert (now[0], now[1][:2]) == (before[0], before[1][:2])
            assert await actions.steps(alice, action.id) == []
            assert await actions.output(alice, action.id) == []
            assert len(await actions.kinds(alice)) == len(KINDS)
            assert await actions.start(agent, new, action.id) == "", "its successor takes it up"


async def test_an_effect_is_one_however_often_it_is_put_and_ends_by_itself_once(ready: Place) -> None:
    async with ready.leader() as (agent, lease), ready.open("alice") as alice:
        action = await planned(alice, agent, lease)
        await confirm(alice, action)
        await actions.start(agent, lease, action.id)
        now = await agent.now()
        block = {"kind": "block_ip", "target": action.target}
        for layers in ([Layer("platform", "unknown")], [Layer("platform", "in force")]):
            await effects.put(agent, lease, action.id, **block, expires_at=now, layers=layers)
        await actions.finish(agent, lease, action.id, ActionState.DONE, "")
        (effect,) = await effects.current(alice)
        assert effect.layers == (Layer("platform", "in force"),)
        ends = {
            "kind": "unblock_ip",
            "target": action.target,
            "params": {},
            "reason": "it is over",
            "cause": f"action {action.id} expired",
            "plan": PLAN,
            "undo_of": action.id,
        }
        number, refusal = await actions.request_automatic(agent, lease, **ends)
        assert refusal == ""
        assert number is not None
        assert await actions.request_automatic(agent, lease, **ends) == (
            number,
            f"action {number} is confirmed",
        )
        begun = await found(alice, number)
        assert (begun.origin, begun.state, begun.requested_by) == ("automatic", ActionState.CONFIRMED, "auto")
        await actions.start(agent, lease, number)
        assert await effects.lift(agent, lease, number, **block, layers=[Layer("platform", "lifted")])
        assert not await effects.lift(agent, lease, number, **block, layers=[])
        await actions.finish(agent, lease, number, ActionState.DONE, "")
        assert (await found(alice, action.id)).undone_by == number
        assert await effects.current(alice) == []
        (lifted,) = await effects.current(alice, lifted_since=now)
        assert lifted.lifted_by == number


async def test_what_the_console_asks_for_by_itself_becomes_a_proposal_where_a_person_would_be_needed(
    ready: Place,
) -> None:
    async with ready.leader() as (agent, lease), ready.open("bob") as bob:

        async def states(kind: str, *targets: str, plan: Plan = PLAN) -> list[ActionState]:
            asked = [
                await actions.request_automatic(
                    agent,
                    lease,
                    kind=kind,
                    target=target,
                    params={},
                    reason="x",
                    cause="finding 1",
                    plan=plan,
                )
                for target in targets
            ]
            return [(await found(bob, number)).state for number, _ in asked if number is not None]

        begun, proposed = ActionState.CONFIRMED, ActionState.PLANNING
        assert await states("block_ip", *"abcdefg") == [begun] * BLOCK.budget + [proposed] * 2
        assert await states("failover", "replica") == [proposed]
        assert await states("unblock_ip", "a", plan=replace(PLAN, second_person="it is wide")) == [proposed]
        freeze = await freezes.add(bob, start=None, length=HOUR, reason="holiday")
        assert await states("restart", "primary") == [proposed]
        await freezes.end(bob, freeze.id)
        assert await states("restart", "replica") == [begun]
        number, refusal = await actions.request_automatic(
            agent, lease, kind="notify", target="", params={}, reason="x", cause="x"
        )
        assert (number, refusal) == (None, "there is no action notify here")


async def test_a_person_cannot_ask_for_what_is_not_there_or_without_a_reason(ready: Place) -> None:
    async with ready.open("alice") as alice:
        for kind, params, reason, words in (
            ("nothing", {}, "x", "there is no action nothing"),
            ("notify", {}, "x", "can't be done here: it has no channels yet"),
            ("block_ip", {}, "  ", "needs a reason"),
            ("block_ip", {str(i): "x" * 1000 for i in range(9)}, "x", "too long"),
        ):
            with pytest.raises(Refused, match=words):
                await actions.request(alice, kind=kind, target="", params=params, reason=reason)
        with pytest.raises(Refused, match="there is no action 99"):
            await actions.request(alice, kind="block_ip", target="", params={}, reason="x", undo_of=99)
        assert await verbs(alice) == ["refused request"] * 5
        assert [await actions.one(alice, number) for number in (1, 0, -1, 2**70)] == [None] * 4


def test_the_same_wish_is_the_same_request() -> None:
    for written in ("203.0.113.7", " 203.0.113.7/32 "):
        params = parameters(BLOCK, {"network": written})
        assert params == {"network": "203.0.113.7", "length": "24h"}
        assert target(BLOCK, params) == "203.0.113.7"
    for written, one in (
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
        ("2001:DB8::1", "2001:db8::/64"),
        ("2001:DB8::/64", "2001:db8::/64"),
        ("2001:db8::1/128", "2001:db8::1/128"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("nowhere", "nowhere"),
    ):
        assert parameters(UNBLOCK, {"network": written}) == {"network": one}
    assert parameters(UNBLOCK, {"network": "203.0.113.7/24"}) == {"network": "203.0.113.7/24"}, (
        "the plan says why not"
    )
    assert parameters(replace(UNBLOCK, parameters=(Parameter("x", "X", required=False),)), {}) == {}
    with pytest.raises(Misuse, match="block-ip takes network"):
        parameters(BLOCK, {"length": "1h"})
    with pytest.raises(Misuse, match="no parameter 'adress': it has network, length"):
        parameters(BLOCK, {"adress": "x"})


def test_only_what_changed_something_can_be_taken_back() -> None:
    kinds = {k.name: k for k in KINDS}
    done = Action(
        1,
        "block_ip",
        "a",
        {"network": "a", "length": "1h"},
        "x",
        ActionState.DONE,
        "alice",
        NOON,
        started_at=NOON,
    )
    assert undoing(done, kinds) == (UNBLOCK, {"network": "a"})
    for action, words in (
        (replace(done, undone_by=2), "was undone by action 2"),
        (replace(done, state=ActionState.RUNNING), "is running: cancel it instead"),
        (replace(done, state=ActionState.EXPIRED, started_at=None), "changed nothing"),
        (replace(done, kind="suspend_account"), "can't be taken back"),
    ):
        with pytest.raises(Refused, match=words):
            undoing(action, kinds)
