"""Actions as the store keeps them, and back. Pure; everything that was read is printable."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from functools import lru_cache
from typing import Any

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
from console.domain.canary import Compared, Comparison
from console.domain.text import printable

COLUMNS = """
    id, kind, target, params, reason, origin, cause, state, requested_by, requested_at, words, plan, plan_hash,
    planned_at, plan_expires_at, confirmed_by, confirmed_at, choices, override, needs_approval, approval_expires_at,
    approved_by, approved_at, started_at, ended_at, proof, undo_of, undone_by, cancelled_by, question, guards,
    (SELECT count(*) FROM console.action_step AS s WHERE s.action_id = a.id) AS steps,
    (SELECT count(*) FROM console.action_step AS s
        WHERE s.action_id = a.id AND s.state IN ('done', 'skipped')) AS step
"""


def plan_json(plan: Plan) -> str:
    """A plan as the store keeps it."""
    return json.dumps(_clean(asdict(plan)), default=_iso)


def proof_json(proof: Proof) -> str:
    """A proof as the store keeps it."""
    return json.dumps(_clean(asdict(proof)), default=_iso)


def layers_json(layers: Sequence[Layer]) -> str:
    """Layers as the store keeps them."""
    return json.dumps(_clean([asdict(layer) for layer in layers]))


def steps_json(steps: Sequence[Step]) -> str:
    """Steps as the store takes them."""
    return json.dumps(_clean([asdict(step) for step in steps]), default=_iso)


def params_json(params: Mapping[str, str], longest: int = 1000) -> str:
    """Parameters or choices as the store takes them: in one order, so that the same are equal."""
    return json.dumps({key: printable(value, longest) for key, value in sorted(params.items())})


def _clean(value: Any) -> Any:
    """Every text in it printable."""
    if isinstance(value, str):
        return printable(value, 1000)
    if isinstance(value, Mapping):
        return {printable(key, 100): _clean(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(entry) for entry in value]
    return value


def _iso(at: datetime) -> str:
    return at.isoformat()


def action(row: asyncpg.Record) -> Action:
    """From a row of COLUMNS."""
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
        guards=tuple(Guard(**guard) for guard in _clean(json.loads(row["guards"]))),
        step=row["step"],
        steps=row["steps"],
    )


@lru_cache(256)
def _kept_plan(text: str) -> Plan:
    """A console reads the same plans again with each step of an action."""
    data = _clean(json.loads(text))
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
        # Plans of an older program have none.
        pins=data.get("pins", {}),
    )


def _proof(data: Mapping[str, Any]) -> Proof:
    data = _clean(data)
    facts = tuple(Fact(**fact) for fact in data["facts"])
    return Proof(data["verdict"], data["text"], facts, _comparison(data.get("comparison")))


def _comparison(data: Mapping[str, Any] | None) -> Comparison | None:
    if data is None:
        return None
    since, until = (datetime.fromisoformat(data[name]) for name in ("since", "until"))
    return Comparison(
        data["of_before"], data["of_now"], since, until, tuple(Compared(**row) for row in data["rows"])
    )


def kind(row: asyncpg.Record) -> KindSpec:
    """One of the catalogue, from its `spec`."""
    data = _clean(json.loads(row["spec"]))
    data["parameters"] = tuple(
        Parameter(**(p | {"choices": tuple(p["choices"])})) for p in data["parameters"]
    )
    data["layers"] = tuple(data["layers"])
    data["danger"] = Danger(data["danger"])
    return KindSpec(**data)


def step(row: asyncpg.Record) -> Step:
    """From a row of action_step."""
    return Step(
        seq=row["seq"],
        name=printable(row["name"], 100),
        title=printable(row["title"], 300),
        layer=printable(row["layer"], 60),
        state=StepState(row["state"]),
        attempt=row["attempt"],
        due_at=row["due_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        text=printable(row["text"], 1000),
        before=printable(row["before"], 1000),
    )


def line(row: asyncpg.Record) -> OutputLine:
    """From a row of action_output."""
    return OutputLine(
        row["seq"], row["at"], printable(row["step"], 100), row["kind"], printable(row["text"], 2000)
    )


def effect(row: asyncpg.Record) -> Effect:
    """From a row of effect."""
    return Effect(
        id=row["id"],
        kind=printable(row["kind"], 60),
        target=printable(row["target"], 200),
        action_id=row["action_id"],
        reason=printable(row["reason"]),
        author=printable(row["author"], 63),
        since=row["since"],
        expires_at=row["expires_at"],
        layers=tuple(Layer(**_clean(layer)) for layer in json.loads(row["layers"])),
        lifted_at=row["lifted_at"],
        lifted_by=row["lifted_by"],
    )


def freeze(row: asyncpg.Record) -> Freeze:
    """From a row of freeze_window."""
    return Freeze(
        row["id"],
        row["starts_at"],
        row["ends_at"],
        printable(row["reason"]),
        printable(row["author"], 63),
        printable(row["ended_by"], 63),
    )


def glass(row: asyncpg.Record) -> Glass:
    """From a row of glass."""
    return Glass(
        row["id"], printable(row["author"], 63), printable(row["reason"]), row["starts_at"], row["ends_at"]
    )
