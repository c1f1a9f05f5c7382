"""Blocks, asked of the platform over HTTP: not of our tables."""

import ipaddress
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from console.actions.kind import Request, Run
from console.actions.kinds import block
from console.domain.action import ActionState, StepState
from console.gateway.changes import Changes
from console.store import actions, effects

from .conftest import SCALE, Stage, fresh_address

INSIDE, EDGE = "/health", "/status"


@asynccontextmanager
async def changes_of(stage: Stage) -> AsyncIterator[Changes]:
    changes = Changes.open(stage.settings().platform)
    try:
        yield changes
    finally:
        await changes.close()


def unheard(line: str) -> None:
    pass


async def test_a_blocked_address_gets_403_on_both_layers_until_it_is_taken_back(stage: Stage) -> None:
    address = fresh_address()
    async with stage.agent():
        planned = await stage.ask("block_ip", address, network=address, length="24h")
        plan = planned.plan
        assert plan is not None and plan.title == f"Block {address} for 24h"
        assert plan.command == f"tradex block-ip {address} --reason 'a test'\"'\"'s reason'"
        assert [step.name for step in plan.steps] == ["platform", "vercel"] and plan.until is not None
        assert all(guard.passed for guard in plan.guards)
        assert await stage.status(address, INSIDE) == await stage.status(address, EDGE) == 200
        await stage.confirm(planned)
        await stage.answers(address, INSIDE, 403)
        await stage.answers(address, EDGE, 403)
        block = await stage.ended(planned.id)
        assert block.state is ActionState.DONE and block.proof is not None, block.words
        assert block.proof.verdict == "proved" and "refused with 403" in block.words
        (effect,) = await effects.current(stage.alice)
        assert (effect.kind, effect.target, effect.author) == ("block_ip", address, "alice")
        assert [(layer.name, layer.state) for layer in effect.layers] == [
            ("platform", "in force"),
            ("vercel", "in force"),
        ]
        commands = [
            line.text for line in await actions.output(stage.alice, block.id) if line.kind == "command"
        ]
        assert len(commands) == 2 and "INSERT INTO blocked_ips" in commands[0] and "PATCH" in commands[1]
        undo = await stage.done("unblock_ip", address, network=address)
        assert await stage.status(address, INSIDE) == await stage.status(address, EDGE) == 200
        (effect,) = await effects.current(stage.alice, lifted_since=block.requested_at)
        assert effect.lifted_by == undo.id
    steps = await actions.steps(stage.alice, block.id)
    assert [(step.state, step.attempt) for step in steps] == [(StepState.DONE, 1)] * 2
    assert await stage.platform.effects("block", f"{address}/32") == 1
    assert await stage.platform.effects("ip.insert", address) == 1


async def test_a_block_ends_by_itself_on_both_layers_with_an_action_of_its_own(stage: Stage) -> None:
    address = fresh_address()
    async with stage.agent():
        # 5 min are 3 s here: longer than it is watched.
        block = await stage.done("block_ip", address, network=address, length="5m")
        assert await stage.status(address, EDGE) == 403
        await stage.answers(address, INSIDE, 200)
        await stage.answers(address, EDGE, 200)

        async def ended() -> bool:
            (effect,) = await effects.current(stage.alice, lifted_since=block.requested_at)
            return effect.lifted_at is not None

        await stage.wait_for(ended, timeout=20)
        (effect,) = await effects.current(stage.alice, lifted_since=block.requested_at)
        assert effect.lifted_by is not None
        end = await stage.ended(effect.lifted_by)
        assert (end.state, end.origin, end.undo_of) == (ActionState.DONE, "automatic", block.id)
        assert end.cause == f"action {block.id} expired" and end.kind == "unblock_ip"
    assert await stage.platform.effects("unblock", f"{address}/32") == 1


async def test_the_block_before_is_not_taken_for_the_one_that_was_cut_off(stage: Stage) -> None:
    address = fresh_address()
    network = ipaddress.ip_network(address)
    async with changes_of(stage) as changes:
        now = await changes.now()
        request = Request(1, "block_ip", address, {"network": address, "length": "24h"}, "a test's")
        run = Run(request, changes, now, now, 1.0, unheard, unheard)
        (kind, _) = block.kinds(changes.configured, many=20)
        step = kind.steps(request)[0]
        assert step.probe is not None
        assert not await step.probe(run, "")
        await changes.block(network, "an old one", now + timedelta(hours=1))
        assert not await step.probe(run, "")
        await step.do(run)
        assert await step.probe(run, "")
        await changes.unblock(network)


async def test_failed_log_ins_before_a_block_are_counted_over_one_time(stage: Stage) -> None:
    address = fresh_address()
    async with changes_of(stage) as changes:
        now = await changes.now()
        begun = now - timedelta(seconds=5)
        # Five minutes are half a minute here; the last one is of the time since.
        for ago in (40, 25, 10, -2):
            await stage.platform.execute(
                "INSERT INTO auth_audit_log (action, ip_address, created_at) "
                "VALUES ('authentication_failure', $1::text::inet, $2)",
                address,
                begun - timedelta(seconds=ago),
            )
        (kind, _) = block.kinds(changes.configured, many=20)
        request = Request(1, "block_ip", address, {"network": address}, "a test's")
        proof = await kind.prove(Run(request, changes, begun, now, 10.0, unheard, unheard))
    shown = {fact.label: fact.value for fact in proof.facts}
    assert (shown["failed log-ins in the 5m before"], shown["failed log-ins since"]) == ("2", "1")


async def test_a_rule_that_is_left_at_vercel_is_no_proof_of_an_unblock(stage: Stage) -> None:
    address, wide = "198.51.100.201", ipaddress.ip_network("198.51.100.200/30")
    async with changes_of(stage) as changes, stage.agent():
        await stage.done("block_ip", address, network=address)
        await changes.deny(wide, "of somebody else")
        try:
            undo = await stage.done("unblock_ip", address, network=address)
        finally:
            await changes.allow(wide)
        assert undo.proof is not None and undo.proof.verdict == "unproved"
        assert "still refused: 198.51.100.200/30 is denied at Vercel" in undo.words


async def test_one_layer_that_fails_does_not_leave_the_other_one_open(stage: Stage) -> None:
    address = fresh_address()
    # It would be watched for two minutes, and nothing more can come of it.
    stage.scale = 1.0
    async with stage.agent(vercel_token="wrong"):
        planned = await stage.ask("block_ip", address, network=address)
        await stage.confirm(planned)
        block = await stage.ended(planned.id)
        assert await stage.status(address, INSIDE) == 403 and await stage.status(address, EDGE) == 200
        (effect,) = await effects.current(stage.alice)
        states = {layer.name: layer.state for layer in effect.layers}
        assert states == {"platform": "in force", "vercel": "failed"}
        # Half a block is no success, and the half that failed is no step that is over.
        assert block.state is ActionState.FAILED and (block.step, block.steps) == (1, 2)
        assert block.words.startswith("in part: vercel failed (") and "HTTP 403" in block.words
        assert "), platform in force; ask again when it answers" in block.words
    stage.scale = SCALE
    async with stage.agent("a2"):
        again = await stage.done("block_ip", address, network=address)
        assert again.id != block.id and again.step == again.steps == 2
        assert await stage.status(address, EDGE) == 403
        (effect,) = await effects.current(stage.alice)
        assert [layer.state for layer in effect.layers] == ["in force", "in force"]


async def test_while_the_platforms_database_is_away_a_block_is_put_at_the_edge(stage: Stage) -> None:
    address = fresh_address()
    # It would be watched for two minutes, and nothing more can come of it.
    stage.scale = 1.0
    async with stage.agent(), stage.platform.drill("db-down"):
        planned = await stage.ask("block_ip", address, network=address)
        plan = planned.plan
        assert plan is not None and [step.layer for step in plan.steps] == ["platform", "vercel"]
        (fact,) = plan.facts
        assert fact.label == "who and which orders came from there" and fact.value.startswith("no source: ")
        assert "not permitted to log in" in fact.value
        assert plan.notes == ("platform: away now, it will be tried",)
        # These are known without it; how many people it would hit is not.
        assert plan.guards and all(guard.passed for guard in plan.guards)
        assert plan.second_person == "how many people worked from there can't be known now"
        private = await stage.ask("block_ip", "10.1.2.3", network="10.1.2.3")
        assert private.state is ActionState.REFUSED and "private range" in private.words
        await stage.confirm(planned)
        await actions.approve(stage.bob, planned.id, plan_hash=planned.plan_hash)
        part = await stage.ended(planned.id)
        assert part.state is ActionState.FAILED and part.words.startswith("in part: platform failed (")
        assert "), vercel in force; ask again when it answers" in part.words
        assert await stage.status(address, EDGE) == 403
        (effect,) = await effects.current(stage.alice)
        assert [layer.state for layer in effect.layers] == ["failed", "in force"]
        # What could be done can be taken back.
        undo = await stage.ask("unblock_ip", address, network=address)
        assert undo.plan is not None and "platform: away now, it will be tried" in undo.plan.notes
        await stage.confirm(undo)
        part = await stage.ended(undo.id)
        assert part.state is ActionState.FAILED and part.words.startswith("in part: platform failed (")
        assert "), vercel lifted; ask again when it answers" in part.words
        assert await stage.status(address, EDGE) == 200
        # Whether the platform has it, nobody can say before it answers.
        assert await effects.current(stage.alice) == [effect]
        unknown = await stage.ask("unblock_ip", fresh_address())
        assert unknown.state is ActionState.REFUSED and "not permitted to log in" in unknown.words
    stage.scale = SCALE
    async with stage.agent("a2"):
        await stage.done("unblock_ip", address, network=address)
        assert await effects.current(stage.alice) == []
        async with changes_of(stage) as changes:
            await changes.deny(ipaddress.ip_network(address), "of somebody else")
        again = await stage.done("block_ip", address, network=address)
        assert again.plan is not None and f"denied at Vercel already: {address}" in again.plan.notes
        assert await stage.status(address, INSIDE) == 403


async def test_a_database_that_is_silent_does_not_keep_a_plan_waiting(stage: Stage) -> None:
    address = fresh_address()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/none"
        async with stage.agent(ops_database_url=url):
            planned = await stage.ask("block_ip", address, network=address)
    assert planned.plan is not None and planned.plan.facts[0].value == "no source: timed out after 3 s"


async def test_while_the_firewall_is_away_the_plan_says_so(stage: Stage) -> None:
    address = fresh_address()
    async with stage.agent(vercel_url="http://127.0.0.1:1"):
        planned = await stage.ask("block_ip", address, network=address)
    plan = planned.plan
    assert plan is not None and "vercel: away now, it will be tried" in plan.notes and not plan.second_person
    assert ("rules at Vercel", "no source: connection refused") in [(f.label, f.value) for f in plan.facts]


async def test_from_where_many_people_worked_a_block_takes_a_second_person(
    stage: Stage, tmp_path: Path
) -> None:
    address = fresh_address()
    await stage.platform.execute(
        "INSERT INTO auth_audit_log (user_id, action, ip_address) "
        "SELECT id, 'authentication_success', $1::text::inet FROM profiles LIMIT 21",
        address,
    )

    async def needed(name: str) -> str:
        async with stage.agent(name):
            planned = await stage.ask("block_ip", address, network=address)
            assert planned.plan is not None
            await actions.withdraw(stage.alice, planned.id)
            return planned.plan.second_person

    assert await needed("a1") == "21 people worked from there in the last 24 h"
    stage.file = tmp_path / "actions.yaml"
    stage.file.write_text("guards: {second_person_above_users: 21}")
    assert await needed("a2") == ""


async def test_a_layer_that_is_not_configured_is_said_and_left_out(stage: Stage) -> None:
    address = fresh_address()
    async with stage.agent(vercel_project=None):
        planned = await stage.ask("block_ip", address, network=address)
        assert planned.plan is not None and [step.layer for step in planned.plan.steps] == ["platform"]
        assert "vercel: not configured here" in planned.plan.notes
        await stage.confirm(planned)
        await stage.ended(planned.id)
        (effect,) = await effects.current(stage.alice)
        assert [layer.state for layer in effect.layers] == ["in force", "not configured"]


async def test_guards_refuse_in_words_and_nothing_is_changed(stage: Stage) -> None:
    before = await stage.platform.value("SELECT count(*) FROM sandbox.effect_log")
    async with stage.agent(allow_list=("198.51.100.0/28",)):
        for target, words in (
            ("10.1.2.3", "private range"),
            ("127.0.0.1", "loopback"),
            ("198.51.100.7", "allow-listed"),
            ("198.51.0.0/16", "contains 198.51.100.0/28"),
            ("203.0.0.0/15", "too wide"),
            ("203.0.113.1/24", "did you mean 203.0.113.0/24"),
            ("nowhere", "expected an address"),
        ):
            refused = await stage.ask("block_ip", target, network=target)
            assert refused.state is ActionState.REFUSED and words in refused.words, refused
        other = await stage.ask("block_ip", "203.0.113.7", network="203.0.113.8")
        assert other.state is ActionState.REFUSED and "its parameter network is 203.0.113.8" in other.words
        same = await stage.ask("block_ip", "203.0.113.7/32", network="::ffff:203.0.113.7")
        assert same.state is ActionState.PLANNED
        unknown = await stage.ask("unblock_ip", "203.0.113.99", network="203.0.113.99")
        assert unknown.state is ActionState.REFUSED and "is not blocked" in unknown.words
        wide = await stage.ask("block_ip", "203.0.112.0/23", network="203.0.112.0/23")
        assert wide.plan is not None and "512 addresses" in wide.plan.second_person
    assert await stage.platform.value("SELECT count(*) FROM sandbox.effect_log") == before


async def test_guards_are_asked_again_before_the_first_effect(stage: Stage) -> None:
    address = fresh_address()
    async with stage.agent():
        planned = await stage.ask("block_ip", address, network=address)
        await stage.place.owner(
            "UPDATE console.action SET requested_from = $1::text::inet WHERE id = $2", address, planned.id
        )
        await stage.confirm(planned)
        refused = await stage.ended(planned.id)
        assert refused.state is ActionState.REFUSED and "where alice comes from" in refused.words
    assert await stage.platform.effects("block", f"{address}/32") == 0


async def test_ten_who_ask_for_the_same_get_one_action(stage: Stage) -> None:
    address = fresh_address()
    async with stage.agent():
        planned = await stage.ask("block_ip", address, network=address)
        again = await stage.ask("block_ip", address, who=stage.bob, network=address)
        assert again.id == planned.id
