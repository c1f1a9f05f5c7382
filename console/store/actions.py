"""Actions in the store: what people ask of them, what the leading agent writes of them, and how they are read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import asyncpg

from console.domain.action import (
    Action,
    ActionState,
    Choice,
    Danger,
    Effect,
    Fact,
    Freeze,
    Glass,
    Guard,
    KindSpec,
    Layer,
    OutputLine,
    Parameter,
    Plan,
    PlannedStep,
    Proof,
    Step,
    StepState,
)
from console.domain.text import printable
from console.store.lease import Lease
from console.store.pool import Store
from console.store.refusals import asked, numbers


class Asked(NamedTuple):
    """The answer to a request: the action's number, and `told` who asked for the same before ("" for nobody)."""

    id: int
    told: str


class StoreGuard(NamedTuple):
    """What a guard of the store would say now to whoever asks. `overridable`: a commander may, with a reason."""

    name: str
    passed: bool
    overridable: bool
    text: str


class Preview(NamedTuple):
    """The store's own guards, and why a second person would be needed ("" when not)."""

    guards: tuple[StoreGuard, ...]
    approval: str


# --- what people do ---------------------------------------------------------------------------------------------------


async def request(
    store: Store,
    *,
    kind: str,
    target: str,
    params: Mapping[str, str],
    reason: str,
    cause: str = "",
    undo_of: int | None = None,
) -> Asked:
    """Ask for a plan. Nothing is done before it is confirmed. Raises Refused, StoreAway and StoreRefused."""
    row = await asked(
        store,
        "start actions",
        "SELECT refusal, id, told FROM console.request_action($1, $2, $3, $4, $5, $6)",
        printable(kind, 60),
        printable(target, 200),
        json.dumps({key: printable(value, 1000) for key, value in sorted(params.items())}),
        printable(reason.strip(), 400),
        printable(cause, 200),
        undo_of,
    )
    return Asked(row["id"], printable(row["told"]))


async def preview(store: Store, action_id: int) -> Preview:
    """What the store would say if the person of this connection confirmed now."""
    rows = await store.fetch(
        "SELECT name, passed, overridable, text, approval FROM console.preview_guards($1)", action_id
    )
    return Preview(
        tuple(
            StoreGuard(printable(r["name"], 40), r["passed"], r["overridable"], printable(r["text"]))
            for r in rows
        ),
        printable(rows[0]["approval"] or "") if rows else "",
    )


async def confirm(
    store: Store,
    action_id: int,
    *,
    plan_hash: str,
    typed: str = "",
    choices: Mapping[str, str] | None = None,
    override: str = "",
) -> None:
    """Confirm the plan with this hash. Raises Refused with the guard's reason, StoreAway and StoreRefused."""
    await asked(
        store,
        "confirm actions",
        "SELECT console.confirm_action($1, $2, $3, $4, $5)",
        *numbers("action", [action_id]),
        plan_hash,
        printable(typed, 200),
        json.dumps({key: printable(value, 50) for key, value in (choices or {}).items()}),
        printable(override.strip(), 400),
    )


async def approve(store: Store, action_id: int, *, plan_hash: str) -> None:
    """Be the second person. Raises Refused, StoreAway and StoreRefused."""
    await asked(
        store,
        "approve actions",
        "SELECT console.approve_action($1, $2)",
        *numbers("action", [action_id]),
        plan_hash,
    )


async def withdraw(store: Store, action_id: int, reason: str = "") -> None:
    """Leave what nobody but oneself asked for, and nobody has confirmed. Raises Refused, StoreAway and StoreRefused."""
    await asked(
        store,
        "withdraw actions",
        "SELECT console.withdraw_action($1, $2)",
        *numbers("action", [action_id]),
        printable(reason.strip(), 400),
    )


async def cancel(store: Store, action_id: int, reason: str = "") -> None:
    """End it: at once before it runs, else after the step it is at. Raises Refused, StoreAway and StoreRefused."""
    await asked(
        store,
        "cancel actions",
        "SELECT console.cancel_action($1, $2)",
        *numbers("action", [action_id]),
        printable(reason.strip(), 400),
    )


async def resume(store: Store, action_id: int, choice: str, reason: str = "") -> None:
    """How an interrupted one goes on: `again`, `skip` or `stop`. Raises Refused, StoreAway and StoreRefused."""
    await asked(
        store,
        "resume actions",
        "SELECT console.resume_action($1, $2, $3)",
        *numbers("action", [action_id]),
        printable(choice, 20),
        printable(reason.strip(), 400),
    )


async def add_freeze(store: Store, *, start: datetime | None, length: timedelta, reason: str) -> int:
    """Let nothing that minds a freeze be done from `start` (None: now) on. Its number. Raises Refused ..."""
    row = await asked(
        store,
        "freeze changes",
        "SELECT refusal, id FROM console.add_freeze($1, $2, $3)",
        start,
        length.total_seconds(),
        printable(reason.strip(), 400),
    )
    return row["id"]


async def end_freeze(store: Store, freeze_id: int) -> None:
    """End a freeze before its time."""
    await asked(store, "end a freeze", "SELECT console.end_freeze($1)", *numbers("freeze", [freeze_id]))


async def break_glass(store: Store, *, reason: str, length: timedelta) -> None:
    """From now on for `length` (at most an hour) this person's actions need no second one."""
    await asked(
        store,
        "break the glass",
        "SELECT refusal FROM console.break_glass($1, $2)",
        printable(reason.strip(), 400),
        length.total_seconds(),
    )


async def mend_glass(store: Store) -> None:
    """End it before its time."""
    await asked(store, "mend the glass", "SELECT console.mend_glass()")


# --- what the agent writes --------------------------------------------------------------------------------------------


async def publish_kinds(store: Store, lease: Lease, kinds: Iterable[KindSpec]) -> None:
    """The catalogue, whole. Raises Fenced."""
    await store.execute(
        "SELECT console.publish_kinds($1, $2)", lease.fence, json.dumps([asdict(kind) for kind in kinds])
    )


async def write_plan(
    store: Store,
    lease: Lease,
    action_id: int,
    plan: Plan | None,
    refusal: str | None = None,
    target: str | None = None,
) -> bool:
    """The plan, or why there is none. `target` is the one spelling of what it is about (None: as it was asked for);
    where another one of this kind is under way with it, the action is refused. False: nobody waits for it any more.
    Raises Fenced."""
    return await store.fetchval(
        "SELECT console.write_plan($1, $2, $3, $4, $5)",
        lease.fence,
        action_id,
        None if plan is None else plan_json(plan),
        None if refusal is None else printable(refusal),
        None if target is None else printable(target, 200),
    )


async def request_automatic(
    store: Store,
    lease: Lease,
    *,
    kind: str,
    target: str,
    params: Mapping[str, str],
    reason: str,
    cause: str,
    plan: Plan | None = None,
    undo_of: int | None = None,
) -> tuple[int | None, str]:
    """Ask without a person: with a `plan` it begins at once while its budget lasts, else it becomes a proposal. The
    number of the action (also of one that was there before), and why it was not made ("" when it was). Raises
    Fenced."""
    row = await store.fetchrow(
        "SELECT refusal, id FROM console.request_automatic($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        lease.fence,
        kind,
        printable(target, 200),
        json.dumps({key: printable(value, 1000) for key, value in sorted(params.items())}),
        printable(reason, 400),
        printable(cause, 200),
        None if plan is None else plan_json(plan),
        plan is not None,
        undo_of,
        once=True,
    )
    return (None, "no answer") if row is None else (row["id"], printable(row["refusal"] or ""))


async def start(store: Store, lease: Lease, action_id: int) -> str | None:
    """From now on this agent runs it. None: it is not to be run; else what a person chose (`again`, `skip`) where it
    was interrupted, or "". Raises Fenced."""
    return await store.fetchval("SELECT console.start_action($1, $2)", lease.fence, action_id)


async def write_steps(store: Store, lease: Lease, action_id: int, steps: Sequence[Step]) -> None:
    """Steps as they are now. Raises Fenced."""
    rows = [
        {
            "seq": s.seq,
            "name": printable(s.name, 100),
            "title": printable(s.title, 300),
            "layer": printable(s.layer, 60),
            "state": str(s.state),
            "attempt": s.attempt,
            "due_at": _iso(s.due_at),
            "started_at": _iso(s.started_at),
            "ended_at": _iso(s.ended_at),
            "text": printable(s.text, 1000),
        }
        for s in steps
    ]
    await store.execute("SELECT console.write_steps($1, $2, $3)", lease.fence, action_id, json.dumps(rows))


async def append_output(
    store: Store, lease: Lease, action_id: int, *, step: str, kind: str, lines: Sequence[str]
) -> None:
    """Lines of output; `kind` is command, out or note. Raises Fenced."""
    await store.execute(
        "SELECT console.append_output($1, $2, $3, $4, $5)",
        lease.fence,
        action_id,
        printable(step, 100),
        kind,
        [printable(line, 2000) for line in lines],
        once=True,
    )


async def watch(store: Store, lease: Lease, action_id: int) -> None:
    """All steps are over. Raises Fenced."""
    await store.execute("SELECT console.watch_action($1, $2)", lease.fence, action_id)


async def finish(
    store: Store, lease: Lease, action_id: int, state: ActionState, words: str, proof: Proof | None = None
) -> None:
    """The end of it: done, failed, refused or cancelled. Raises Fenced."""
    await store.execute(
        "SELECT console.finish_action($1, $2, $3, $4, $5)",
        lease.fence,
        action_id,
        str(state),
        printable(words),
        None if proof is None else _proof_json(proof),
    )


async def interrupt(store: Store, lease: Lease, action_id: int, question: str) -> None:
    """A person has to choose. Raises Fenced."""
    await store.execute(
        "SELECT console.interrupt_action($1, $2, $3)", lease.fence, action_id, printable(question)
    )


async def write_proof(store: Store, lease: Lease, action_id: int, proof: Proof) -> None:
    """What is seen of its effect so far. Raises Fenced."""
    await store.execute("SELECT console.write_proof($1, $2, $3)", lease.fence, action_id, _proof_json(proof))


async def put_effect(
    store: Store,
    lease: Lease,
    action_id: int,
    *,
    kind: str,
    target: str,
    expires_at: datetime | None,
    layers: Sequence[Layer],
) -> int:
    """What it put in force, on which layers; the same kind and target is one effect. Raises Fenced."""
    return await store.fetchval(
        "SELECT console.put_effect($1, $2, $3, $4, $5, $6)",
        lease.fence,
        action_id,
        kind,
        printable(target, 200),
        expires_at,
        _layers_json(layers),
    )


async def lift_effect(
    store: Store, lease: Lease, action_id: int, *, kind: str, target: str, layers: Sequence[Layer]
) -> bool:
    """It is not in force any more; `kind` is that of the action that made it. Raises Fenced."""
    return await store.fetchval(
        "SELECT console.lift_effect($1, $2, $3, $4, $5)",
        lease.fence,
        action_id,
        kind,
        printable(target, 200),
        _layers_json(layers),
    )


async def expire(store: Store, lease: Lease) -> int:
    """End what nobody confirmed or approved in time; how many those were. Raises Fenced."""
    return await store.fetchval("SELECT console.expire_actions($1)", lease.fence)


# --- reading ----------------------------------------------------------------------------------------------------------


async def kinds(store: Store) -> list[KindSpec]:
    """The catalogue as the leading agent published it last, by group and name."""
    rows = await store.fetch("SELECT spec FROM console.action_kind ORDER BY spec ->> 'group', name")
    return [_kind(json.loads(row["spec"])) for row in rows]


async def current(store: Store, *, since: datetime, limit: int = 200) -> list[Action]:
    """All that are not final, and those that ended since then (at most the last `limit`); the latest first."""
    rows = await store.fetch(
        f"""
        SELECT * FROM (
            SELECT {_COLUMNS} FROM console.action AS a WHERE ended_at IS NULL
            UNION ALL
            (SELECT {_COLUMNS} FROM console.action AS a WHERE ended_at >= $1 ORDER BY ended_at DESC LIMIT $2)
        ) AS q ORDER BY id DESC
        """,  # noqa: S608 - no value from outside
        since,
        limit,
    )
    return [_action(row) for row in rows]


async def one(store: Store, action_id: int) -> Action | None:
    """One action, None when there is none with this number."""
    row = await store.fetchrow(
        f"SELECT {_COLUMNS} FROM console.action AS a WHERE id = $1",  # noqa: S608 - no value from outside
        *numbers("action", [action_id]),
    )
    return None if row is None else _action(row)


async def in_states(store: Store, states: Iterable[ActionState]) -> list[tuple[Action, int | None, str]]:
    """All in these states, oldest first, each with the fence under which it runs and what was chosen for it."""
    rows = await store.fetch(
        f"""
        SELECT {_COLUMNS}, fence, choice FROM console.action AS a
        WHERE ended_at IS NULL AND state = ANY ($1) ORDER BY id
        """,  # noqa: S608 - no value from outside
        [str(state) for state in states],
    )
    return [(_action(row), row["fence"], row["choice"]) for row in rows]


async def steps(store: Store, action_id: int) -> list[Step]:
    """Its steps, in order."""
    rows = await store.fetch(
        """
        SELECT seq, name, title, layer, state, attempt, due_at, started_at, ended_at, text
        FROM console.action_step WHERE action_id = $1 ORDER BY seq
        """,
        action_id,
    )
    return [
        Step(
            seq=r["seq"],
            name=printable(r["name"], 100),
            title=printable(r["title"], 300),
            layer=printable(r["layer"], 60),
            state=StepState(r["state"]),
            attempt=r["attempt"],
            due_at=r["due_at"],
            started_at=r["started_at"],
            ended_at=r["ended_at"],
            text=printable(r["text"], 1000),
        )
        for r in rows
    ]


async def output(store: Store, action_id: int, *, after: int = 0, limit: int = 2000) -> list[OutputLine]:
    """Lines of its output after the line `after`, oldest first."""
    rows = await store.fetch(
        """
        SELECT seq, at, step, kind, text FROM console.action_output
        WHERE action_id = $1 AND seq > $2 ORDER BY seq LIMIT $3
        """,
        action_id,
        after,
        limit,
    )
    return [
        OutputLine(r["seq"], r["at"], printable(r["step"], 100), r["kind"], printable(r["text"], 2000))
        for r in rows
    ]


async def changes(store: Store, action_id: int) -> list[tuple[datetime, str, str, str]]:
    """What it went through, oldest first: when, state, actor, text."""
    rows = await store.fetch(
        "SELECT at, state, actor, text FROM console.action_change WHERE action_id = $1 ORDER BY id", action_id
    )
    return [(r["at"], r["state"], printable(r["actor"], 63), printable(r["text"])) for r in rows]


async def effects(store: Store, *, lifted_since: datetime | None = None) -> list[Effect]:
    """What is in force, and what was lifted since then; what ends first comes first."""
    rows = await store.fetch(
        """
        SELECT id, kind, target, action_id, reason, author, since, expires_at, layers, lifted_at, lifted_by
        FROM console.effect WHERE lifted_at IS NULL OR lifted_at >= $1
        ORDER BY lifted_at IS NOT NULL, expires_at NULLS LAST, id
        """,
        lifted_since,
    )
    return [
        Effect(
            id=r["id"],
            kind=printable(r["kind"], 60),
            target=printable(r["target"], 200),
            action_id=r["action_id"],
            reason=printable(r["reason"]),
            author=printable(r["author"], 63),
            since=r["since"],
            expires_at=r["expires_at"],
            layers=tuple(Layer(**_texts(layer)) for layer in json.loads(r["layers"])),
            lifted_at=r["lifted_at"],
            lifted_by=r["lifted_by"],
        )
        for r in rows
    ]


async def freezes(store: Store) -> list[Freeze]:
    """Those that hold now or will, the first to begin first."""
    rows = await store.fetch(
        """
        SELECT id, starts_at, ends_at, reason, author, ended_by FROM console.freeze_window
        WHERE ends_at > clock_timestamp() ORDER BY starts_at, id
        """
    )
    return [
        Freeze(
            r["id"],
            r["starts_at"],
            r["ends_at"],
            printable(r["reason"]),
            printable(r["author"], 63),
            printable(r["ended_by"], 63),
        )
        for r in rows
    ]


async def broken_glass(store: Store, *, since: datetime | None = None) -> list[Glass]:
    """Who may do without a second person now, or could at any time after `since`."""
    rows = await store.fetch(
        """
        SELECT id, author, reason, starts_at, ends_at FROM console.glass
        WHERE ends_at > coalesce($1, clock_timestamp()) ORDER BY id
        """,
        since,
    )
    return [
        Glass(r["id"], printable(r["author"], 63), printable(r["reason"]), r["starts_at"], r["ends_at"])
        for r in rows
    ]


async def operator_addresses(store: Store) -> list[tuple[str, str]]:
    """Logins and the addresses that the last thousand requests of theirs came from, as far as the store saw any."""
    rows = await store.fetch(
        """
        SELECT DISTINCT requested_by, host(requested_from) AS address FROM console.action
        WHERE requested_from IS NOT NULL AND id > (SELECT max(id) FROM console.action) - 1000
        """
    )
    return [(printable(r["requested_by"], 63), r["address"]) for r in rows]


# --- encoding ---------------------------------------------------------------------------------------------------------

_COLUMNS = """
    id, kind, target, params, reason, origin, cause, state, requested_by, requested_at, words, plan, plan_hash,
    planned_at, plan_expires_at, confirmed_by, confirmed_at, choices, override, needs_approval, approval_expires_at,
    approved_by, approved_at, started_at, ended_at, proof, undo_of, undone_by, cancelled_by, question,
    (SELECT count(*) FROM console.action_step AS s WHERE s.action_id = a.id) AS steps,
    (SELECT count(*) FROM console.action_step AS s
        WHERE s.action_id = a.id AND s.state IN ('done', 'skipped')) AS step
"""


def plan_json(plan: Plan) -> str:
    """A plan as the store keeps it."""
    data: dict[str, Any] = asdict(plan)
    data["until"] = _iso(plan.until)
    return json.dumps(_clean(data))


def _proof_json(proof: Proof) -> str:
    return json.dumps(_clean(asdict(proof)))


def _layers_json(layers: Sequence[Layer]) -> str:
    return json.dumps(_clean([asdict(layer) for layer in layers]))


def _clean(value: Any) -> Any:
    """Every text in it printable."""
    if isinstance(value, str):
        return printable(value, 1000)
    if isinstance(value, Mapping):
        return {printable(key, 100): _clean(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(entry) for entry in value]
    return value


def _texts(value: Mapping[str, Any]) -> dict[str, str]:
    return {key: printable(text, 300) for key, text in value.items()}


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _action(row: asyncpg.Record) -> Action:
    return Action(
        id=row["id"],
        kind=printable(row["kind"], 60),
        target=printable(row["target"], 200),
        params=_clean(json.loads(row["params"])),
        reason=printable(row["reason"]),
        state=ActionState(row["state"]),
        requested_by=printable(row["requested_by"], 63),
        requested_at=row["requested_at"],
        origin=row["origin"],
        cause=printable(row["cause"]),
        words=printable(row["words"]),
        plan=None if row["plan"] is None else _kept_plan(row["plan"]),
        plan_hash=row["plan_hash"],
        planned_at=row["planned_at"],
        plan_expires_at=row["plan_expires_at"],
        confirmed_by=printable(row["confirmed_by"], 63),
        confirmed_at=row["confirmed_at"],
        choices=_clean(json.loads(row["choices"])),
        override=printable(row["override"]),
        needs_approval=printable(row["needs_approval"]),
        approval_expires_at=row["approval_expires_at"],
        approved_by=printable(row["approved_by"], 63),
        approved_at=row["approved_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        proof=None if row["proof"] is None else _proof(json.loads(row["proof"])),
        undo_of=row["undo_of"],
        undone_by=row["undone_by"],
        cancelled_by=printable(row["cancelled_by"], 63),
        question=printable(row["question"]),
        step=row["step"],
        steps=row["steps"],
    )


@lru_cache(256)
def _kept_plan(text: str) -> Plan:
    """A console reads the same plans again with each step of an action."""
    return plan_from(json.loads(text))


def plan_from(data: Mapping[str, Any]) -> Plan:
    """A plan as it was kept by `plan_json`."""
    data = _clean(data)
    until = data["until"]
    return Plan(
        title=data["title"],
        steps=tuple(PlannedStep(**step) for step in data["steps"]),
        facts=tuple(Fact(**fact) for fact in data["facts"]),
        guards=tuple(Guard(**guard) for guard in data["guards"]),
        choices=tuple(
            Choice(c["name"], c["title"], tuple((word, text) for word, text in c["options"]))
            for c in data["choices"]
        ),
        notes=tuple(data["notes"]),
        until=None if until is None else datetime.fromisoformat(until),
        typed=data["typed"],
        second_person=data["second_person"],
        command=data["command"],
    )


def _proof(data: Mapping[str, Any]) -> Proof:
    data = _clean(data)
    return Proof(data["verdict"], data["text"], tuple(Fact(**fact) for fact in data["facts"]))


def _kind(data: Mapping[str, Any]) -> KindSpec:
    data = dict(_clean(data))
    data["parameters"] = tuple(
        Parameter(**(p | {"choices": tuple(p["choices"])})) for p in data["parameters"]
    )
    data["layers"] = tuple(data["layers"])
    data["danger"] = Danger(data["danger"])
    return KindSpec(**data)
