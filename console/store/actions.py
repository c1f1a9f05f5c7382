"""Actions in the store: what people ask of them, what the leading agent writes of them, and how they are read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import NamedTuple

from console.domain.action import Action, ActionState, KindSpec, OutputLine, Plan, Proof, Step
from console.domain.text import printable
from console.store import action_rows
from console.store.action_rows import COLUMNS
from console.store.lease import Lease
from console.store.pool import Store
from console.store.refusals import asked, numbers, possible


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
        action_rows.params_json(params),
        printable(reason.strip(), 400),
        printable(cause, 200),
        None if undo_of is None else numbers("action", [undo_of])[0],
    )
    return Asked(row["id"], printable(row["told"]))


async def preview(store: Store, action_id: int) -> Preview:
    """What the store would say if the person of this connection confirmed now."""
    rows = await store.fetch(
        "SELECT name, passed, overridable, text, approval FROM console.preview_guards($1)",
        possible(action_id),
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
        action_rows.params_json(choices or {}, 50),
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
    await _end(store, "withdraw actions", "SELECT console.withdraw_action($1, $2)", action_id, reason)


async def cancel(store: Store, action_id: int, reason: str = "") -> None:
    """End it: at once before it runs, else once its step may be left. Raises Refused, StoreAway and
    StoreRefused."""
    await _end(store, "cancel actions", "SELECT console.cancel_action($1, $2)", action_id, reason)


async def _end(store: Store, what: str, sql: str, action_id: int, reason: str) -> None:
    await asked(store, what, sql, *numbers("action", [action_id]), printable(reason.strip(), 400))


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
        None if plan is None else action_rows.plan_json(plan),
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
        "SELECT refusal, id FROM console.request_automatic($1, $2, $3, $4, $5, $6, $7, $8)",
        lease.fence,
        kind,
        printable(target, 200),
        action_rows.params_json(params),
        printable(reason, 400),
        printable(cause, 200),
        None if plan is None else action_rows.plan_json(plan),
        undo_of,
        once=True,
    )
    return (None, "no answer") if row is None else (row["id"], printable(row["refusal"] or ""))


async def caused(store: Store, cause: str) -> Action | None:
    """The latest action that the console itself asked for with this cause. Raises StoreAway and StoreRefused."""
    row = await store.fetchrow(
        f"SELECT {COLUMNS} FROM console.action AS a WHERE cause = $1 AND origin = 'automatic' "  # noqa: S608 - as in `one`
        "ORDER BY id DESC LIMIT 1",
        printable(cause, 200),
    )
    return None if row is None else action_rows.action(row)


async def start(store: Store, lease: Lease, action_id: int) -> str | None:
    """From now on this agent runs it. None: it is not to be run; else what a person chose (`again`, `skip`) where it
    was interrupted, or "". Raises Fenced."""
    return await store.fetchval("SELECT console.start_action($1, $2)", lease.fence, action_id)


async def write_steps(store: Store, lease: Lease, action_id: int, steps: Sequence[Step]) -> None:
    """Steps as they are now. Raises Fenced."""
    await store.execute(
        "SELECT console.write_steps($1, $2, $3)", lease.fence, action_id, action_rows.steps_json(steps)
    )


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
        None if proof is None else action_rows.proof_json(proof),
    )


async def interrupt(
    store: Store, lease: Lease, action_id: int, question: str, *, approval: bool = False
) -> None:
    """A person has to choose, or with `approval` a second one to agree. Raises Fenced."""
    await store.execute(
        "SELECT console.interrupt_action($1, $2, $3, $4)",
        lease.fence,
        action_id,
        printable(question),
        approval,
    )


async def write_proof(store: Store, lease: Lease, action_id: int, proof: Proof) -> None:
    """What is seen of its effect so far. Raises Fenced."""
    await store.execute(
        "SELECT console.write_proof($1, $2, $3)", lease.fence, action_id, action_rows.proof_json(proof)
    )


async def expire(store: Store, lease: Lease) -> int:
    """End what nobody confirmed or approved in time; how many those were. Raises Fenced."""
    return await store.fetchval("SELECT console.expire_actions($1)", lease.fence)


# --- reading ----------------------------------------------------------------------------------------------------------


async def kinds(store: Store) -> list[KindSpec]:
    """The catalogue as the leading agent published it last, by group and name."""
    rows = await store.fetch("SELECT spec FROM console.action_kind ORDER BY spec ->> 'group', name")
    return [action_rows.kind(row) for row in rows]


async def current(
    store: Store, *, since: datetime, until: datetime | None = None, limit: int = 200
) -> list[Action]:
    """All that are not final, and those that ended since then (at most the last `limit`); the latest first. With
    `until` only what was asked for by then."""
    rows = await store.fetch(
        f"""
        SELECT * FROM (
            SELECT {COLUMNS} FROM console.action AS a WHERE ended_at IS NULL
            UNION ALL
            (SELECT {COLUMNS} FROM console.action AS a
             WHERE ended_at >= $1 AND requested_at <= coalesce($3::timestamptz, 'infinity')
             ORDER BY ended_at DESC LIMIT $2)
        ) AS q WHERE requested_at <= coalesce($3::timestamptz, 'infinity') ORDER BY id DESC
        """,  # noqa: S608 - no value from outside
        since,
        limit,
        until,
    )
    return [action_rows.action(row) for row in rows]


async def one(store: Store, action_id: int) -> Action | None:
    """One action, None when there is none with this number."""
    row = await store.fetchrow(
        f"SELECT {COLUMNS} FROM console.action AS a WHERE id = $1",  # noqa: S608 - no value from outside
        possible(action_id),
    )
    return None if row is None else action_rows.action(row)


async def in_states(store: Store, states: Iterable[ActionState]) -> list[tuple[Action, int | None, str]]:
    """All in these states, oldest first, each with the fence under which it runs and what was chosen for it."""
    rows = await store.fetch(
        f"""
        SELECT {COLUMNS}, fence, choice FROM console.action AS a
        WHERE ended_at IS NULL AND state = ANY ($1) ORDER BY id
        """,  # noqa: S608 - no value from outside
        [str(state) for state in states],
    )
    return [(action_rows.action(row), row["fence"], row["choice"]) for row in rows]


async def steps(store: Store, action_id: int) -> list[Step]:
    """Its steps, in order."""
    rows = await store.fetch(
        """
        SELECT seq, name, title, layer, state, attempt, due_at, started_at, ended_at, text, before
        FROM console.action_step WHERE action_id = $1 ORDER BY seq
        """,
        possible(action_id),
    )
    return [action_rows.step(row) for row in rows]


async def output(store: Store, action_id: int, *, after: int = 0, limit: int = 2000) -> list[OutputLine]:
    """Lines of its output after the line `after`, oldest first."""
    rows = await store.fetch(
        """
        SELECT seq, at, step, kind, text FROM console.action_output
        WHERE action_id = $1 AND seq > $2 ORDER BY seq LIMIT $3
        """,
        possible(action_id),
        after,
        limit,
    )
    return [action_rows.line(row) for row in rows]


async def output_size(store: Store, action_id: int) -> tuple[int, int]:
    """Bytes and lines of what its commands wrote, as far as it is kept."""
    sql = """
        SELECT coalesce(sum(octet_length(text) + 1), 0) AS bytes, count(*) AS lines FROM console.action_output
        WHERE action_id = $1 AND kind = 'out'
    """
    ((size, lines),) = await store.fetch(sql, possible(action_id))
    return size, lines


async def changes(store: Store, action_id: int) -> list[tuple[datetime, str, str, str]]:
    """What it went through, oldest first: when, state, actor, text."""
    rows = await store.fetch(
        "SELECT at, state, actor, text FROM console.action_change WHERE action_id = $1 ORDER BY id",
        possible(action_id),
    )
    return [(r["at"], r["state"], printable(r["actor"], 63), printable(r["text"])) for r in rows]


async def operator_addresses(store: Store) -> list[tuple[str, str]]:
    """Logins and the addresses that the last thousand requests of theirs came from, as far as the store saw any."""
    rows = await store.fetch(
        """
        SELECT DISTINCT requested_by, host(requested_from) AS address FROM console.action
        WHERE requested_from IS NOT NULL AND id > (SELECT max(id) FROM console.action) - 1000
        """
    )
    return [(printable(r["requested_by"], 63), r["address"]) for r in rows]
