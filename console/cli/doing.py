"""From a wish to its end: ask for the plan, show it, confirm it, follow the agent. All commands go this way."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

from console.cli import action_words as words
from console.cli import prompt
from console.cli.connect import hints, patiently, with_store
from console.cli.how import How
from console.domain.action import Action, ActionState, Choice, KindSpec, Plan, Step, worded
from console.domain.asking import parameters, target, undoing, value_of
from console.domain.errors import Misuse, Refused, TradexError
from console.domain.snapshot import DEPLOYMENTS
from console.domain.text import printable

if TYPE_CHECKING:
    from console.store.pool import Store

_POLL_S = 1.0
# So long a plan is waited for while no agent leads, and while one does.
_NO_AGENT_S, _PLAN_S = 3.0, 30.0
_OPEN = (ActionState.PLANNING, ActionState.PLANNED)

Wait = Callable[[float], Awaitable[None]]
"""Until the store told of an action, at most so many seconds."""


def start(options: dict[str, Any], kind: str, given: Mapping[str, str | None], reason: str, how: How) -> None:
    """Ask for an action of this kind with these parameters (None: left out) and see it through. Ends the command."""
    # Whether there is such a release only the plan tells, and that comes first.
    if kind not in DEPLOYMENTS:
        how.check()

    async def work(store: Store) -> int:
        kinds = await _kinds(store)
        spec = kinds.get(kind)
        if spec is None:
            raise Misuse(
                f"there is no action {printable(worded(kind), 60)}: `tradex actions kinds` lists them"
            )
        params = parameters(spec, {name: value for name, value in given.items() if value is not None})
        for parameter in spec.parameters:
            if parameter.name in params:
                value_of(parameter, params[parameter.name])
        return await _ask_for(store, spec, kinds, params, target(spec, params), reason, how)

    raise SystemExit(with_store(options, work))


def undo(options: dict[str, Any], action_id: int, reason: str, how: How) -> None:
    """Ask for what takes this action back and see it through. Ends the command."""
    how.check()

    async def work(store: Store) -> int:
        kinds = await _kinds(store)
        action = await one(store, action_id)
        spec, params = undoing(action, kinds)
        return await _ask_for(store, spec, kinds, params, action.target, reason, how, undo_of=action.id)

    raise SystemExit(with_store(options, work))


def approve(options: dict[str, Any], action_id: int, how: How) -> None:
    """Show what waits for a second person, ask, and see it through. Ends the command."""
    how.check()

    async def work(store: Store) -> int:
        from console.store import actions

        kinds = await _kinds(store)
        action = await one(store, action_id)
        if action.waits_for_approval and action.plan is not None:
            confirmed = f"{action.confirmed_by} confirmed it: {action.reason}"
            guards = words.confirmed_guards(action)
            _show(how, [confirmed, *words.plan_lines(action.plan, await store.now(), guards)])
            if how.dry_run:
                return _end(how, action, 0)
            if not how.yes and not await prompt.yes(how.say, f"approve action {action.id}?"):
                how.say("not approved")
                return _end(how, action, 1)
        # Whatever else it is, the store says why there is nothing to approve.
        await actions.approve(store, action_id, plan_hash=action.plan_hash)
        async with hints(store, "action") as wait:
            return await _follow(store, action_id, kinds, how, wait)

    raise SystemExit(with_store(options, work))


async def one(store: Store, action_id: int) -> Action:
    """The action with this number. Raises Misuse where there is none."""
    from console.store import actions

    found = await actions.one(store, action_id)
    if found is None:
        raise Misuse(
            f"there is no action {action_id}: `tradex actions list --all` shows those of the last day"
        )
    return found


# --- the way ----------------------------------------------------------------------------------------------------------


async def _kinds(store: Store) -> dict[str, KindSpec]:
    from console.store import actions

    found = {kind.name: kind for kind in await actions.kinds(store)}
    if not found:
        raise TradexError("no agent has led here yet, so it is not known what can be done")
    return found


async def _ask_for(
    store: Store,
    spec: KindSpec,
    kinds: Mapping[str, KindSpec],
    params: Mapping[str, str],
    about: str,
    reason: str,
    how: How,
    undo_of: int | None = None,
) -> int:
    from console.store import actions

    cause = "" if undo_of is None else f"action {undo_of}"
    asked = await actions.request(
        store, kind=spec.name, target=about, params=params, reason=reason, cause=cause, undo_of=undo_of
    )
    if asked.told:
        how.say(asked.told)
    async with hints(store, "action") as wait:
        async with _withdrawn_at_last(store, asked.id, how, mine=not asked.told):
            action = await _planned(store, asked.id, wait)
            if action.state is ActionState.REFUSED:
                raise Refused(f"action {action.id}: {action.words}")
            if action.state is ActionState.PLANNED and action.plan is not None:
                if not await _confirm(store, action, action.plan, spec, how):
                    return _end(how, action, 0 if how.dry_run else 1)
            elif how.dry_run and action.plan is not None:
                _show(how, words.plan_lines(action.plan, await store.now()))
                return _end(how, action, 0)
        return await _follow(store, asked.id, kinds, how, wait)


@asynccontextmanager
async def _withdrawn_at_last(store: Store, action_id: int, how: How, *, mine: bool) -> AsyncIterator[None]:
    """What this command asked for and nobody confirmed does not stay behind, however the command ends."""
    from console.store import actions

    why, failed = "it was not confirmed", False
    try:
        yield
    except asyncio.CancelledError:
        how.say("")
        why = "interrupted"
        raise
    except TradexError as error:
        why, failed = str(error), True
        raise
    finally:
        # What stands in the way of this must not hide what went wrong before.
        with suppress(TradexError):
            action = await one(store, action_id)
            if mine and action.state in _OPEN:
                why = "only the plan was asked for" if how.dry_run else why
                try:
                    await actions.withdraw(store, action_id, why)
                    how.say(f"action {action_id} is withdrawn: nothing was changed")
                except Refused as refused:
                    how.say(f"action {action_id} stays: {refused}")
                action = await one(store, action_id)
            if failed:
                _end(how, action, 0)


async def _planned(store: Store, action_id: int, wait: Wait) -> Action:
    """The action once its plan is there, or once it is known that there will be none. Raises TradexError when the plan
    does not come."""
    from console.store import lease

    begun = time.monotonic()
    while (action := await one(store, action_id)).state is ActionState.PLANNING:
        waited = time.monotonic() - begun
        if waited >= _NO_AGENT_S and (await lease.agent_state(store)).leader is None:
            raise TradexError("no agent leads: nobody can make a plan, and nothing would be done")
        if waited >= _PLAN_S:
            raise TradexError(f"no plan came within {_PLAN_S:.0f} s: see the agent's log")
        await wait(_POLL_S)
    return action


async def _confirm(store: Store, action: Action, plan: Plan, spec: KindSpec, how: How) -> bool:
    """Show the plan and confirm it. False: it is to be left. Raises Refused and Misuse."""
    from console.store import actions

    preview = await actions.preview(store, action.id)
    guards = [(g.name, g.passed or (g.overridable and bool(how.override)), g.text) for g in preview.guards]
    _show(how, words.plan_lines(plan, await store.now(), guards))
    if preview.approval:
        how.say(f"  it takes a second person: {preview.approval}")
    # The store decides when it is confirmed; but nobody is asked about, or for, what it would refuse anyway.
    failed = [text for _, passed, text in guards if not passed]
    if failed and (how.dry_run or not how.yes):
        raise Refused("; ".join(failed))
    if how.dry_run:
        return False
    how.check()
    if how.yes and not failed and (lacking := _lacking(plan, how)):
        raise Misuse(f"this plan takes more than --yes: {'; '.join(lacking)}")
    choices = {
        c.name: how.choices.get(c.name, "") if how.yes else await _chosen(c, how) for c in plan.choices
    }
    typed = how.typed
    if not how.yes and plan.typed:
        typed = await prompt.answer(how.say, f"type {plan.typed} to confirm: ")
        if typed != plan.typed:
            return False
    elif not how.yes and not await prompt.yes(how.say, f"{spec.verb} {action.target}".strip() + "?"):
        return False
    try:
        await actions.confirm(
            store,
            action.id,
            plan_hash=action.plan_hash,
            typed=typed,
            choices=choices,
            override=how.override,
        )
    except Refused as refused:
        # Somebody else who asked for the same was faster: that is as good.
        now = await one(store, action.id)
        if now.state in _OPEN or not now.confirmed_by:
            raise
        how.say(str(refused))
    return True


def _lacking(plan: Plan, how: How) -> list[str]:
    """What the plan takes and was not given, each in words."""
    given = f", not {how.typed!r}" if how.typed else ""
    typed = [f"add --typed {plan.typed!r}{given}"] if plan.typed != how.typed and plan.typed else []
    chosen = [(choice, how.choices.get(choice.name, "")) for choice in plan.choices]
    return typed + [words for choice, word in chosen if (words := _open(choice, word))]


def _open(choice: Choice, word: str) -> str:
    """What there is to choose from; "" where this word is one of them."""
    if word in (known for known, _ in choice.options):
        return ""
    options = ", ".join(f"--choose {choice.name}={known}" for known, _ in choice.options)
    return f"{choice.title}: choose one of {options}"


async def _chosen(choice: Choice, how: How) -> str:
    """The word that was chosen beforehand, else the one that is now. Raises Misuse."""
    known = "/".join(word for word, _ in choice.options)
    word = how.choices.get(choice.name, "") or await prompt.answer(how.say, f"{choice.title} ({known}): ")
    if words := _open(choice, word):
        raise Misuse(words)
    return word


async def _follow(store: Store, action_id: int, kinds: Mapping[str, KindSpec], how: How, wait: Wait) -> int:
    """Print each step as it changes until the action is over, or waits for a person; the exit code."""
    from console.store import actions, lease

    seen: dict[int, Step] = {}
    state: ActionState | None = None
    since, told = time.monotonic(), False

    async def read() -> tuple[Action, list[Step], str | None]:
        # In this order, so that no step is missed when it is over.
        action = await one(store, action_id)
        return action, await actions.steps(store, action_id), (await lease.agent_state(store)).leader

    try:
        while True:
            action, steps, leader = await patiently(read)
            if action.state is not state and not action.state.final:
                how.say(f"action {action.id}, {words.title(action)}: {action.state}")
            state = action.state
            for step in steps:
                if seen.get(step.seq) != step and (step.seq in seen or step.started_at or step.due_at):
                    how.say(words.step_line(step))
                seen[step.seq] = step
            if state.final or not how.wait or words.what_to_do(action):
                break
            if leader is not None:
                since, told = time.monotonic(), False
            elif not told and time.monotonic() - since >= _NO_AGENT_S:
                how.say("no agent leads: it goes on when one does")
                told = True
            await wait(_POLL_S)
    except asyncio.CancelledError:
        how.say(
            f"\naction {action_id} goes on without this command: `tradex actions show {action_id}` tells how it "
            f"stands, `tradex actions cancel {action_id}` ends it after the present step"
        )
        raise
    if not action.state.final:
        how.say(words.what_to_do(action) or f"it goes on: tradex actions show {action.id}")
        # Nothing happens until a person decides: a script that went on would take it for done.
        return _end(how, action, 1 if words.what_to_do(action) else 0)
    how.say(words.ended(action))
    if action.proof is not None:
        _show(how, words.proof_lines(action.proof))
    if hint := words.undo_hint(action, kinds):
        how.say(hint)
    return _end(how, action, _exit_code(action))


def _exit_code(action: Action) -> int:
    """Of one that is over."""
    if action.state is ActionState.REFUSED:
        return Refused.exit_code
    worse = action.proof is not None and action.proof.verdict == "worse"
    return 0 if action.state is ActionState.DONE and not worse else 1


def _end(how: How, action: Action, code: int) -> int:
    if how.as_json:
        click.echo(json.dumps(words.action_json(action), indent=2))
    return code


def _show(how: How, lines: Iterable[str]) -> None:
    for line in lines:
        how.say(line)
