"""The checklist before a deployment, whole: every check with its evidence; it is run again and ticked here."""

from collections.abc import Iterable
from datetime import timedelta
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from console.domain.check import LASTING, TICKED, CheckResult, CheckRun, CheckStatus, Tick
from console.domain.duration import EXPECTED, parse
from console.domain.errors import Misuse, TradexError
from console.domain.release import Commit
from screens.base import ConsoleScreen, Layout
from screens.checklist_rows import (
    CHECK_COLUMNS,
    CHECK_COLUMNS_NARROW,
    about,
    check_entries,
    open_results,
    release_of,
    state_line,
)
from screens.console_dialog import ConsoleDialog, labelled
from widgets.cells import cells
from widgets.dialog import LabelledField
from widgets.fact_list import FactList
from widgets.field import Field
from widgets.live_table import LiveTable
from widgets.panel import set_subtitle, set_title
from widgets.text_panel import TextPanel

_LASTS = "90d"


class ChecklistScreen(ConsoleScreen):
    """Opened from Deploy. What is under the cursor stands below in full; Enter gives it all the room."""

    TITLE: ClassVar[str | None] = "Checklist"
    AUTO_FOCUS: ClassVar[str | None] = "#checks"
    DEFAULT_CSS = """
    ChecklistScreen #checklist-head { height: 1; padding: 0 1; }
    ChecklistScreen #checks { height: 1fr; }
    ChecklistScreen #evidence { height: 6; }
    ChecklistScreen.-compact #evidence { height: 5; }
    ChecklistScreen.-whole #checks { display: none; }
    ChecklistScreen.-whole #evidence { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("c,r", "run", "check again", key_display="c", id="checklist.run"),
        Binding("space,t", "tick", "tick", key_display="space", id="checklist.tick"),
        Binding("escape", "back", "back", id="detail.back"),
    ]

    def __init__(self, commit: Commit | None, *, number: int | None = None) -> None:
        """Of this commit, whatever else is checked meanwhile; None: the last run, whatever that is of."""
        super().__init__(number=number)
        self._commit = commit
        self._own: CheckRun | None = None
        self._reading = self.follow(self._read, self._draw, "check", what="the checklist")

    async def _read(self) -> None:
        if self._commit is not None:
            self._own = await self.feed.query.checklist(self._commit.sha)

    def compose_body(self) -> Iterable[Widget]:
        yield FactList(id="checklist-head")
        yield LiveTable(id="checks", empty="")
        yield TextPanel(id="evidence")

    def on_mount(self) -> None:
        self.query_one("#checks", LiveTable).on_cursor = self._draw_evidence

    _begun = False

    @property
    def run(self) -> CheckRun | None:
        """The run that is shown."""
        return self.snapshot.checklist if self._commit is None else self._own

    @property
    def selected(self) -> CheckResult | None:
        """The check under the cursor."""
        key, run = self.query_one("#checks", LiveTable).selected, self.run
        return None if run is None else next((r for r in run.results if r.id == key), None)

    # Drawing

    def update(self, changed: frozenset[str]) -> None:
        self._reading.soon()
        self._draw()

    def _draw(self) -> None:
        run, look = self.run, self.look
        table = self.query_one("#checks", LiveTable)
        known = self.snapshot.control and (self._commit is None or self._reading.known)
        name = self._commit.name if self._commit is not None else "" if run is None else release_of(run)
        set_title(table, f"Pre-deployment {name}".strip())
        empty = "nothing was checked yet: c has it checked" if known else ""
        if run is not None:
            empty = run.words or "no check is over yet"
        narrow = self.arrangement is Layout.COMPACT
        entries = check_entries(run, look, headings=not narrow)
        table.show(CHECK_COLUMNS_NARROW if narrow else CHECK_COLUMNS, entries, empty=empty)
        if run is not None and run.results and not self._begun:
            # Whoever opens it wants to know what is not good.
            self._begun = True
            table.select(next((each.id for each in open_results(run)), run.results[0].id))
        head = self.query_one("#checklist-head", FactList)
        width = head.content_size.width or 78
        head.show([] if run is None else [state_line(run, look, width)])
        self.update_ages()
        self._draw_evidence()

    def update_ages(self) -> None:
        set_subtitle(self.query_one("#checks"), about(self.run, self.now))

    def _draw_evidence(self) -> None:
        panel, result = self.query_one("#evidence", TextPanel), self.selected
        panel.show("" if result is None else result.evidence)
        set_title(panel, "Evidence" if result is None else f"{result.id}: {result.title}")

    # Keys

    def on_live_table_chosen(self, event: LiveTable.Chosen) -> None:
        self.add_class("-whole")
        self.query_one("#evidence").focus()

    def action_back(self) -> None:
        """First back to the list."""
        if self.has_class("-whole"):
            self.remove_class("-whole")
            self.query_one("#checks").focus()
        else:
            self.dismiss()

    def action_run(self) -> None:
        """Have the agent run it, about this commit, else about what could be deployed next."""
        if reason := self.snapshot.link.why_not():
            self.say(reason, role="warn", glyph="warn")
        else:
            self.run_worker(self._ask(), group="asking", exclusive=True, exit_on_error=False)

    async def _ask(self) -> None:
        run, wanted = self.run, self._commit or next(iter(self.snapshot.candidates), None)
        commit, version = ("", "") if run is None else (run.commit, run.version)
        if wanted is not None:
            commit, version = wanted.sha, wanted.version
        try:
            asked = await self.feed.desk.ask_checks("pre", commit=commit, version=version)
        except TradexError as error:
            if self.is_attached:
                self.say(str(error), role="crit", glyph="crit")
            return
        if self.is_attached:
            told = f"{asked.told} has asked for it already: run {asked.id} goes on"
            self.say(told if asked.told else f"run {asked.id} is asked for", role="ok", glyph="done")

    def action_tick(self) -> None:
        """Say, with a note, that what waits for a person is good."""
        result, run = self.selected, self.run
        if result is None or run is None:
            self.say("no check is selected")
        elif reason := self.snapshot.link.why_not():
            self.say(reason, role="warn", glyph="warn")
        elif result.status is not CheckStatus.MANUAL and result.id not in TICKED:
            self.say(f"{result.title} is {result.status}: only what is done by hand is ticked")
        else:
            self.app.push_screen(TickDialog(result, run), self._ticked)

    def _ticked(self, tick: Tick | None) -> None:
        if tick is not None and self.is_attached:
            self.say(f"{tick.check}: {tick.words}", role="ok", glyph="done")


class TickDialog(ConsoleDialog[Tick]):
    """Returns the tick, None when it was cancelled."""

    ROLE: ClassVar[str] = "accent"
    VERB: ClassVar[str] = "ticks it"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("n", "edit('note')", "note", id="tick.note"),
        Binding("f", "edit('length')", "for", id="tick.length"),
    ]
    AUTO_FOCUS: ClassVar[str | None] = "#note"

    def __init__(self, result: CheckResult, run: CheckRun) -> None:
        super().__init__("Tick a check")
        self._result, self._run = result, run
        self._lasts = result.id == LASTING

    def compose_fields(self) -> Iterable[Widget]:
        yield FactList(id="about", rows=4)
        yield LabelledField("n", "note", Field(id="note", placeholder="what was seen, where"))
        if self._lasts:
            yield LabelledField("f", "for", Field(_LASTS, id="length"))

    def changed(self) -> None:
        look, result = self.host.look, self._result
        then = "it counts as passed for so long, of every release" if self._lasts else self._for
        self.query_one("#about", FactList).show(
            [
                labelled("check", cells(result.title, look("strong", bold=True)), look),
                self.where(look),
                labelled("says", cells(result.evidence, look("text")), look),
                labelled("then", cells(then, look("muted")), look),
            ]
        )
        super().changed()

    @property
    def _for(self) -> str:
        release = release_of(self._run)
        return f"it counts as passed for {release or 'what runs'} only"

    def _length(self) -> timedelta | None:
        """For how long it holds; None where that is not asked. Raises Misuse."""
        if not self._lasts:
            return None
        length = parse(self.query_one("#length", Field).value)
        if length is None:
            raise Misuse(f"for: {EXPECTED} is expected")
        return length

    def problem(self) -> tuple[str, str | None]:
        if not self.query_one("#note", Field).value.strip():
            return "a note is required: write it, then enter and y", "note"
        try:
            self._length()
        except Misuse as error:
            return str(error), "length"
        return "", None

    def action_words(self) -> str:
        return f"Tick {self._result.id}"

    def busy_words(self) -> str:
        return "ticking"

    async def carry_out(self) -> Tick:
        note, commit = self.query_one("#note", Field).value.strip(), "" if self._lasts else self._run.commit
        return await self.host.feed.desk.tick(self._result.id, note, commit=commit, length=self._length())
