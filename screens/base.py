"""The frame around every screen: banner, screen row, progress, notice, keys; and when a screen draws.

A screen says what it is made of (`compose_body`) and draws on `update(changed)`. It is told only while it is in
front; what changed meanwhile is drawn when it comes back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal
from textual.widget import Widget

from console.domain.errors import TradexError
from console.domain.snapshot import Snapshot
from console.feed import SECTIONS, Feed
from screens.aim import Aim
from screens.progress import Progress, moving
from screens.rereading import Rereading
from screens.saying import Saying
from screens.trouble import Trouble, trouble
from widgets.banner import Banner, Clock
from widgets.key_row import KeyRow
from widgets.line_widget import LineWidget
from widgets.look import Look
from widgets.notice import Notice
from widgets.progress_row import ProgressRow
from widgets.tab_row import Tab, TabRow

if TYPE_CHECKING:
    from console.domain.alert import Alert
    from screens.drafts import Drafts
    from screens.following import Following

EVERYTHING = frozenset(SECTIONS)
TINY = (60, 15)
"""Below this many columns or rows a screen is replaced by one line."""
_INCIDENT, _NOTHING = frozenset({5}), frozenset[int]()
"""The tabs that are marked while an incident is open, and while none is."""
_PROGRESS_FROM = 30
"""So many rows leave one for the progress of a deployment; with fewer it is in the banner."""


class Layout(Enum):
    """How much room there is."""

    COMPACT = "compact"
    NORMAL = "normal"
    WIDE = "wide"


class Host(Protocol):
    """What a screen needs of its app."""

    feed: Feed
    look: Look
    tabs: Sequence[Tab]
    confirmed: int | None
    """The action that was confirmed last, until 9 has shown it."""

    @property
    def drafts(self) -> Drafts: ...

    @property
    def following(self) -> Following: ...

    def go(self, number: int) -> None: ...


def in_front(app: App[None]) -> ConsoleScreen | None:
    """The screen of the console that is in front, also below a dialog."""
    screens = (each for each in reversed(app.screen_stack) if isinstance(each, ConsoleScreen))
    return next(screens, None)


class ConsoleScreen(Saying):
    """A screen in the frame. `NUMBER` is its place in the screen row; details are given their parent's, and
    have a `TITLE` of their own."""

    NUMBER: ClassVar[int] = 0
    CHANGES: ClassVar[frozenset[str]] = frozenset(
        "acknowledge unacknowledge silence end_silence open_incident".split()
    )
    """Actions that are of no use to somebody who may only look."""
    AUTO_FOCUS: ClassVar[str | None] = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "focus_pane(1)", "pane", id="screen.next-pane"),
        Binding("shift+tab", "focus_pane(-1)", "pane", show=False, id="screen.previous-pane"),
        Binding("ctrl+c", "app.quit", "quit", show=False, id="screen.interrupt"),
        Binding("B", "act('block_ip')", "block IP", show=False, id="screen.block"),
        Binding("S", "act('suspend_account')", "suspend account", show=False, id="screen.suspend"),
        Binding("D", "act('deploy')", "deploy", show=False, id="screen.deploy"),
        Binding("R", "act('rollback')", "roll back", show=False, id="screen.rollback"),
        Binding("M", "maintenance", "maintenance", show=False, id="screen.maintenance"),
        Binding("i", "open_incident", "open incident", show=False, id="screen.incident"),
    ]

    def __init__(self, *, number: int | None = None) -> None:
        super().__init__()
        self.number = self.NUMBER if number is None else number
        self.trouble: Trouble | None = None
        self._pending: frozenset[str] = EVERYTHING
        self._unsubscribe: Callable[[], None] | None = None
        self._drawn_look: Look | None = None
        # A screen hears of time and changes from its first moment on, but can draw only when it is composed.
        self._framed = False
        self._focus_before: Widget | None = None
        self._wrote = True
        self._readings: list[Rereading] = []
        self.progress = Progress(lambda: self.feed.query)
        self._moving = self.follow(
            *(self._read_progress, self._draw_progress, "action"),
            what="the progress of the deployment",
            about=lambda: None if (action := moving(self.snapshot)) is None else action.id,
            wanted=lambda: moving(self.snapshot) is not None,
        )

    # What a screen fills in

    def compose_body(self) -> Iterable[Widget]:
        """The widgets between notice and key row."""
        raise NotImplementedError

    def update(self, changed: frozenset[str]) -> None:
        """Draw the sections of the snapshot that changed."""

    def update_ages(self) -> None:
        """Draw what changes by time alone; called once a second."""

    def aimed_at(self) -> Aim:
        """What a key that starts an action is filled in from."""
        return Aim()

    def alerts_aimed_at(self) -> Sequence[Alert]:
        """The alerts that an incident is opened for from here."""
        return ()

    def commands(self) -> Iterable[tuple[str, str, Callable[[], None]]]:
        """What the keys do, for the command palette: title, explanation, deed."""
        return ()

    def hinted(self, action: str) -> bool:
        """Whether the key of an action is worth its place in the last row now; the help has it in any case."""
        return self.writes or action not in self.CHANGES

    def worded(self, action: str) -> str:
        """What the key of an action does now, where that is something else than its hint says; "" otherwise."""
        return ""

    def follow(
        self, read: Callable[[], Awaitable[None]], draw: Callable[[], None], *hints: str, **more: Any
    ) -> Rereading:
        """Read what no snapshot holds once this screen is in front, and again with each hint; see `Rereading`."""
        reading = Rereading(self, read, draw, *hints, **more)
        self._readings.append(reading)
        return reading

    # The frame

    def compose(self) -> ComposeResult:
        # At once: a class that comes later has everything below the screen styled a second time.
        self._classify()
        with Horizontal(id="top"):
            yield Banner()
            yield Clock()
        yield TabRow(self.host.tabs, self.number)
        yield ProgressRow()
        yield Notice()
        yield Notice(id="answer")
        with Container(id="body"):
            yield from self.compose_body()
        yield KeyRow()
        yield Notice(id="tiny")

    @property
    def host(self) -> Host:
        return cast(Host, self.app)

    @property
    def feed(self) -> Feed:
        return self.host.feed

    @property
    def snapshot(self) -> Snapshot:
        return self.feed.snapshot

    @property
    def look(self) -> Look:
        return self.host.look

    @property
    def now(self) -> datetime:
        return self.feed.now()

    @property
    def greyed(self) -> bool:
        """Whether what is shown is no longer the present."""
        return self.trouble is not None and self.trouble.greyed

    @property
    def writes(self) -> bool:
        """Whether this person may change anything; while the store is away nobody knows better."""
        link = self.snapshot.link
        return link.away is not None or not link.why_not()

    @property
    def arrangement(self) -> Layout:
        width, height = self.app.size
        if width < 100 or height < 30:
            return Layout.COMPACT
        return Layout.WIDE if width >= 150 else Layout.NORMAL

    def on_mount(self) -> None:
        self._framed = True
        self._arrange()
        self._unsubscribe = self.feed.subscribe(self._changed)
        for reading in self._readings:
            reading.begin()
        self.refresh_frame()

    def on_unmount(self) -> None:
        self._framed = False
        if self._unsubscribe is not None:
            self._unsubscribe()
        for reading in self._readings:
            reading.end()

    def on_screen_resume(self) -> None:
        if self._drawn_look not in (None, self.look):
            self.restyle()
        else:
            self._catch_up(frozenset())
        for reading in self._readings:
            reading.catch_up()

    def on_resize(self, event: events.Resize) -> None:
        self._arrange()
        self.call_after_refresh(self._arranged)

    def _arranged(self) -> None:
        """The new size is laid out. A panel that was hidden meanwhile has lost the focus; it gets it back."""
        self._catch_up(EVERYTHING)
        before = self._focus_before
        if self.focused is None and before is not None and before.is_attached:
            fallback = self.query(self.AUTO_FOCUS).first() if self.AUTO_FOCUS else None
            self.set_focus(before if before.display else fallback)

    def on_tab_row_clicked(self, event: TabRow.Clicked) -> None:
        self.host.go(event.number)

    def _arrange(self) -> None:
        if not self._framed:
            return
        self._focus_before = self.focused or self._focus_before
        tiny = self._classify()
        width, height = self.app.size
        text = f"{TINY[0]}x{TINY[1]} or larger, please (now {width}x{height})" if tiny else ""
        self.query_one("#tiny", Notice).say(text, role="pending", glyph="")

    def _classify(self) -> bool:
        """Have the style sheet know the size; whether it is too small for anything."""
        width, height = self.app.size
        tiny = width < TINY[0] or height < TINY[1]
        for layout in Layout:
            self.set_class(self.arrangement is layout, f"-{layout.value}")
        self.set_class(tiny, "-tiny")
        return tiny

    def _changed(self, snapshot: Snapshot, changed: frozenset[str]) -> None:
        if not self.is_current:
            self._pending |= changed
            return
        self._catch_up(changed)

    def _catch_up(self, changed: frozenset[str]) -> None:
        if not self._framed:
            return
        changed, self._pending = changed | self._pending, frozenset()
        if self.refresh_frame():
            changed = EVERYTHING
        if self.writes is not self._wrote:
            self._wrote = self.writes
            self.refresh_bindings()
        if "actions" in changed:
            # What hinted at it came before there was anything to read of.
            self._moving.catch_up()
            self._moving.soon()
        if changed:
            self.update(changed)

    def refresh_frame(self) -> bool:
        """Draw banner, clock and notice; True when the screen below has turned grey, or back."""
        before, self._drawn_look = self.greyed, self.look
        self.trouble = trouble(self.snapshot, self.now)
        self._draw_progress()
        self.query_one(TabRow).mark(_INCIDENT if self.snapshot.open_incidents else _NOTHING)
        self.query_one(Clock).show(self.now)
        notice = self.query_one("#notice", Notice)
        if self.trouble is None:
            notice.say("")
        else:
            notice.say(self.trouble.text, role=self.trouble.role, glyph=self.trouble.glyph)
        return self.greyed != before

    async def _read_progress(self) -> None:
        await self.progress.read(moving(self.snapshot))

    def _draw_progress(self) -> None:
        """In a row of its own where there is room for one, else in the banner."""
        action = moving(self.snapshot)
        course = self.progress.of(action, self.now)
        width, height = self.app.size
        row = course if height >= _PROGRESS_FROM and width >= TINY[0] else None
        name, command = ("", "") if action is None else (action.target, self.snapshot.command_of(action.kind))
        if self.query_one(ProgressRow).show(name, command, row, stale=self.greyed):
            self.call_after_refresh(self._arranged)
        self.query_one(Banner).show(self.snapshot, self.now, course, elsewhere=row is not None)

    def second(self) -> None:
        """A second has passed on the store's clock."""
        if not self._framed or not self.app.is_running:
            # While an app ends, its screens lose their widgets first.
            return
        if self.refresh_frame():
            self.update(EVERYTHING)
        else:
            self.update_ages()

    def restyle(self) -> None:
        """The look has changed: draw everything again."""
        for widget in self.query(LineWidget):
            widget.restart()
        self._catch_up(EVERYTHING)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Where there is no other panel, no hint says that one is a key away."""
        if action == "focus_pane" and all(panel is self.focused for panel in self.focus_chain):
            return False
        return super().check_action(action, parameters)

    def action_focus_pane(self, step: int) -> None:
        """Move the focus to the next panel, or the one before."""
        if step > 0:
            self.focus_next()
        else:
            self.focus_previous()

    # Words

    def copy_text(self, text: str, *, lines: bool = False) -> None:
        """Into the person's clipboard; it is said where that is, to whoever is still here."""
        self.run_worker(self._copy(text, lines), exit_on_error=False)

    async def _copy(self, text: str, lines: bool) -> None:
        from screens.copying import copy

        said = await copy(self.app, text, lines=lines)
        if self.is_attached:
            self.say(said, role="ok", glyph="done")

    # Actions

    def open_action(self, number: int) -> None:
        """Look at an action closely, also at one that is not listed any more."""
        self.run_worker(self._open_action(number), exit_on_error=False)

    async def _open_action(self, number: int) -> None:
        from screens.action_detail import ActionDetail

        try:
            action = self.snapshot.action(number) or await self.feed.query.action(number)
        except TradexError as error:
            if self.is_attached:
                self.say(str(error), role="crit", glyph="crit")
            return
        if action is None and self.is_attached:
            self.say(f"there is no action {number} any more")
        elif action is not None and self.is_current:
            self.app.push_screen(ActionDetail(action, number=self.number))

    def action_act(self, kind: str) -> None:
        """Ask for an action of this kind, filled in from what is under the cursor."""
        # Only here: input fields cost a tenth of the time to the first screen.
        from screens.action_asking import begin

        begin(self, kind, self.aimed_at())

    def action_open_incident(self) -> None:
        """Open an incident, filled in from what is under the cursor."""
        from screens.incident_opening import begin

        begin(self)

    def action_maintenance(self) -> None:
        """Refuse the platform's users for a while, or let them in again."""
        from screens.action_asking import begin_maintenance

        begin_maintenance(self)
