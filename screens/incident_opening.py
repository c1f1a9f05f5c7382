"""How an incident is opened by hand, from any screen, filled in from what is under the cursor there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from console.domain.alert import Alert
from console.domain.errors import TradexError
from console.domain.event import Severity
from console.domain.incident import LEVELS
from screens.asking_dialog import Asking, AskingDialog, Question, Values
from screens.drafts import keys

if TYPE_CHECKING:
    from console.domain.book import Runbook
    from screens.base import ConsoleScreen

_INCIDENT = 5
_LEVEL_OF = {Severity.CRITICAL: 2, Severity.WARNING: 3}


def begin(screen: ConsoleScreen) -> None:
    """Open one about the alerts that this screen aims at; where they belong to one already, go there."""
    alerts = screen.alerts_aimed_at()
    snapshot = screen.snapshot
    known = next((i for i in snapshot.open_incidents if any(alert.id in i.alerts for alert in alerts)), None)
    if known is not None:
        show(screen, known.id, f"{alerts[0].rule} belongs to {known.name}")
    elif reason := snapshot.link.why_not():
        screen.say(reason, role="warn", glyph="warn")
    else:
        screen.run_worker(_ask(screen, alerts), group="incident", exclusive=True, exit_on_error=False)


async def _ask(screen: ConsoleScreen, alerts: Sequence[Alert]) -> None:
    try:
        books = await screen.feed.query.runbooks()
    except TradexError as error:
        screen.say(f"the runbooks could not be read: {error}", role="crit", glyph="crit")
        return
    if screen.is_current:
        dialog = AskingDialog(opening(screen, alerts, books))
        screen.app.push_screen(dialog)


def book_of(alerts: Sequence[Alert], books: Sequence[Runbook]) -> Runbook | None:
    """The runbook for these alerts: the one that a rule names, else one of whose symptoms they are."""
    for alert in alerts:
        for book in books:
            if alert.runbook in (book.name, *book.aliases) or book.shows(alert.rule, alert.metric):
                return book
    return None


def opening(screen: ConsoleScreen, alerts: Sequence[Alert], books: Sequence[Runbook]) -> Asking:
    """What is asked before one is opened."""
    book = book_of(alerts, books)
    title = alerts[0].summary if alerts else screen.aimed_at().reason
    worst = min((_LEVEL_OF.get(alert.severity, 3) for alert in alerts), default=3)
    names = {each.name: each for each in books}
    about = [("alerts", ", ".join(alert.rule for alert in alerts))] if alerts else []
    about += [("runbooks", ", ".join(names))] if names else []

    def check(values: Values) -> tuple[str, str | None]:
        if values["level"] not in map(str, LEVELS):
            return "expected a level of 1 (worst), 2 or 3", "level"
        if values["runbook"] and values["runbook"] not in names:
            shown = ", ".join(names) or "none is published"
            return f"there is no runbook {values['runbook']}: {shown}", "runbook"
        return "", None

    return Asking(
        "Open an incident",
        "Open incident",
        partial(_open, screen, [alert.id for alert in alerts], keys()),
        about=about,
        questions=(
            Question("t", "title", title, "what is wrong, in one line", "say in one line what is wrong"),
            Question("l", "level", str(min(worst, book.level) if book else worst), "1 worst, 2, 3"),
            Question(
                *("b", "runbook", "" if book is None else book.name),
                "one of these; empty: none" if names else "none is published",
            ),
            Question("n", "note", "", "what is known so far"),
        ),
        check=check,
        role="warn",
        verb="opens it",
    )


async def _open(
    screen: ConsoleScreen, alerts: Sequence[int], key: Callable[..., str], _pick: str, values: Values
) -> str:
    number = await screen.feed.desk.open_incident(
        values["title"],
        int(values["level"]),
        alerts=alerts,
        runbook=values["runbook"],
        note=values["note"],
        key=key(*values.items()),
    )
    words = f"INC-{number} is open"
    # Once the dialog is gone.
    screen.app.call_later(show, screen, number, words)
    return words


def show(screen: ConsoleScreen, number: int, words: str) -> None:
    """Go to the war-room of this incident."""
    from screens.incident import IncidentScreen

    screen.host.following.called = number
    screen.host.go(_INCIDENT)
    room = screen.app.screen
    if isinstance(room, IncidentScreen):
        # One that is shown for the first time is composed first.
        room.call_after_refresh(room.action_show_called)
        if words:
            room.call_after_refresh(room.say, words)
