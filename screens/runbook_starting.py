"""In which incident a runbook is worked through: one that is open, or a new one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from console.domain import format as fmt
from console.domain.book import Runbook
from console.domain.incident import LEVELS, Incident
from screens.asking_dialog import Asking, AskingDialog, Pick, Question, Values
from screens.base import ConsoleScreen
from screens.drafts import keys
from screens.duty_dialog import said
from screens.incident_opening import show
from screens.runbook_rows import showing
from widgets.cells import cells
from widgets.live_table import Column
from widgets.look import Look

_NEW = "new"
_COLUMNS = (Column("", 8), Column("", None), Column("", 18))


def ask(screen: ConsoleScreen, book: Runbook) -> None:
    """Open the dialog; afterwards the war-room is seen."""
    screen.app.push_screen(AskingDialog(asking(screen, book)), partial(said, screen))


def asking(screen: ConsoleScreen, book: Runbook) -> Asking:
    """What is asked: which incident, and of a new one what it is."""
    shown = showing(book, screen.snapshot.alerts)
    free = [i for i in screen.snapshot.open_incidents if not _has(i, book)]
    # What belongs to one that is open stays there.
    taken = {number for incident in screen.snapshot.open_incidents for number in incident.alerts}

    def check(values: Values) -> tuple[str, str | None]:
        if not values["title"]:
            return "say in one line what is wrong", "title"
        if values["level"] not in map(str, LEVELS):
            return "expected a level of 1 (worst), 2 or 3", "level"
        return "", None

    return Asking(
        "Start a runbook",
        "Start",
        partial(_start, screen, book, [alert.id for alert in shown if alert.id not in taken], keys()),
        about=(("runbook", book.title), ("shown by", ", ".join(a.rule for a in shown) or "no alert now")),
        questions=(
            Question("t", "title", book.title, "of a new incident: what is wrong"),
            Question("l", "level", str(book.level), "1 worst, 2, 3"),
        ),
        check=check,
        columns=_COLUMNS,
        picks=lambda look: _picks(screen, book, look),
        first=str(free[0].id) if free else _NEW,
        role="warn",
        verb="starts it",
    )


def _has(incident: Incident, book: Runbook) -> bool:
    return any(attached.name == book.name for attached in incident.runbooks)


def _picks(screen: ConsoleScreen, book: Runbook, look: Look) -> Sequence[Pick]:
    picks = [
        Pick(
            str(incident.id),
            (
                cells(incident.name, look("strong", bold=True)),
                cells(incident.title, look("text")),
                cells(f"SEV{incident.level} for {fmt.age(screen.now - incident.detected_at)}", look("muted")),
            ),
            f"Attach to {incident.name}",
            f"{incident.name} works through it already" if _has(incident, book) else "",
        )
        for incident in screen.snapshot.open_incidents
    ]
    words = "a new incident: title and level below"
    new = Pick(
        _NEW, (cells("new", look("strong", bold=True)), cells(words, look("text")), ()), "Open incident"
    )
    return [*picks, new]


async def _start(
    screen: ConsoleScreen,
    book: Runbook,
    alerts: Sequence[int],
    key: Callable[..., str],
    pick: str,
    values: Values,
) -> str:
    desk = screen.feed.desk
    if pick == _NEW:
        title, level = values["title"], int(values["level"])
        made = key(title, level)
        number = await desk.open_incident(title, level, alerts=alerts, runbook=book.name, key=made)
    else:
        number = int(pick)
        await desk.attach_runbook(number, book.name)
    # Once the dialog is gone.
    words = f"{book.title} is to be worked through in INC-{number}"
    screen.app.call_later(show, screen, number, words)
    return words
