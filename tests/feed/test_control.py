"""What people and the agent do about the platform reaches every console, on a real store."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from console import feed as feeds
from console.domain.action import ActionState, Layer, StepState
from console.domain.check import CheckResult, CheckStatus
from console.domain.errors import Refused
from console.domain.snapshot import Snapshot
from console.store import actions as store_actions
from console.store import checks as store_checks
from console.store import effects
from console.store import findings as store_findings
from console.store import lease as leases
from tests.store.stores import Place
from tests.ui.fixtures import actions
from tests.ui.fixtures.actions import ATTACKER, BLOCK_PLAN, KINDS, SUSPEND_PLAN

Follow = Callable[..., Any]
PARAMS = {"network": ATTACKER, "length": "24h"}


async def published(place: Place) -> None:
    async with place.leader() as (store, lease):
        await store_actions.publish_kinds(store, lease, KINDS)
        await leases.release(store, lease)


def state_of(snapshot: Snapshot, number: int) -> ActionState | None:
    action = snapshot.action(number)
    return None if action is None else action.state


async def test_the_catalogue_comes_back_from_a_store_as_it_is_drawn(
    place: Place, follow: Follow, wait_for: Follow
) -> None:
    await published(place)
    async with follow() as feed:
        await wait_for(lambda: feed.snapshot.control)
        assert sorted(feed.snapshot.kinds, key=lambda k: k.name) == sorted(KINDS, key=lambda k: k.name)


async def test_a_request_its_plan_and_its_course_are_seen_in_a_second_console_without_waiting_for_a_poll(
    place: Place, follow: Follow, wait_for: Follow, monkeypatch: Any
) -> None:
    await published(place)
    # What is seen then was told by the store.
    monkeypatch.setattr(feeds, "_POLL_S", 600.0)
    async with follow("alice") as mine, follow("bob") as other:
        heard: list[str] = []
        other.watch("output", lambda: heard.append("output"))
        await wait_for(lambda: mine.snapshot.kinds and other.snapshot.kinds and "output" in heard)
        heard.clear()
        asked = await mine.desk.request("block_ip", ATTACKER, PARAMS, reason="brute force", cause="finding 3")
        assert asked.told == ""
        await wait_for(lambda: state_of(other.snapshot, asked.id) is ActionState.PLANNING)
        same = await other.desk.request("block_ip", ATTACKER, PARAMS, reason="the same")
        assert same.id == asked.id and "alice asked for this already" in same.told
        async with place.leader() as (store, lease):
            assert await store_actions.write_plan(store, lease, asked.id, BLOCK_PLAN)
            await wait_for(lambda: state_of(other.snapshot, asked.id) is ActionState.PLANNED)
            planned = other.snapshot.action(asked.id)
            assert planned is not None
            assert planned.plan == BLOCK_PLAN, "a plan comes back as it is drawn"
            found = await other.desk.preview(asked.id)
            assert {g.name for g in found.guards} >= {"role", "freeze", "budget", "one at a time"}
            await mine.desk.confirm(asked.id, plan_hash=planned.plan_hash)
            await wait_for(lambda: state_of(other.snapshot, asked.id) is ActionState.CONFIRMED)
            assert await store_actions.start(store, lease, asked.id) == ""
            await store_actions.write_steps(store, lease, asked.id, actions.STEPS[12])
            await store_actions.append_output(
                *(store, lease, asked.id), step="platform", kind="command", lines=["INSERT ..."]
            )
            await effects.put(
                *(store, lease, asked.id),
                kind="block_ip",
                target=ATTACKER,
                expires_at=None,
                layers=[Layer("platform", "in force")],
            )
            await wait_for(lambda: other.snapshot.effects and "output" in heard)
            running = other.snapshot.action(asked.id)
            assert running is not None and (running.state, running.step, running.steps) == (
                *(ActionState.RUNNING, 1),
                2,
            )
            assert [s.state for s in await other.query.action_steps(asked.id)] == [
                StepState.DONE,
                StepState.RUNNING,
            ]
            lines = await other.query.action_output(asked.id)
            assert [line.text for line in lines] == ["INSERT ..."]
            assert not await other.query.action_output(asked.id, after=lines[-1].seq)
            await store_actions.finish(store, lease, asked.id, ActionState.DONE, "it holds", actions.PROOF)
        await wait_for(lambda: state_of(other.snapshot, asked.id) is ActionState.DONE)
        done = other.snapshot.action(asked.id)
        assert done is not None and done.proof == actions.PROOF
        assert [state for _, state, _, _ in await other.query.action_changes(asked.id)][:3] == [
            *("planning", "planned", "confirmed"),
        ]
        entries = await other.query.audit(action_id=asked.id)
        assert entries[-1].verb == "requested" and entries[0].seq > entries[-1].seq


async def test_choices_and_typed_words_of_a_plan_come_back_as_they_are_drawn(
    place: Place, follow: Follow, wait_for: Follow
) -> None:
    await published(place)
    async with follow() as feed:
        await wait_for(lambda: feed.snapshot.kinds)
        asked = await feed.desk.request("suspend_account", "a", {"account": "a"}, reason="got in")
        async with place.leader() as (store, lease):
            await store_actions.write_plan(store, lease, asked.id, SUSPEND_PLAN)
        await wait_for(lambda: state_of(feed.snapshot, asked.id) is ActionState.PLANNED)
        found = feed.snapshot.action(asked.id)
        assert found is not None and found.plan == SUSPEND_PLAN
        await feed.desk.cancel(asked.id, "withdrawn")
        await wait_for(lambda: state_of(feed.snapshot, asked.id) is ActionState.CANCELLED)


async def test_a_freeze_and_a_broken_glass_are_seen_by_all(
    place: Place, follow: Follow, wait_for: Follow
) -> None:
    async with follow("bob") as feed, follow("alice") as other:
        await wait_for(lambda: feed.snapshot.control and other.snapshot.control)
        number = await feed.desk.freeze(timedelta(hours=8), "quarter end")
        await feed.desk.break_glass(timedelta(minutes=20), "the second person sleeps")
        await wait_for(lambda: other.snapshot.freezes and other.snapshot.glass)
        assert (other.snapshot.freezes[0].author, other.snapshot.glass[0].author) == ("bob", "bob")
        await feed.desk.mend_glass()
        await feed.desk.end_freeze(number)
        await wait_for(lambda: not other.snapshot.freezes and not other.snapshot.glass)


async def test_a_viewer_is_refused_in_words(place: Place, follow: Follow, wait_for: Follow) -> None:
    await published(place)
    async with follow("vera") as feed:
        await wait_for(lambda: feed.snapshot.kinds)
        try:
            await feed.desk.request("block_ip", ATTACKER, PARAMS, reason="no")
        except Refused as error:
            assert "vera is a viewer" in str(error)
        else:
            raise AssertionError("a viewer may ask for nothing")


async def test_who_watches_comes_with_what_was_found(place: Place, follow: Follow, wait_for: Follow) -> None:
    async with follow() as feed:
        await wait_for(lambda: feed.snapshot.control)
        assert feed.snapshot.detectors == ()
        async with place.leader() as (store, lease):
            await store_findings.write(
                *(store, lease, "brute_force"), revision=0, settled_at=None, reason="no source"
            )
        await wait_for(lambda: [d.reason for d in feed.snapshot.detectors] == ["no source"])


def test_what_is_over_for_too_long_is_left_out_though_nobody_tells() -> None:
    base = actions.live()
    assert base.without_the_past() == base
    later = replace(base, at=base.at + timedelta(hours=1)).without_the_past()
    assert {e.id for e in base.effects} - {e.id for e in later.effects} == {28}
    next_day = replace(base, at=base.at + timedelta(hours=24)).without_the_past()
    assert {a.id for a in next_day.actions} == {9, 10, 11, 12}
    assert {f.id for f in next_day.findings} == {2, 3, 4}


async def test_the_feed_leaves_it_out(
    place: Place, follow: Follow, wait_for: Follow, monkeypatch: Any
) -> None:
    async with follow("alice") as feed:
        await wait_for(lambda: feed.snapshot.control)
        await published(place)
        await wait_for(lambda: feed.snapshot.kinds)
        asked = await feed.desk.request("block_ip", ATTACKER, PARAMS, reason="brute force")
        await feed.desk.cancel(asked.id, "withdrawn")
        await wait_for(lambda: state_of(feed.snapshot, asked.id) is ActionState.CANCELLED)
        late = feed.now() + timedelta(hours=25)
        monkeypatch.setattr(feed, "now", lambda: late)
        feed._hint("lease")
        await wait_for(lambda: not feed.snapshot.actions)


async def test_the_checklist_is_asked_for_and_fills_in_before_the_eyes_of_others(
    place: Place, follow: Follow, wait_for: Follow, monkeypatch: Any
) -> None:
    monkeypatch.setattr(feeds, "_POLL_S", 600.0)
    async with follow("alice") as mine, follow("bob") as other:
        heard: list[str] = []
        other.watch("check", lambda: heard.append("check"))
        await wait_for(lambda: mine.snapshot.control and other.snapshot.control and heard)
        assert other.snapshot.checklist is None
        asked = await mine.desk.ask_checks("pre", commit="ab" * 20, version="v2.9.0")
        await wait_for(lambda: other.snapshot.checklist is not None)
        async with place.leader() as (store, lease):
            await store_checks.start(store, lease, asked.id, 1)
            await store_checks.put(
                *(store, lease, asked.id, 1),
                CheckResult(
                    "db.backups", "Backup", "database", CheckStatus.MANUAL, "by hand: restore not tested", 1
                ),
            )
            await wait_for(lambda: other.snapshot.checklist and other.snapshot.checklist.results)
            await store_checks.end(store, lease, asked.id)
        await mine.desk.tick("db.backups", "restored to staging")
        await wait_for(
            lambda: other.snapshot.checklist and other.snapshot.checklist.report.overall == "passed"
        )
        run = other.snapshot.checklist
        assert run is not None and (run.id, run.by, run.version, run.total) == (
            asked.id,
            "alice",
            "v2.9.0",
            1,
        )
