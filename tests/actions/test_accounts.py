"""Suspensions, asked of the platform: orders, sessions, log-ins; and what is due later survives the agent."""

from datetime import timedelta

import pytest

from console.domain.action import ActionState, StepState
from console.domain.asking import undoing
from console.domain.errors import Refused
from console.store import actions, effects
from tests.sandbox.platform import order, somebody
from tests.sandbox.test_gotrue import log_in, renew

from .conftest import Stage

EXECUTE = "/functions/v1/execute-order"


async def order_code(stage: Stage, token: str) -> tuple[int, str]:
    async with stage.platform.client(token=token) as client:
        answer = await client.post(EXECUTE, json=order())
        error = answer.json().get("error") or {}
        return answer.status_code, error.get("code", "") if isinstance(error, dict) else str(error)


async def test_a_suspended_account_can_neither_order_nor_log_in_until_it_is_reinstated(stage: Stage) -> None:
    person = somebody()
    session = (await log_in(stage.platform, person)).json()
    assert (await order_code(stage, session["access_token"]))[0] == 200
    async with stage.agent():
        planned = await stage.ask("suspend_account", person.email, account=person.email)
        plan = planned.plan
        assert plan is not None and plan.typed == person.email
        (choice,) = plan.choices
        assert "open position" in choice.title and [word for word, _ in choice.options] == ["keep"]
        await stage.confirm(planned, open="keep")
        action = await stage.ended(planned.id)
        assert action.state is ActionState.DONE and action.proof is not None, action.words
        assert action.proof.verdict == "proved"
        assert await order_code(stage, session["access_token"]) == (403, "account_suspended")
        assert (await renew(stage.platform, session["refresh_token"])).status_code == 400
        assert (await log_in(stage.platform, person)).status_code == 403
        steps = await actions.steps(stage.alice, action.id)
        first, second = steps[2], steps[3]
        assert second.due_at is not None and action.started_at is not None
        assert second.due_at - action.started_at == timedelta(seconds=3)
        assert (
            second.started_at is not None
            and second.started_at >= second.due_at
            and first.ended_at is not None
        )
        lines = [line.text for line in await actions.output(stage.alice, action.id) if line.kind == "command"]
        assert sum("DELETE FROM auth.sessions" in line for line in lines) == 2

        shown = {fact.label: fact.value for fact in action.proof.facts}
        assert shown["log-ins"] == "refused without an end" and steps[1].text == "no log-in, without an end"

        # By its other name.
        await stage.done("reinstate_account", person.id, account=person.id)
        assert (await order_code(stage, session["access_token"]))[0] == 200
        assert (await log_in(stage.platform, person)).status_code == 200
        assert await effects.current(stage.alice) == []


async def test_an_account_is_one_target_however_it_is_named(stage: Stage) -> None:
    person = somebody()
    stage.scale = 50.0
    loud = person.email.upper()
    async with stage.agent():
        planned = await stage.ask("suspend_account", person.id, account=person.id)
        assert (planned.state, planned.target) == (ActionState.PLANNED, person.email)
        assert planned.plan is not None and planned.plan.typed == person.email
        same = await stage.ask("suspend_account", person.id, who=stage.bob, account=person.id)
        assert same.id == planned.id, "the same words join what they asked for"
        other = await stage.ask("suspend_account", person.email, account=person.email)
        shouted = await stage.ask("suspend_account", loud, account=loud)
        assert other.target == shouted.target == person.email
        await stage.confirm(planned)
        with pytest.raises(Refused, match=f"action {planned.id} of alice is under way"):
            await stage.confirm(other)
        late = await stage.ask("suspend_account", loud, account=loud, length="2h")
        assert late.state is ActionState.REFUSED
        assert late.words.startswith(f"action {planned.id} is under way: suspend-account {person.email}")
        joined = await stage.ask("suspend_account", person.id, account=person.id)
        assert joined.id == planned.id
        action = await stage.ended(planned.id)
        assert action.state is ActionState.DONE, action.words
        (effect,) = await effects.current(stage.alice)
        assert effect.target == person.email
        undo, params = undoing(action, {kind.name: kind for kind in await actions.kinds(stage.alice)})
        back = await stage.ask(undo.name, action.target, account=params["account"])
        assert (back.state, back.target) == (ActionState.PLANNED, person.email), back.words


async def test_the_second_deletion_of_sessions_survives_a_change_of_agents(stage: Stage) -> None:
    person = somebody()
    await log_in(stage.platform, person)
    stage.scale = 50.0
    async with stage.agent("a1"):
        planned = await stage.ask("suspend_account", person.id, account=person.id)
        await stage.confirm(planned)

        async def third() -> bool:
            steps = await actions.steps(stage.alice, planned.id)
            return len(steps) == 4 and steps[2].state is StepState.DONE

        await stage.wait_for(third)
    # A session that a log-in begun before has completed meanwhile.
    await stage.platform.execute("INSERT INTO auth.sessions (user_id) VALUES ($1)", person.id)
    async with stage.agent("a2"):
        action = await stage.ended(planned.id)
    assert action.state is ActionState.DONE, action.words
    assert await stage.platform.value("SELECT count(*) FROM auth.sessions WHERE user_id = $1", person.id) == 0
    assert await stage.platform.effects("sessions_deleted", person.id) == 2
    assert await stage.platform.effects("account_status", person.id) == 1
    assert [s.attempt for s in await actions.steps(stage.alice, planned.id)] == [1, 1, 1, 1]


async def test_who_is_reinstated_meanwhile_keeps_the_new_session(stage: Stage) -> None:
    person = somebody()
    stage.scale = 50.0
    async with stage.agent():
        planned = await stage.ask("suspend_account", person.email, account=person.email)
        await stage.confirm(planned)

        async def third() -> bool:
            steps = await actions.steps(stage.alice, planned.id)
            return len(steps) == 4 and steps[2].state is StepState.DONE

        await stage.wait_for(third)
        back = await stage.ask("reinstate_account", person.email, account=person.email)
        await stage.confirm(back)

        async def lifted() -> bool:
            return not await effects.current(stage.alice)

        await stage.wait_for(lifted)
        assert (await log_in(stage.platform, person)).status_code == 200
        action = await stage.ended(planned.id)
        assert (await actions.steps(stage.alice, planned.id))[3].state is StepState.SKIPPED
        assert action.state is ActionState.DONE and "taken back by action" in action.words
    assert await stage.platform.value("SELECT count(*) FROM auth.sessions WHERE user_id = $1", person.id) == 1


async def test_a_suspension_with_a_length_ends_by_itself(stage: Stage) -> None:
    person = somebody()
    async with stage.agent():
        action = await stage.done("suspend_account", person.email, account=person.email, length="10m")
        assert (await log_in(stage.platform, person)).status_code == 403

        async def back() -> bool:
            return (await log_in(stage.platform, person)).status_code == 200

        await stage.wait_for(back, timeout=20)

        async def reinstated() -> bool:
            done = await actions.one(stage.alice, action.id)
            return done is not None and done.undone_by is not None

        await stage.wait_for(reinstated, timeout=20)


async def test_staff_oneself_and_strangers_are_refused(stage: Stage) -> None:
    staff = await stage.platform.value("SELECT email FROM profiles WHERE account_tier = 'staff' LIMIT 1")
    person = somebody()
    await stage.platform.execute("UPDATE profiles SET email = 'alice@mail.example' WHERE id = $1", person.id)
    async with stage.agent():
        for who, words in (
            (staff, "staff"),
            ("alice@mail.example", "oneself"),
            ("nobody@x.example", "no account"),
        ):
            for kind in ("suspend_account", "reset_password"):
                refused = await stage.ask(kind, who, account=who)
                assert refused.state is ActionState.REFUSED and words in refused.words, refused
        free = await stage.ask("reinstate_account", person.id, account=person.id)
        assert free.state is ActionState.REFUSED and "is not suspended" in free.words
        # Another one may suspend alice.
        other = await stage.ask("suspend_account", person.id, who=stage.bob, account=person.id)
        assert other.state is ActionState.PLANNED, other.words


async def test_a_reset_password_is_void_and_its_mail_is_sent_once(stage: Stage) -> None:
    person = somebody()
    async with stage.agent():
        action = await stage.done("reset_password", person.email, account=person.email)
        assert action.plan is not None and action.plan.typed == person.email
        assert "tokens that were issued stay valid until they expire" in action.plan.notes
        assert action.proof is not None and action.proof.verdict == "proved"
    assert (await log_in(stage.platform, person)).status_code == 400
    assert await stage.platform.effects("auth_user", person.id) == 1
    sent = await stage.platform.value("SELECT count(*) FROM sandbox.effect_log WHERE effect = 'recover'")
    assert sent == 1
