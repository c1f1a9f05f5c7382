"""The Textual app: screens by number, global keys, themes, the bell. Owns the feed and knows no store.

What a screen shows is the screen's business; what is read is the feed's.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual._compositor import ChopsUpdate
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.events import Event, Key, Paste, Resize
from textual.filter import Monochrome
from textual.screen import Screen

from console import terminal_watch
from console.domain.alert import Alert, AlertState
from console.domain.event import Severity
from console.domain.snapshot import Snapshot
from console.domain.text import printable
from console.feed import SECTIONS, Feed
from screens.base import ConsoleScreen
from screens.registry import ACTIONS, SCREENS, Entry
from screens.trouble import trouble
from themes.palette import ANSI, DARK, PALETTES, Palette
from themes.stylesheet import ParsedOnce
from themes.theme import STYLESHEET, textual_themes
from widgets.glyphs import ASCII, UNICODE, wants_ascii
from widgets.look import Look
from widgets.opening import Keeping
from widgets.sparse_update import SparseUpdate
from widgets.tab_row import Tab

if TYPE_CHECKING:
    from screens.drafts import Drafts
    from screens.following import Following
    from screens.since import Since

_UNMARKED = str.maketrans("[]", "()")
_LONGEST_COMMAND = 400


def _unmarked(words: str) -> str:
    return printable(words.translate(_UNMARKED), _LONGEST_COMMAND)


_LOUD = (AlertState.FIRING, AlertState.STALE)


class TradexApp(App[None]):
    """The console of one person on one store.

    `theme` is a name of `themes.palette.PALETTES`, or None for the one that fits the terminal. `bell`: ring once
    for what fires critically and nobody and nothing quietens, when somebody calls this person by name, and when what
    is shown is no longer the present. What is being written is kept in `drafts`; None: nowhere.
    """

    CSS_PATH = STYLESHEET
    TITLE = "tradex"
    ALLOW_SELECT = False
    ENABLE_COMMAND_PALETTE = True
    COMMAND_PALETTE_BINDING = "ctrl+p"
    MODES: ClassVar[dict[str, object]] = {entry.mode: entry.screen for entry in SCREENS}  # pyright: ignore[reportIncompatibleVariableOverride]
    DEFAULT_MODE = SCREENS[0].mode
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(e.number), f"go({e.number})", e.title, show=False, id=f"app.go-{e.number}")
            for e in SCREENS
        ),
        Binding("t", "next_theme", "theme", id="app.theme"),
        Binding("l", "logs", "logs", id="app.logs"),
        Binding("H", "hand_over", "hand over", show=False, id="app.hand-over"),
        Binding("f", "follow_commander", "follow the commander", show=False, id="app.follow"),
        Binding("h", "since", "since you were here", show=False, id="app.since"),
        Binding("colon", "command_palette", "commands", key_display=":", id="app.commands"),
        Binding("question_mark", "help", "help", key_display="?", id="app.help"),
        Binding("q", "quit", "quit", id="app.quit"),
    ]

    def __init__(
        self,
        feed: Feed,
        *,
        theme: str | None = None,
        ascii: bool = False,
        bell: bool = True,
        drafts: Path | None = None,
    ) -> None:
        if _terminal_is_there():
            # A size that was exported to the environment would win over every resize of the terminal.
            for variable in ("COLUMNS", "LINES"):
                os.environ.pop(variable, None)
        super().__init__()
        if self.no_color:
            from widgets.plain import Plain

            self._filters = [Plain() if isinstance(f, Monochrome) else f for f in self._filters]
        self.feed = feed
        self.tabs: Sequence[Tab] = tuple(entry.tab for entry in SCREENS)
        self.confirmed: int | None = None
        self._drafts = drafts
        self._kept: Drafts | None = None
        self._following: Following | None = None
        self._since: Since | None = None
        self._together = False
        self._bell = bell
        self._alarmed = False
        self._heard: frozenset[tuple[int, int]] = frozenset()
        self._heard_of: Sequence[Alert] = ()
        self._glyphs = ASCII if ascii or wants_ascii() else UNICODE
        for each in textual_themes():
            self.register_theme(each)
        palette = PALETTES.get(theme or "", self._fitting_palette())
        self.look = Look(palette, self._glyphs)
        self.theme = palette.name
        self.stylesheet = ParsedOnce(variables=self.get_css_variables())
        self.set_class(self._glyphs is ASCII, "ascii")

    # Imported when they are wanted, or the first screen is full.

    @property
    def drafts(self) -> Drafts:
        """What this person is writing."""
        if self._kept is None:
            from screens.drafts import Drafts

            self._kept = Drafts(self._drafts)
        return self._kept

    @property
    def following(self) -> Following:
        """Who else is here, and whom this console follows."""
        if self._following is None:
            from screens.following import Following

            self._following = Following(self, self, self._ring)
        return self._following

    @property
    def since(self) -> Since:
        """What happened since this person was here last."""
        if self._since is None:
            from screens.since import Since

            self._since = Since(self, self)
        return self._since

    def _fitting_palette(self) -> Palette:
        return ANSI if self._has_16_colours() else DARK

    def _has_16_colours(self) -> bool:
        return _terminal_is_there() and self.console.color_system == "standard"

    # Life

    def on_mount(self) -> None:
        self.feed.subscribe(self._listen)
        self.theme_changed_signal.subscribe(self, lambda _theme: self._restyle())
        self.set_interval(1.0, self._second)
        self.run_worker(self.feed.run(), group="feed", exit_on_error=False)
        if not self.is_headless:
            self._end_on_hang_up()
        if self.feed.snapshot.control:
            self.call_after_refresh(self._gather)

    def _gather(self) -> None:
        """Once: be seen by the others, and hear of them."""
        if not self._together and self.is_running:
            self._together = True
            self.following.begin()
            self._tell(self.feed.snapshot, frozenset(SECTIONS))

    def _tell(self, snapshot: Snapshot, changed: frozenset[str]) -> None:
        self.following.listen(snapshot, changed)
        self.since.listen(snapshot, changed)

    def _end_on_hang_up(self) -> None:
        """A lost SSH line ends the console; nothing that it shows ends with it."""
        loop = asyncio.get_running_loop()
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            loop.add_signal_handler(signal.SIGHUP, self.exit)
        if sys.__stdin__ is not None and _terminal_is_there():

            def gone() -> None:
                loop.call_soon_threadsafe(self.exit)

            terminal_watch.watch(sys.__stdin__.fileno(), gone)

    async def on_event(self, event: Event) -> None:
        """What is typed while a dialog or a field opens is for that."""
        if self._together:
            self.following.active |= isinstance(event, Key)
        early = (
            isinstance(event, Key | Paste)
            and self.screen_stack
            and isinstance(self.screen, Keeping)
            and self.screen.keeps(event)
        )
        if not early:
            await super().on_event(event)

    def on_resize(self, event: Resize) -> None:
        """A terminal that was smaller until a moment ago has lost what was there, though this is the size that was
        drawn: it shrank and grew before anybody looked."""
        if self.screen_stack and event.size == self.screen.outer_size:
            self.refresh()

    def _second(self) -> None:
        """Ages and the clock move on."""
        if not self.is_running:
            return
        screen = self.screen
        if isinstance(screen, ConsoleScreen):
            screen.second()
        self._gather()
        self.following.second()
        self._sound(self.feed.snapshot)

    def _listen(self, snapshot: Snapshot, changed: frozenset[str]) -> None:
        if self._together:
            self._tell(snapshot, changed)
        elif snapshot.control:
            self.call_later(self._gather)
        self._sound(snapshot)

    def _ring(self) -> None:
        if self._bell:
            self.bell()

    def _sound(self, snapshot: Snapshot) -> None:
        """Ring for each critical alert that was not loud before, and once while this is not the present."""
        problem = trouble(snapshot, self.feed.now())
        alarmed = problem is not None and problem.rings
        loud = self._heard
        if snapshot.alerts is not self._heard_of:
            # One that came back soon is the same alert, but news all the same.
            loud = frozenset((alert.id, alert.flaps) for alert in snapshot.alerts if _is_loud(alert))
        if self._bell and (loud - self._heard or (alarmed and not self._alarmed)):
            self.bell()
        self._alarmed, self._heard, self._heard_of = alarmed, loud, snapshot.alerts

    def _display(self, screen: Screen[object], renderable: object) -> None:
        """Send partial updates cell by cell (see widgets.sparse_update)."""
        if isinstance(renderable, ChopsUpdate):
            renderable = SparseUpdate.of(renderable)
        super()._display(screen, renderable)  # pyright: ignore[reportArgumentType]

    # Screens

    def go(self, number: int) -> None:
        """Show the screen of this number; on one of its details, go back up to it. 9 shows what was just confirmed."""
        entry = next((e for e in SCREENS if e.number == number), None)
        if entry is None:
            return
        shows = self.confirmed if number == ACTIONS else None
        up = self.current_mode == entry.mode or shows is not None
        if self.current_mode != entry.mode:
            self.switch_mode(entry.mode)
        while up and len(self.screen_stack) > 1:
            self.pop_screen()
        if shows is not None:
            from screens.actions import ActionsScreen

            if isinstance(self.screen, ActionsScreen):
                self.screen.show_action(shows)
            self.confirmed = None

    def action_go(self, number: int) -> None:
        self.go(number)

    def action_help(self) -> None:
        """The keys of the screen in front."""
        from screens.help import HelpScreen, sections_of

        if isinstance(self.screen, ConsoleScreen):
            title = self.screen.TITLE or next(e.title for e in SCREENS if e.number == self.screen.number)
            self.push_screen(HelpScreen(f"{title}: keys", sections_of(self.screen)))

    def action_logs(self) -> None:
        """The platform's logs, live."""
        # Imported when somebody looks: the console opens on Health.
        from screens.logs import LogScreen

        logs = next((screen for screen in self.screen_stack if isinstance(screen, LogScreen)), None)
        if logs is None:
            number = next(e.number for e in SCREENS if e.mode == self.current_mode)
            self.push_screen(LogScreen(number=number))
        else:
            # On one of its details, back up to it.
            while self.screen is not logs:
                self.pop_screen()

    def action_follow_commander(self) -> None:
        """See what the commander of the incident sees, from now on; again: no longer."""
        self.following.toggle()

    def action_hand_over(self) -> None:
        """Tell the next shift what there is to know."""
        from screens.handing import begin

        if isinstance(self.screen, ConsoleScreen):
            begin(self.screen)

    def action_since(self) -> None:
        """What happened since this person was last here."""
        from screens.since import SinceScreen

        if isinstance(self.screen, ConsoleScreen):
            self.push_screen(SinceScreen(self.since, number=self.screen.number))

    def action_refresh(self) -> None:
        """Read the store again now."""
        self.feed.refresh()

    # Look

    def action_next_theme(self) -> None:
        """The next theme; 16 colours only where the terminal has no more."""
        names = [n for n in PALETTES if n != ANSI.name or self._has_16_colours()]
        place = names.index(self.theme) if self.theme in names else -1
        self.theme = names[(place + 1) % len(names)]

    def _restyle(self) -> None:
        self.look = Look(PALETTES.get(self.theme, DARK), self._glyphs)
        for screen in self.screen_stack:
            if isinstance(screen, ConsoleScreen):
                screen.restyle()

    # Command palette

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        for title, text, action in self._commands(screen):
            # The palette takes both for markup, and there is no sign that it leaves alone.
            yield SystemCommand(_unmarked(title), _unmarked(text), action)

    def _commands(self, screen: Screen[object]) -> Iterator[tuple[str, str, Callable[[], None]]]:
        for entry in SCREENS:
            title = f"Go to {entry.number} {entry.title}"
            yield title, entry.help, lambda e=entry: self._go_to(e)
        if isinstance(screen, ConsoleScreen):
            from screens.action_asking import commands

            yield from screen.commands()
            yield "Open an incident", "about what is under the cursor", screen.action_open_incident
            yield "Hand over", "tell the next shift what there is to know", self.action_hand_over
            yield "Since you were last here", "what happened meanwhile", self.action_since
            yield from commands(screen)
        for palette in PALETTES.values():
            title = f"Theme: {palette.title}"
            yield title, "change the colours", lambda p=palette: self._choose_theme(p.name)
        yield "Logs", "function, sign-in and order-error logs, live", self.action_logs
        yield "Refresh", "read the store again now", self.action_refresh
        yield "Help", "the keys of this screen", self.action_help
        yield "Quit", "leave this console", self.exit

    def _go_to(self, entry: Entry) -> None:
        self.go(entry.number)

    def _choose_theme(self, name: str) -> None:
        self.theme = name


def _is_loud(alert: Alert) -> bool:
    return alert.severity is Severity.CRITICAL and alert.state in _LOUD


def _terminal_is_there() -> bool:
    """Whether the app runs in a terminal."""
    stdin = sys.__stdin__
    if stdin is None:
        return False
    try:
        return os.isatty(stdin.fileno())
    except (OSError, ValueError):
        return False
