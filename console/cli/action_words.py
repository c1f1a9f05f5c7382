"""Actions in words, as JSON and in tables: what the commands print of a plan, of its steps, and of how it ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any

from console.cli.tables import GLYPH, glyph_of, style_of, table
from console.domain.action import (
    Action,
    ActionState,
    Effect,
    Fact,
    Freeze,
    KindSpec,
    OutputLine,
    Plan,
    Proof,
    Step,
    StepState,
    remaining,
    worded,
)
from console.domain.asking import undoing
from console.domain.errors import Misuse, Refused
from console.domain.format import NO_VALUE, age, clock, counted, iso, iso_or_none, number, number_and_unit
from widgets.action_states import action_state, step_state

if TYPE_CHECKING:
    from rich.table import Table

    from console.domain.canary import Comparison

_FACT_GLYPH = {"ok": " ", "info": " ", "warn": GLYPH["warning"], "crit": GLYPH["critical"]}
_PROOF_GLYPH = {"proved": GLYPH["ok"], "unproved": GLYPH["warning"], "worse": GLYPH["critical"]}


# --- JSON -------------------------------------------------------------------------------------------------------------


def action_json(action: Action) -> dict[str, Any]:
    """The documented shape of one action."""
    return {
        "id": action.id,
        "state": str(action.state),
        "at": iso(action.since),
        "kind": action.kind,
        "target": action.target,
        "params": dict(action.params),
        "reason": action.reason,
        "origin": action.origin,
        "cause": action.cause or None,
        "words": action.words,
        "plan": None if action.plan is None else plan_json(action.plan),
        "plan_hash": action.plan_hash or None,
        "plan_expires_at": iso_or_none(action.plan_expires_at),
        "proof": None if action.proof is None else proof_json(action.proof),
        "choices": dict(action.choices),
        "override": action.override or None,
        "needs_approval": action.needs_approval or None,
        "approval_expires_at": iso_or_none(action.approval_expires_at),
        "question": action.question or None,
        "requested_by": action.requested_by,
        "requested_at": iso(action.requested_at),
        "confirmed_by": action.confirmed_by or None,
        "confirmed_at": iso_or_none(action.confirmed_at),
        "approved_by": action.approved_by or None,
        "approved_at": iso_or_none(action.approved_at),
        "cancelled_by": action.cancelled_by or None,
        "started_at": iso_or_none(action.started_at),
        "ended_at": iso_or_none(action.ended_at),
        "guards": [asdict(guard) for guard in action.guards],
        "undo_of": action.undo_of,
        "undone_by": action.undone_by,
    }


def proof_json(proof: Proof) -> dict[str, Any]:
    """The documented shape of a proof."""
    found, compared = asdict(proof), proof.comparison
    if compared is not None:
        found["comparison"] |= {"since": iso(compared.since), "until": iso(compared.until)}
    return found


def plan_json(plan: Plan) -> dict[str, Any]:
    """The documented shape of a plan."""
    return asdict(plan) | {
        "until": iso_or_none(plan.until),
        "choices": [{"name": c.name, "title": c.title, "options": dict(c.options)} for c in plan.choices],
    }


def step_json(step: Step) -> dict[str, Any]:
    """The documented shape of one step."""
    return asdict(step) | {
        "state": str(step.state),
        "due_at": iso_or_none(step.due_at),
        "started_at": iso_or_none(step.started_at),
        "ended_at": iso_or_none(step.ended_at),
    }


def effect_json(effect: Effect) -> dict[str, Any]:
    """The documented shape of what is, or was, in force."""
    return {
        "id": effect.id,
        "state": "active" if effect.lifted_at is None else "lifted",
        "at": iso(effect.since),
        "kind": effect.kind,
        "target": effect.target,
        "until": iso_or_none(effect.expires_at),
        "lifted_at": iso_or_none(effect.lifted_at),
        "action": effect.action_id,
        "layers": [asdict(layer) for layer in effect.layers],
    }


def kind_json(kind: KindSpec) -> dict[str, Any]:
    """The documented shape of one kind."""
    return asdict(kind) | {"danger": str(kind.danger), "unavailable": kind.unavailable or None}


def freeze_json(freeze: Freeze, now: datetime) -> dict[str, Any]:
    """The documented shape of one freeze."""
    return {
        "id": freeze.id,
        "state": "active" if freeze.starts_at <= now else "pending",
        "at": iso(freeze.starts_at),
        "until": iso(freeze.ends_at),
        "author": freeze.author,
        "reason": freeze.reason,
    }


# --- words ------------------------------------------------------------------------------------------------------------


def title(action: Action) -> str:
    """`block-ip 203.0.113.7`."""
    return f"{worded(action.kind)} {action.target}".rstrip()


def headline(action: Action) -> str:
    """`✓ block-ip 203.0.113.7  DONE`; one that is done is called by what its proof showed."""
    form = action_state(action)
    return f"{glyph_of(form)} {title(action)}  {form.word.upper()}"


def ended(action: Action) -> str:
    """`✓ action 7 done: 203.0.113.7 is blocked`."""
    form = action_state(action)
    proved = "" if action.proof is None else action.proof.text
    said = f": {action.words}" if action.words and action.words != proved else ""
    return f"{glyph_of(form)} action {action.id} {form.word}{said}"


def plan_lines(plan: Plan, now: datetime, guards: Sequence[tuple[str, bool, str]] = ()) -> Iterator[str]:
    """A plan as a person reads it before they answer; `guards` are the store's own, each with whether it passed."""
    yield plan.title
    for place, step in enumerate(plan.steps, 1):
        after = f"  (after {step.after_s:g} s)" if step.after_s else ""
        layer = f"  [{step.layer}]" if step.layer else ""
        yield f"  {place}. {step.title}{layer}{after}"
    if plan.until is not None:
        yield f"  until {iso(plan.until)}, in {age(plan.until - now)}: it ends by itself"
    yield from facts_lines(plan.facts)
    for name, passed, text in (*((g.name, g.passed, g.text) for g in plan.guards), *guards):
        yield f"  {'✓' if passed else '✗'} {name}: {text}"
    for choice in plan.choices:
        yield f"  to choose: {choice.title}"
        for word, meaning in choice.options:
            yield f"    {choice.name}={word}  {meaning}"
    for note in plan.notes:
        yield f"  {GLYPH['info']} {note}"
    if plan.command:
        yield f"  the same: {plan.command}"


def confirmed_guards(action: Action) -> list[tuple[str, bool, str]]:
    """The store's guards as they were when it was confirmed, for `plan_lines`: what was overridden has passed."""
    return [(g.name, g.passed or bool(action.override), g.text) for g in action.guards]


def facts_lines(facts: Sequence[Fact]) -> Iterator[str]:
    """Label and value of each, the values in one column."""
    width = max((len(fact.label) for fact in facts), default=0)
    for fact in facts:
        yield f"  {_FACT_GLYPH.get(fact.weight, ' ')} {fact.label:<{width}}  {fact.value}"


def step_line(step: Step) -> str:
    """One step as it stands."""
    words = step.text
    if not words and step.state is StepState.PENDING and step.due_at is not None:
        words = f"due at {clock(step.due_at)}"
    attempt = f", attempt {step.attempt}" if step.attempt > 1 else ""
    layer = f" [{step.layer}]" if step.layer else ""
    said = f": {words}" if words else ""
    return f"  {glyph_of(step_state(step.state))} {step.seq} {step.title}{layer}  {step.state}{attempt}{said}"


def proof_lines(proof: Proof) -> Iterator[str]:
    """What the platform showed."""
    if proof.text:
        yield f"{_PROOF_GLYPH.get(proof.verdict, ' ')} {proof.verdict or 'nothing to show'}: {proof.text}"
    yield from facts_lines(proof.facts)
    if proof.comparison is not None:
        yield from comparison_lines(proof.comparison)


def comparison_lines(found: Comparison) -> Iterator[str]:
    """A release beside what was before it, as a small table."""
    yield (
        f"  {counted(found.of_before, 'order')} before, {found.of_now:,} since {clock(found.since)}; "
        f"watched until {clock(found.until)}"
    )
    rows = [("", "before", "now", "change, 95 %", "allowed")]
    for row in found.rows:
        change = [_change(end, row.unit) for end in (row.low, row.high)]
        between = "" if change == ["", ""] else f"{change[0] or '…'} to {change[1] or '…'}"
        before, now = _seen(row.before, row.unit), _seen(row.now, row.unit)
        rows.append((row.title.lower(), before, now, between, _change(row.allowed, row.unit)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells, bad in zip(rows, (False, *(row.bad for row in found.rows)), strict=True):
        title, *others = (
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        yield f"  {'  '.join((title, *others))}{'  ' + GLYPH['critical'] if bad else ''}".rstrip()


def _seen(value: float | None, unit: str) -> str:
    """`0.13 %`, `371 ms`: the digits that a rate of failures and a latency have as metrics."""
    return NO_VALUE if value is None else f"{number(value, 2 if unit == '%' else 0)} {unit}"


def _change(value: float | None, unit: str) -> str:
    """`+1.1`, `-12`; "" for none."""
    return "" if value is None else f"{'+' if value > 0 else ''}{number_and_unit(value, unit)[0]}"


def output_line(line: OutputLine) -> str:
    """One line of output; exact calls have a `$` before them."""
    sign = {"command": "$ ", "note": "# "}.get(line.kind, "")
    return f"  {clock(line.at)} {line.step:<16} {sign}{line.text}"


def effect_lines(effect: Effect, now: datetime) -> Iterator[str]:
    """Where something is in force, and how long it still is."""
    left = remaining(effect, now)
    if effect.lifted_at is None and left is not None:
        yield f"  {effect.target} for another {age(left)}"
    for layer in effect.layers:
        said = f": {layer.text}" if layer.text else ""
        yield f"  {layer.name}  {layer.state}{said}"


def what_to_do(action: Action) -> str:
    """What this action waits for that only a person can give; "" when it waits for nobody."""
    if action.waits_for_approval:
        until = (
            f" before {clock(action.approval_expires_at)}" if action.approval_expires_at is not None else ""
        )
        return (
            f"action {action.id} waits for a second person: {action.needs_approval}; "
            f"a commander approves it{until}: tradex actions approve {action.id}"
        )
    if action.state is ActionState.INTERRUPTED:
        return (
            f"action {action.id} is interrupted: {action.question}; "
            f"choose: tradex actions resume {action.id} again|skip|stop"
        )
    return ""


def undo_hint(action: Action, kinds: Mapping[str, KindSpec]) -> str:
    """How this one is taken back; "" when it can't be."""
    try:
        undoing(action, kinds)
    except (Misuse, Refused):
        return ""
    return f"take it back with: tradex actions undo {action.id} --reason ..."


# --- tables ----------------------------------------------------------------------------------------------------------


def action_table(found: Sequence[Action], now: datetime) -> Table:
    from rich.text import Text

    rows = table("id", "action", "state", "steps", "for", "by", "note", right={"id", "steps", "for"})
    for action in found:
        form = action_state(action)
        rows.add_row(
            str(action.id),
            Text(title(action)),
            Text(f"{glyph_of(form)} {form.word}", style=style_of(form)),
            f"{action.step}/{action.steps}" if action.steps else "",
            age(now - action.since),
            Text(action.confirmed_by or action.requested_by),
            Text(_note(action)),
        )
    return rows


def _note(action: Action) -> str:
    if action.waits_for_approval:
        return f"waits for a second person: {action.needs_approval}"
    return action.question or action.words or action.reason


def kind_table(found: Sequence[KindSpec]) -> Table:
    from rich.text import Text

    rows = table(
        "kind", "parameters", "by", "takes two", "danger", "an hour", "undo", "note", right={"an hour"}
    )
    for kind in found:
        params = " ".join(p.name if p.required else f"[{p.name}]" for p in kind.parameters)
        rows.add_row(
            worded(kind.name),
            Text(params),
            kind.role,
            "yes" if kind.second_person else "commander approves" if kind.role == "commander" else "",
            str(kind.danger),
            str(kind.budget),
            worded(kind.undo),
            Text(f"can't be done here: {kind.unavailable}" if kind.unavailable else kind.title),
        )
    return rows


def freeze_table(found: Sequence[Freeze], now: datetime) -> Table:
    from rich.text import Text

    rows = table("id", "state", "from", "until", "author", "note", right={"id"})
    for each in found:
        state = "active" if each.starts_at <= now else "pending"
        rows.add_row(
            str(each.id), state, iso(each.starts_at), iso(each.ends_at), Text(each.author), Text(each.reason)
        )
    return rows
