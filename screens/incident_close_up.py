"""A step or an entry of the war-room at full size."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from console.domain import format as fmt
from console.domain.action import Action, ActionState
from console.domain.book import Done, Mark, Marked
from console.domain.check import Known
from console.domain.incident import Attached, Entry, Pin
from console.domain.snapshot import Snapshot
from screens.incident_step_rows import found_said
from screens.reading import ReadingScreen
from widgets.action_states import action_state
from widgets.tab_row import Tab

_NUMBER = 5


def step_screen(
    book: Attached,
    marked: Marked,
    found: Known | None,
    action: Action | None,
    does: str,
    now: datetime,
) -> ReadingScreen:
    """What is to be done in whole, what `x` does about it, and what was said of it; `action` is what it has started."""
    step, mark = marked.step, marked.mark
    skipped = mark is not None and mark.state is Done.SKIPPED
    facts = [
        ("runbook", book.title),
        ("part", step.part),
        ("x", does),
        ("found", "" if found is None else found_said(found, now)[0]),
        ("holds", step.holds),
        ("state", _state_words(mark)),
        ("waits", marked.waits if mark is None else ""),
        ("action", _action_words(mark, action)),
        ("reason" if skipped else "note", "" if mark is None else mark.note),
    ]
    text = f"{step.text}\n\n{step.detail}"
    return ReadingScreen(f"Step {marked.place}", text, number=_NUMBER, facts=facts)


def does_words(marked: Marked, snapshot: Snapshot, tabs: Sequence[Tab]) -> str:
    """What `x` does about a step, in words: `goes to Health`, `starts clear-cache`; "" for nothing."""
    step, mark = marked.step, marked.mark
    if step.action:
        if mark is not None and mark.action_id is not None:
            return f"shows action {mark.action_id}"
        params = "".join(f", {name} {value}" for name, value in step.params.items())
        return f"starts {snapshot.command_of(step.action)}{params}"
    if step.check:
        return f"checks {step.check}"
    if step.screen:
        title = next((tab.title for tab in tabs if tab.number == step.screen), f"screen {step.screen}")
        return f"goes to {title}"
    return f"shows {step.metric}" if step.metric else ""


def _state_words(mark: Mark | None) -> str:
    if mark is None:
        return "to be done"
    by = f"the agent ({mark.by})" if mark.automatic else mark.by
    return f"{mark.state} by {by}, {fmt.iso(mark.at)}"


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
