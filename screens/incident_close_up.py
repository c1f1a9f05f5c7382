"""A step or an entry of the war-room at full size."""

from __future__ import annotations

from datetime import datetime

from console.domain import format as fmt
from console.domain.action import Action, ActionState
from console.domain.book import Mark, Marked
from console.domain.check import Known
from console.domain.incident import Attached, Entry, Pin
from screens.incident_step_rows import found_said
from screens.reading import ReadingScreen
from widgets.action_states import action_state

_NUMBER = 5


def step_screen(
    book: Attached, marked: Marked, found: Known | None, action: Action | None, now: datetime
) -> ReadingScreen:
    """What is to be done in whole, what it starts, and what was said of it; `action` is what it has started."""
    step, mark = marked.step, marked.mark
    params = "".join(f", {name} {value}" for name, value in step.params.items())
    facts = [
        ("runbook", book.title),
        ("part", step.part),
        ("starts", f"{step.action}{params}" if step.action else ""),
        ("check", step.check),
        ("found", "" if found is None else found_said(found, now)[0]),
        ("metric", step.metric),
        ("holds", step.holds),
        ("state", "" if mark is None else f"{mark.state} by {mark.by}, {fmt.iso(mark.at)}"),
        ("action", _action_words(mark, action)),
        ("note", "" if mark is None else mark.note),
    ]
    text = f"{step.text}\n\n{step.detail}"
    return ReadingScreen(f"Step {marked.place}", text, number=_NUMBER, facts=facts)


def _action_words(mark: Mark | None, action: Action | None) -> str:
    if mark is None or mark.action_id is None:
        return ""
    if action is None:
        return str(mark.action_id)
    words = f"{action.id}, {action_state(action).word}"
    again = action.state.final and action.state is not ActionState.DONE
    return f"{words}; on the step space takes the tick back, then x starts it again" if again else words


def entry_screen(entry: Entry | None, pin: Pin | None) -> ReadingScreen | None:
    """What was written in whole; of a pinned entry that was not read its fact."""
    if entry is None:
        return None if pin is None else ReadingScreen("Pinned", pin.text, number=_NUMBER)
    event = entry.event
    facts = [("at", fmt.iso(event.at)), ("by", event.actor), ("kind", event.kind), ("about", event.subject)]
    return ReadingScreen(f"Entry {event.id}", entry.body or event.text, number=_NUMBER, facts=facts)
