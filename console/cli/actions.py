"""`tradex actions`: what screen 9 shows and does, on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from console.cli import action_words as words
from console.cli import doing
from console.cli.connect import with_store
from console.cli.how import How, answers, pairs
from console.cli.how import reason as _reason
from console.cli.tables import print_table
from console.domain import duration
from console.domain.action import Action, Effect, Freeze, Glass, KindSpec, OutputLine, Step
from console.domain.errors import Misuse
from console.domain.format import clock, iso

if TYPE_CHECKING:
    from console.store.pool import Store

_DAY = timedelta(days=1)
_MOST = 200
_number = click.argument("action_id", metavar="ID", type=int)


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Of the list.")
@click.pass_context
def actions(ctx: click.Context, as_json: bool) -> None:
    """What touches the platform: asked for, planned, confirmed, run, proved. Without a command: the list."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_, as_json=as_json)


@actions.command("list")
@click.option("--all", "ended", is_flag=True, help="Also what ended in the last day.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def list_(options: dict[str, Any], ended: bool = False, as_json: bool = False) -> None:
    """Actions that are not over, the latest first."""

    async def read(store: Store) -> tuple[datetime, list[Action], list[Glass]]:
        from console.store import actions as stored
        from console.store import freezes as guards

        now = await store.now()
        found = await stored.current(store, since=now - _DAY if ended else now, limit=_MOST)
        # One that ended a moment ago is over.
        shown = [a for a in found if ended or not a.state.final]
        return now, shown, [] if as_json else await guards.broken_glass(store)

    now, found, glass = with_store(options, read)
    if sum(action.state.final for action in found) >= _MOST:
        click.echo(f"tradex: of those that ended only the last {_MOST}: `tradex audit` has all", err=True)
    if as_json:
        click.echo(json.dumps([words.action_json(a) for a in found], indent=2))
        return
    for each in glass:
        click.echo(f"■ {each.author} broke the glass until {clock(each.ends_at)}: {each.reason}")
    if found:
        print_table(words.action_table(found, now))
    else:
        click.echo(
            "no action in the last day"
            if ended
            else "no action is under way; `tradex actions list --all` has what was done"
        )


@actions.command()
@_number
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def show(options: dict[str, Any], action_id: int, as_json: bool) -> None:
    """One action: its plan, its steps, the exact calls, what it went through, what the platform showed."""

    async def read(
        store: Store,
    ) -> tuple[
        datetime, Action, list[Step], list[OutputLine], list[tuple[datetime, str, str, str]], list[Effect]
    ]:
        from console.store import actions as stored
        from console.store import effects as in_force

        action = await doing.one(store, action_id)
        now = await store.now()
        effects = await in_force.current(store, lifted_since=now - _DAY)
        return (
            now,
            action,
            await stored.steps(store, action_id),
            await stored.output(store, action_id),
            await stored.changes(store, action_id),
            [e for e in effects if action_id in (e.action_id, e.lifted_by)],
        )

    now, action, steps, output, changes, effects = with_store(options, read)
    if as_json:
        found = words.action_json(action) | {
            "steps": [words.step_json(s) for s in steps],
            "output": [{"at": iso(o.at), "step": o.step, "kind": o.kind, "text": o.text} for o in output],
            "history": [
                {"at": iso(at), "state": state, "actor": actor, "text": text}
                for at, state, actor, text in changes
            ],
            "effects": [words.effect_json(e) for e in effects],
        }
        click.echo(json.dumps(found, indent=2))
        return
    click.echo(f"{words.headline(action)}  (number {action.id})")
    click.echo(f"reason   {action.reason} ({action.requested_by}, {iso(action.requested_at)})")
    if action.words:
        click.echo(f"result   {action.words}")
    if todo := words.what_to_do(action):
        click.echo(f"to do    {todo}")
    if action.plan is not None:
        _print("plan", words.plan_lines(action.plan, now, words.confirmed_guards(action)))
    _print("steps", map(words.step_line, steps))
    _print("calls and output", map(words.output_line, output))
    for effect in effects:
        _print("in force" if effect.lifted_at is None else "lifted", words.effect_lines(effect, now))
    if action.proof is not None:
        _print("proof", words.proof_lines(action.proof))
    _print("history", (f"  {clock(at)}  {state:<12} {actor}  {text}" for at, state, actor, text in changes))


@actions.command()
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def kinds(options: dict[str, Any], as_json: bool) -> None:
    """What can be done here, by whom, and what it takes."""

    async def read(store: Store) -> list[KindSpec]:
        from console.store import actions as stored

        return await stored.kinds(store)

    found = with_store(options, read)
    if as_json:
        click.echo(json.dumps([words.kind_json(k) for k in found], indent=2))
    elif found:
        print_table(words.kind_table(found))
    else:
        click.echo("no agent has led here yet, so it is not known what can be done")


@actions.command("start")
@click.argument("kind")
@click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="A parameter; `kinds` names them.")
@_reason
@answers
@click.pass_obj
def start(options: dict[str, Any], kind: str, given: tuple[str, ...], reason: str, how: How) -> None:
    """Start an action of any KIND, also of those that this installation declares."""
    doing.start(options, kind.replace("-", "_"), pairs("--set", given), reason, how)


@actions.command()
@_number
@answers
@click.pass_obj
def approve(options: dict[str, Any], action_id: int, how: How) -> None:
    """Be the second person of an action that takes two."""
    doing.approve(options, action_id, how)


@actions.command()
@_number
@_reason
@answers
@click.pass_obj
def undo(options: dict[str, Any], action_id: int, reason: str, how: How) -> None:
    """Take back what an action did, by the action that its kind names for it."""
    doing.undo(options, action_id, reason, how)


@actions.command()
@_number
@click.option("--reason", default="", metavar="TEXT")
@click.pass_obj
def cancel(options: dict[str, Any], action_id: int, reason: str) -> None:
    """End an action: at once before it runs, else once its step may be left. What is done stays done."""

    async def work(store: Store) -> Action:
        from console.store import actions as stored

        await doing.one(store, action_id)
        await stored.cancel(store, action_id, reason)
        return await doing.one(store, action_id)

    action = with_store(options, work)
    click.echo(
        f"action {action_id} is {action.state}"
        if action.state.final
        else f"action {action_id} ends after the present step; what is done stays done"
    )


@actions.command()
@_number
@click.argument("choice", type=click.Choice(["again", "skip", "stop"]))
@click.option("--reason", default="", metavar="TEXT")
@click.pass_obj
def resume(options: dict[str, Any], action_id: int, choice: str, reason: str) -> None:
    """How an interrupted action goes on: `again` runs the step once more, `skip` takes it as done, `stop` ends it."""

    async def work(store: Store) -> None:
        from console.store import actions as stored

        await doing.one(store, action_id)
        await stored.resume(store, action_id, choice, reason)

    with_store(options, work)
    click.echo(f"{choice}: the agent takes action {action_id} up; tradex actions show {action_id}")


@actions.command()
@click.option("--for", "length", required=True, metavar="DURATION", help="8h, 2d.")
@_reason
@click.option("--from", "begin", metavar="ISO", help="From this time on (by default from now on).")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def freeze(options: dict[str, Any], length: str, reason: str, begin: str | None, as_json: bool) -> None:
    """Let nothing that minds a freeze be done for a while (commanders)."""
    wanted = _duration(length)
    since = None if begin is None else _moment(begin)

    async def work(store: Store) -> tuple[datetime, Freeze]:
        from console.store import freezes as stored

        made = await stored.add(store, start=since, length=wanted, reason=reason)
        return await store.now(), made

    now, made = with_store(options, work)
    if as_json:
        click.echo(json.dumps(words.freeze_json(made, now), indent=2))
    else:
        click.echo(f"freeze {made.id} from {iso(made.starts_at)} until {iso(made.ends_at)}: {made.reason}")


@actions.command()
@click.argument("freeze_id", metavar="ID", type=int)
@click.pass_obj
def thaw(options: dict[str, Any], freeze_id: int) -> None:
    """End a freeze before its time (commanders)."""

    async def work(store: Store) -> None:
        from console.store import freezes as stored

        await stored.end(store, freeze_id)

    with_store(options, work)
    click.echo(f"freeze {freeze_id} is over")


@actions.command()
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def freezes(options: dict[str, Any], as_json: bool) -> None:
    """Freezes that hold now or will."""

    async def read(store: Store) -> tuple[datetime, list[Freeze]]:
        from console.store import freezes as stored

        return await store.now(), await stored.current(store)

    now, found = with_store(options, read)
    if as_json:
        click.echo(json.dumps([words.freeze_json(f, now) for f in found], indent=2))
    elif found:
        print_table(words.freeze_table(found, now))
    else:
        click.echo("nothing is frozen")


@actions.command("break-glass")
@click.option("--for", "length", required=True, metavar="DURATION", help="At most 1h.")
@_reason
@click.pass_obj
def break_glass(options: dict[str, Any], length: str, reason: str) -> None:
    """Do without a second person for a while: everybody is told, and it stays in the audit."""
    wanted = _duration(length)

    async def work(store: Store) -> Glass:
        from console.store import freezes as stored

        return await stored.break_glass(store, reason=reason, length=wanted)

    glass = with_store(options, work)
    click.echo(
        f"until {iso(glass.ends_at)} what {glass.author} confirms takes no second person; "
        "end it with: tradex actions mend-glass"
    )


@actions.command("mend-glass")
@click.option("--of", "author", metavar="LOGIN", help="Somebody else's (commanders).")
@click.pass_obj
def mend_glass(options: dict[str, Any], author: str | None) -> None:
    """End it before its time."""

    async def work(store: Store) -> None:
        from console.store import freezes as stored

        await stored.mend_glass(store, author)

    with_store(options, work)
    click.echo("the glass is mended: what takes two takes two again")


def _print(headline: str, lines: Iterable[str]) -> None:
    found = list(lines)
    if found:
        click.echo(headline)
    for line in found:
        click.echo(line)


def _duration(text: str) -> timedelta:
    # How long is too long is the store's to say.
    found = duration.parse(text, longest=duration.ANY_LENGTH)
    if not found:
        raise Misuse(f"--for: expected {duration.EXPECTED}, not {text!r}")
    return found


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise Misuse(f"--from: expected a time with its zone, such as 2026-03-10T12:00:00Z, not {text!r}")
    return found
