"""Rows of an incident's steps: who did them, the action that one started, what its check found. Pure."""

from __future__ import annotations

from datetime import datetime

from rich.style import Style

from console.domain import format as fmt
from console.domain.action import Action, ActionState
from console.domain.book import Done, Mark, Marked
from console.domain.check import CheckStatus, Known
from console.domain.incident import Attached, Incident
from screens.incident_rows import Scene
from widgets.action_states import action_state
from widgets.cells import EMPTY, Cells, cells, measure, piece
from widgets.charts import meter
from widgets.live_table import Column, Entry, Group, Row
from widgets.look import Look
from widgets.states import State

_RESULT = {
    CheckStatus.PASSED: "ok",
    CheckStatus.MANUAL: "pending",
    CheckStatus.WARNING: "warn",
    CheckStatus.FAILED: "crit",
}


_READS = ("go", "show")
"""What `x` does for somebody who may only look."""


def step_key(book: Attached, marked: Marked) -> str:
    """A row's key."""
    return f"{book.id}-{marked.place}"


def step_entries(incident: Incident, scene: Scene) -> tuple[tuple[Column, ...], list[Entry]]:
    """Columns and rows of the steps of its runbooks; a heading before each part where there is room, before each book
    where there are several."""
    entries: list[Entry] = []
    number = end = 1
    several = len(incident.runbooks) > 1
    for book in incident.runbooks:
        if several:
            entries.append(Group(book.title, cells(f"{book.done} of {len(book.steps)}", scene.look("muted"))))
        part = ""
        for marked in book.steps:
            if marked.step.part != part and scene.wide and not several:
                part = marked.step.part
                entries.append(Group(part))
            row = _step_cells(book, marked, scene)
            number, end = max(number, measure(row[1])), max(end, measure(row[3]))
            entries.append(Row(step_key(book, marked), row))
    columns = Column("", 3), Column("", number, right=True), Column("", None), Column("", end, right=True)
    return columns, entries


def _step_cells(book: Attached, marked: Marked, scene: Scene) -> tuple[Cells, ...]:
    look, mark, step = scene.look, marked.mark, marked.step
    action = None if mark is None or mark.action_id is None else (scene.actions or {}).get(mark.action_id)
    state = None if action is None else _not_done(action)
    runs = action is not None and not action.state.final
    if state is not None:
        box, role, text = state.glyph, state.role, look("strong" if runs else "text", bold=runs)
    elif mark is None:
        box, role, text = "", "muted", look("text")
    elif mark.state is Done.SKIPPED:
        box, role, text = "none", "muted", look("muted")
    else:
        box, role, text = "done", "ok", look("muted")
    sign = look.glyphs[box] if box else " "
    found = _found(marked, scene)
    evidence = "" if found is None else found_line(found)
    return (
        (piece("[", look(role)), piece(sign, look(role, bold=runs)), piece("]", look(role))),
        cells(str(marked.place), look("faint")),
        (
            *cells(step.text, look("stale") if scene.greyed else text),
            *cells(f"  {evidence}" if evidence else "", look("muted")),
        ),
        _step_end(book, marked, action, state, found, scene),
    )


def _not_done(action: Action) -> State | None:
    """How the action of a step stands; None where it is done and nothing got worse by it."""
    state = action_state(action)
    return None if state.word == "done" else state


def _found(marked: Marked, scene: Scene) -> Known | None:
    """What is known of its check, where that says more than who ticked it."""
    found = (scene.checks or {}).get(marked.step.check)
    if found is None or not (found.awaited or found.result or found.nothing):
        return None
    mark = marked.mark
    return found if mark is None or found.awaited or (found.at or mark.at) > mark.at else None


def _step_end(
    book: Attached,
    marked: Marked,
    action: Action | None,
    state: State | None,
    found: Known | None,
    scene: Scene,
) -> Cells:
    look, mark, step = scene.look, marked.mark, marked.step
    asking = (scene.asking or {}).get((book.id, marked.place))
    if asking is not None:
        return cells(asking, look("accent"))
    if action is not None and action.state is ActionState.RUNNING and action.steps:
        share = action.step / action.steps
        bar = meter(share, 4 if scene.compact else 8, look, role="accent")
        return (*bar, piece(f" {round(share * 100)} %", look("strong", bold=True)))
    if state is not None:
        return cells(f"{look.glyphs[state.glyph]} {state.word}", look(state.role))
    chip = (piece(" x ", look.chip("accent")),)
    if found is not None:
        words = cells(*_found_words(found, scene.now, look))
        plain = mark is not None or found.awaited or scene.compact or not scene.writes
        return words if plain else (*chip, piece(" ", look("text")), *words)
    if mark is not None:
        return _marked_words(mark, scene)
    if (word := startable(marked)) and (scene.writes or word in _READS):
        return (*chip, piece(f" {word:<5}", look("accent")))
    return cells("auto", look("muted")) if step.holds or step.evidence else EMPTY


def _marked_words(mark: Mark, scene: Scene) -> Cells:
    when = fmt.clock(mark.at, seconds=False)
    if scene.compact:
        return cells(when, scene.look("faint"))
    return cells(f"{'auto' if mark.automatic else mark.by} {when}", scene.look("faint"))


def _found_words(found: Known, now: datetime, look: Look) -> tuple[str, Style]:
    """`passed 2m`, and its style."""
    run = found.run
    if found.awaited and run is not None:
        over = f" {len(run.results)}/{run.total}" if run.total else ""
        return ("asked" if run.started_at is None else f"checking{over}"), look("accent")
    if _superseded(found) or found.result is None or found.at is None:
        return "no result", look("warn")
    return f"{found.result.status} {fmt.age(now - found.at)}", look(_RESULT[found.result.status])


def _superseded(found: Known) -> bool:
    """Whether a later run came to nothing."""
    run = found.run
    return bool(found.nothing) and run is not None and (found.at is None or found.at < run.asked_at)


def found_line(found: Known) -> str:
    """The evidence, or why there is none; "" while it is awaited."""
    if found.awaited:
        return ""
    if _superseded(found) or found.result is None:
        return found.nothing
    return found.result.evidence


def found_said(found: Known, now: datetime) -> tuple[str, str]:
    """`Database: passed, 2m ago: answers in 3 ms` and the role of its colour."""
    run, result = found.run, found.result
    if found.awaited and run is not None:
        since = fmt.age(now - (run.started_at or run.asked_at))
        doing = "the agent has not begun yet" if run.started_at is None else f"it runs since {since}"
        return f"{found.check}: {run.by} asked for it, {doing}: the result comes on this row", "pending"
    if _superseded(found) or result is None or found.at is None:
        return (f"{found.check}: no result: {found.nothing}" if found.nothing else ""), "warn"
    return (
        f"{result.title}: {result.status}, {fmt.age(now - found.at)} ago: {result.evidence}",
        _RESULT[result.status],
    )


def startable(marked: Marked) -> str:
    """What `x` does about a step: start, check, go, show; "" where that is nothing."""
    step = marked.step
    for what, word in (
        (step.action, "start"),
        (step.check, "check"),
        (step.screen, "go"),
        (step.metric, "show"),
    ):
        if what:
            return word
    return ""
