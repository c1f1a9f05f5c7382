"""The screen row: every finished screen registers here, once."""

from collections.abc import Callable
from dataclasses import dataclass

from screens.base import ConsoleScreen
from screens.health import HealthScreen
from widgets.tab_row import Tab


@dataclass(frozen=True, slots=True)
class Entry:
    """A screen of the row: its number is its key, `mode` its name in the app."""

    number: int
    title: str
    short: str
    help: str
    screen: Callable[[], ConsoleScreen]

    @property
    def mode(self) -> str:
        return self.title.lower()

    @property
    def tab(self) -> Tab:
        return Tab(self.number, self.title, self.short)


def _metrics() -> ConsoleScreen:
    # Imported when it is shown first: the console opens on Health.
    from screens.metrics import MetricsScreen

    return MetricsScreen()


def _alerts() -> ConsoleScreen:
    from screens.alerts import AlertsScreen

    return AlertsScreen()


def _incident() -> ConsoleScreen:
    from screens.incident import IncidentScreen

    return IncidentScreen()


def _books() -> ConsoleScreen:
    from screens.books import BooksScreen

    return BooksScreen()


def _deploy() -> ConsoleScreen:
    from screens.deploy import DeployScreen

    return DeployScreen()


def _security() -> ConsoleScreen:
    from screens.security import SecurityScreen

    return SecurityScreen()


def _actions() -> ConsoleScreen:
    from screens.actions import ActionsScreen

    return ActionsScreen()


INCIDENT = 5
BOOKS = 6
ACTIONS = 9
SCREENS: tuple[Entry, ...] = (
    Entry(1, "Health", "Health", "is the platform well, and what is not", HealthScreen),
    Entry(2, "Metrics", "Metrics", "figures and plots over a window of time", _metrics),
    Entry(4, "Alerts", "Alerts", "what fires, who is on it, what is quiet", _alerts),
    Entry(INCIDENT, "Incident", "Incid", "the war-room: timeline, roles, steps, what changed", _incident),
    Entry(BOOKS, "Runbooks", "Books", "checklists that are due, runbooks, hand-over", _books),
    Entry(7, "Deploy", "Deploy", "what is live, what is being deployed, the way back", _deploy),
    Entry(8, "Security", "Sec", "who attacks, what is blocked, who is suspended", _security),
    Entry(ACTIONS, "Actions", "Act", "what was asked for, what runs, how it ended; the audit", _actions),
)
