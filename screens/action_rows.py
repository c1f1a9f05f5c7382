"""Rows and words of actions: how each stands, its steps, its output, its history. Pure."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import date, datetime
from functools import partial

from console.domain import format as fmt
from console.domain.action import (
    Action,
    ActionState,
    OutputLine,
    Step,
    StepState,
)
from console.domain.snapshot import DEPLOYMENTS, Snapshot
from console.query import ActionChanges
from screens.alert_rows import moment
from screens.paragraphs import Labels, Line, fact_cells, value_size
from widgets.action_states import action_state, step_state
from widgets.cells import Cells, cells, join, measure, piece
from widgets.live_table import Column, Deferred, Entry, Group, Note, Row
from widgets.look import Look
from widgets.times import span_words

LABELS = Labels(9)

ACTION_COLUMNS = (
    Column("", 1),
    Column("state", 14),
    Column("action", None),
    Column("who", 8),
    Column("age", 4, right=True),
    Column("step", 5, right=True),
)
STEP_COLUMNS = (Column("", 1), Column("", 9), Column("", None), Column("", 14), Column("", 6, right=True))
STEP_COLUMNS_NARROW = (Column("", 1), Column("", 9), Column("", None), Column("", 6, right=True))
OUTPUT_COLUMNS = (Column("", 8), Column("", 1), Column("", 12), Column("", None))
OUTPUT_COLUMNS_NARROW = (Column("", 8), Column("", 1), Column("", None))
CHANGE_COLUMNS = (Column("", 8), Column("", 11), Column("", 8), Column("", None))
_OUTPUT = {"command": ("running", "accent"), "out": ("dot", "grid"), "note": ("info", "info")}


# --- actions ---------------------------------------------------------------------------------------------------------


def named(action: Action, snapshot: Snapshot) -> str:
    """`block-ip 203.0.113.7`"""
    return " ".join(filter(None, (snapshot.command_of(action.kind), action.target)))


def who(action: Action) -> str:
    """Whose action it is: who confirmed it, else who asked for it."""
    return "(agent)" if action.origin == "automatic" else action.confirmed_by or action.requested_by


def action_entries(
    actions: Iterable[Action],
    row: Callable[[Action], Row],
    look: Look,
    now: datetime,
    *,
    headings: bool,
    plans: bool,
) -> list[Entry]:
    """What waits for somebody first, then what runs, then what is over, the latest first. Without `plans`, those that
    nobody confirmed are one line at the end of their day."""
    groups: dict[str, list[Action]] = {"waiting for somebody": [], "under way": [], "over": []}
    for action in actions:
        groups[_group(action)].append(action)
    entries: list[Entry] = []
    for title, group in groups.items():
        told = [action for action in group if plans or not action.only_planned]
        if told and headings:
            entries.append(Group(f"{title} {len(told)}"))
        entries += _by_day(group, told, row, look, now)
    return entries


def _by_day(
    group: Sequence[Action], told: Sequence[Action], row: Callable[[Action], Row], look: Look, now: datetime
) -> list[Entry]:
    """Those that are told; at the end of each day how many of it are not."""
    entries: list[Entry] = []
    for day, count in Counter(map(_day, group)).items():
        shown = [action for action in told if _day(action) == day]
        entries += [Deferred(str(action.id), partial(row, action)) for action in shown]
        if day is not None and (hidden := count - len(shown)):
            when = "" if day == now.date() else f" of {day:%d %b}"
            words = (
                f"{fmt.counted(hidden, 'plan')}{when} never ran: f shows {'it' if hidden == 1 else 'them'}"
            )
            entries.append(Note(cells(words, look("muted"))))
    return entries


def _day(action: Action) -> date | None:
    """On which day it ended."""
    return None if action.ended_at is None else action.ended_at.date()


def _group(action: Action) -> str:
    if action.state.final:
        return "over"
    waits = action.waits_for_approval or action.state in (ActionState.INTERRUPTED, ActionState.PLANNED)
    return "waiting for somebody" if waits else "under way"


def action_row(action: Action, snapshot: Snapshot, look: Look, now: datetime, *, greyed: bool) -> Row:
    state = action_state(action)
    old = greyed and not action.state.final
    role = "stale" if old else state.role
    word_role = role if old or not state.calm else "muted"
    open_role = "muted" if action.state.final and state.calm else "strong"
    name = (
        piece(
            snapshot.command_of(action.kind),
            look("stale" if old else open_role, bold=not action.state.final),
        ),
        piece(f" {action.target}" if action.target else "", look("stale" if old else "text")),
    )
    return Row(
        str(action.id),
        (
            cells(look.glyphs["stale" if old else state.glyph], look(role)),
            cells(state.word, look(word_role)),
            name,
            cells(who(action), look("muted")),
            cells(fmt.age(now - action.since), look("muted")),
            cells(f"{action.step}/{action.steps}" if action.steps else "", look("text")),
        ),
    )


def matches(action: Action, words: Sequence[str], snapshot: Snapshot) -> bool:
    """Whether all words are in it; `!word` leaves out what has it."""
    hay = " ".join(
        (
            *(action.kind, snapshot.command_of(action.kind), action.target, action_state(action).word),
            *(
                action.requested_by,
                action.confirmed_by,
                action.approved_by,
                action.reason,
                f"action:{action.id}",
            ),
        )
    ).lower()
    return contains(hay, words)


def contains(hay: str, words: Sequence[str]) -> bool:
    """Whether all words are in a text, and none that has a `!` before it."""
    return all((word.lstrip("!") in hay) is not word.startswith("!") for word in words if word.lstrip("!"))


# --- one action ------------------------------------------------------------------------------------------------------


def head_line(action: Action, snapshot: Snapshot, look: Look) -> Line:
    """`12  block-ip 203.0.113.7` and its state as a chip."""
    state = action_state(action)
    left = (
        piece(f"{action.id}  ", look("faint")),
        piece(snapshot.command_of(action.kind), look("strong", bold=True)),
        piece(f" {action.target}" if action.target else "", look("strong", bold=True)),
    )
    return left, (piece(f" {look.glyphs[state.glyph]} {state.word.upper()} ", look.chip(state.role)),)


def action_lines(
    action: Action, snapshot: Snapshot, look: Look, now: datetime, width: int, *, most: int = 2
) -> list[Line]:
    """Who wanted it and why, how it stands, what it waits for or how it ended."""
    lines = [head_line(action, snapshot, look)]
    lines += LABELS.text("why", action.reason, look, width, most=most)
    if action.cause:
        lines += LABELS.text("from", action.cause, look, width, role="muted", most=1)
    lines += LABELS.lines("who", _in_lines(_people(action, look, now), look, width - LABELS.size), look)
    if action.override:
        lines += LABELS.text("override", action.override, look, width, role="warn", most=most)
    lines += _waits(action, look, now, width, most)
    lines += result_lines(action, look, width, most=most)
    if action.undone_by is not None:
        lines += LABELS.text("undone", _undone(action.undone_by, snapshot, now), look, width, most=1)
    spec = snapshot.kind(action.kind)
    back = spec is not None and spec.goes_back and action.state is not ActionState.DONE
    lines += proof_lines(action, look, width, most=most, went_back=back)
    return lines


def result_lines(action: Action, look: Look, width: int, *, most: int) -> list[Line]:
    """How it ended, or what is said of it meanwhile."""
    if not action.words:
        return []
    role = action_state(action).role if action.state.final and not action_state(action).calm else "text"
    word = "result" if action.state.final else "now"
    return LABELS.text(word, action.words, look, width, role=role, most=most)


def shown_on(kind: str) -> int:
    """The screen that shows how such an action goes."""
    return 7 if kind in DEPLOYMENTS else 9


def _undone(by: int, snapshot: Snapshot, now: datetime) -> str:
    """`by action 11: bob, 13:40`; who and when as long as that is listed."""
    back = snapshot.action(by)
    if back is None:
        return f"by action {by}"
    return f"by action {by}: {who(back)}, {moment(back.since, now)}"


def _waits(action: Action, look: Look, now: datetime, width: int, most: int) -> list[Line]:
    if action.waits_for_approval:
        left = action.approval_expires_at
        until = "" if left is None else f"; {span_words((left - now).total_seconds())} left"
        text = f"{action.needs_approval}: A approves it{until}"
        return LABELS.text("waits", text, look, width, role="pending", most=most)
    if action.state is ActionState.INTERRUPTED:
        lines = LABELS.text("asks", action.question, look, width, role="crit", most=max(most, 3))
        choice = "C chooses: run the step again, take it as done, or stop"
        return lines + LABELS.lines("", [cells(choice, look("pending"))], look)
    if action.state is ActionState.PLANNED:
        return LABELS.lines(
            "waits", [cells("for somebody to confirm it: A shows its plan", look("muted"))], look
        )
    if action.cancelled_by and not action.state.final:
        return LABELS.lines("waits", [cells("it ends once its step may be left", look("pending"))], look)
    return []


def _people(action: Action, look: Look, now: datetime) -> list[Cells]:
    steps = (
        ("asked", action.requested_by, action.requested_at),
        ("confirmed", action.confirmed_by, action.confirmed_at),
        ("approved", action.approved_by, action.approved_at),
        ("ended", "", action.ended_at),
    )
    return [
        (
            piece(f"{word} ", look("faint")),
            piece(f"{name} " if name else "", look("text")),
            piece(moment(at, now), look("muted")),
        )
        for word, name, at in steps
        if at is not None
    ]


def _in_lines(parts: Sequence[Cells], look: Look, width: int) -> list[Cells]:
    """`asked alice 13:31 → confirmed alice 13:32`, in as many lines as it takes."""
    then = cells(f" {look.glyphs['then']} ", look("faint"))
    lines: list[Cells] = []
    for part in parts:
        joined = join([lines[-1], part], then) if lines else part
        if lines and measure(joined) <= width:
            lines[-1] = joined
        else:
            lines.append(part)
    return lines


def proof_lines(
    action: Action, look: Look, width: int, *, most: int = 2, went_back: bool = False
) -> list[Line]:
    """What the platform showed after the deed; what it counted before and after. `went_back`: nothing is left to take
    back."""
    proof = action.proof
    if proof is None or not (proof.text or proof.facts):
        return []
    role = {"worse": "crit", "unproved": "warn", "proved": "ok"}.get(proof.verdict, "text")
    undoable = proof.verdict == "worse" and action.undone_by is None and not went_back
    tail = "; u takes it back" if undoable else ""
    # What it ended with often begins with what was proved: once is enough.
    text = "" if action.words.startswith(proof.text) else proof.text
    lines = LABELS.text("proof", f"{text}{tail}".removeprefix("; "), look, width, role=role, most=most)
    size = value_size(proof.facts)
    facts = [fact_cells(fact, look, size, calm="muted") for fact in proof.facts]
    return lines + LABELS.lines("" if lines else "proof", facts, look)


def steps_of(action: Action, steps: Sequence[Step]) -> Sequence[Step]:
    """The steps as they went. Of one that has not begun those of the plan; how those of another stand is known only
    when they are read."""
    if steps or action.plan is None or action.started_at is not None:
        return steps
    return [
        Step(i, planned.name, planned.title, planned.layer, StepState.PENDING)
        for i, planned in enumerate(action.plan.steps)
    ]


def step_entries(steps: Sequence[Step], look: Look, now: datetime, *, narrow: bool) -> list[Entry]:
    """Each step with its state, how long it took or takes, and its result."""
    entries: list[Entry] = []
    for step in steps:
        state = step_state(step.state)
        tried = f" (attempt {step.attempt})" if step.attempt > 1 else ""
        result = f": {step.text}" if step.text else ""
        title: Cells = (
            piece(f"{step.title}{tried}", look("strong" if step.state is StepState.RUNNING else "text")),
            piece(result, look("muted" if state.calm else state.role)),
        )
        row = [
            cells(look.glyphs[state.glyph], look(state.role)),
            cells(state.word, look("muted" if state.calm else state.role)),
            title,
        ]
        if not narrow:
            row.append(cells(step.layer, look("muted")))
        row.append(cells(_took(step, now), look("muted")))
        entries.append(Row(str(step.seq), tuple(row)))
    return entries


def _took(step: Step, now: datetime) -> str:
    if step.started_at is not None:
        return (
            fmt.age(now - step.started_at)
            if step.ended_at is None
            else fmt.took(step.ended_at - step.started_at)
        )
    if step.due_at is not None and step.due_at > now:
        return f"in {fmt.age(step.due_at - now)}"
    return ""


def output_row(
    line: OutputLine,
    look: Look,
    *,
    narrow: bool,
    error: bool = False,
    found: Sequence[tuple[int, int]] = (),
) -> Row:
    """Exact calls stand out from what they said. `error`: it is where the trouble began; `found` are the places, from
    and up to, of what was searched for."""
    glyph, role = ("failed", "crit") if error else _OUTPUT.get(line.kind, _OUTPUT["out"])
    style = look("crit" if error else "strong" if line.kind == "command" else "text")
    start = [
        cells(fmt.clock(line.at), look("pending" if found else "muted")),
        cells(look.glyphs[glyph], look(role)),
    ]
    if not narrow:
        start.append(cells(line.step, look("faint")))
    text, place = [], 0
    for first, last in found:
        text += [piece(line.text[place:first], style), piece(line.text[first:last], look.chip("pending"))]
        place = last
    return Row(str(line.seq), (*start, (*text, *cells(line.text[place:], style))))


_ERROR = re.compile(
    r"(?<![\w/.-])(?<!\bno )(?<!\b0 )\w*(?:errors?|exceptions?)\b(?![./-]\w)"
    r"|(?<![\w/.-])(?<!\b0 )(?:failed|fatal|panic)\b(?![./-]\w)"
    r"|(?<!\w)err!",
    re.IGNORECASE,
)


# One of these is in whatever the pattern matches: it takes a third of a millisecond to search a long line for that.
_TROUBLE = ("error", "exception", "failed", "fatal", "panic", "err!")


def looks_like_error(text: str) -> bool:
    """Whether a line of output tells of an error, not of none and not of a file that is called so."""
    folded = text.casefold()
    return any(word in folded for word in _TROUBLE) and _ERROR.search(text) is not None


def first_error(
    lines: Sequence[OutputLine], telling: Sequence[OutputLine], failed: Collection[str]
) -> OutputLine | None:
    """Where the trouble began: in the steps that `failed`, the first line that tells of an error, else their first
    answer; without any of those, the first of all that tells of one. `telling` are the lines that do."""
    if not failed:
        return telling[0] if telling else None
    own = (line for line in telling if line.step in failed)
    said = (line for line in lines if line.step in failed and line.kind != "command")
    return next(own, None) or next(said, None)


def change_entries(changes: ActionChanges, look: Look) -> list[Entry]:
    """What it went through, the latest first."""
    return [
        Row(
            str(i),
            (
                cells(fmt.clock(at), look("muted")),
                cells(state, look("text")),
                cells(actor, look("muted")),
                cells(text, look("muted")),
            ),
        )
        for i, (at, state, actor, text) in reversed(list(enumerate(changes)))
    ]
