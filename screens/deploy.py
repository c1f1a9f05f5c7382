"""7 Deploy: what is live, the deployment that runs or ran last with its output, and the releases before."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from console.domain import format as fmt
from console.domain.action import Action, OutputLine, Step
from console.domain.release import Commit, Release, ReleaseState
from screens.action_deciding import DecidingScreen
from screens.action_rows import (
    OUTPUT_COLUMNS_NARROW,
    STEP_COLUMNS_NARROW,
    action_lines,
    output_entries,
    step_entries,
    steps_of,
)
from screens.alert_rows import moment
from screens.base import Layout
from widgets.cells import EMPTY, Cells, cells, piece
from widgets.fact_list import FactList
from widgets.live_table import Column, Entry, LiveTable, Row
from widgets.look import Look
from widgets.panel import set_subtitle, set_title

_COLUMNS = (Column("", 1), Column("version", 10), Column("state", 11), Column("how it went", None), Column("when", 6),
            Column("by", 8))  # fmt: skip
_COLUMNS_NARROW = (Column("", 1), Column("version", 9), Column("state", 11), Column("how it went", None))
_CANDIDATES = (Column("", 9), Column("", None), Column("", 2), Column("", 7), Column("", 4, right=True))
_STATES = {
    ReleaseState.LIVE: ("ok", "ok"),
    ReleaseState.GOOD: ("done", "muted"),
    ReleaseState.ROLLED_BACK: ("warn", "warn"),
    ReleaseState.FAILED: ("failed", "crit"),
}
_MOST_LINES = 2_000


class DeployScreen(DecidingScreen):
    """`D` deploys, `R` goes back; an action's own keys decide about the deployment that is shown."""

    NUMBER = 7
    AUTO_FOCUS: ClassVar[str | None] = "#candidates"
    DEFAULT_CSS = """
    DeployScreen #deployment { height: 6; }
    DeployScreen #pipeline { height: 11; }
    DeployScreen #deploy-log { height: 1fr; }
    DeployScreen #candidates, DeployScreen #releases { height: 1fr; }
    DeployScreen #running { width: 3fr; }
    DeployScreen #beside { width: 2fr; }
    DeployScreen.-compact #columns { layout: vertical; }
    DeployScreen.-compact #running { width: 1fr; height: 1fr; }
    DeployScreen.-compact #beside { width: 1fr; height: 10; }
    DeployScreen.-compact #deployment { height: 3; }
    DeployScreen.-compact.-running #candidates { display: none; }
    DeployScreen.-compact.-running #beside { height: 5; }
    DeployScreen.-compact.-idle #deploy-log { display: none; }
    DeployScreen.-compact.-idle #pipeline { height: 1fr; }
    DeployScreen.-compact #pipeline { height: 6; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("D", "forward", "deploy", id="screen.deploy"),
        Binding("R", "back", "roll back", id="screen.rollback"),
        Binding("f", "follow", "follow", show=False, id="deploy.follow"),
        Binding("r", "app.refresh", "refresh", show=False, id="deploy.refresh"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._steps: Sequence[Step] = ()
        self._lines: list[OutputLine] = []
        self._of: int | None = None
        """The action that both are of."""
        self._course = self.follow(self._read_steps, self._draw, "action", what="the deployment")
        self._written = self.follow(self._read_output, self._draw_log, "output", what="its output")

    def compose_body(self) -> Iterable[Widget]:
        with Horizontal(id="columns"):
            with Vertical(id="running"):
                yield FactList(id="deployment", classes="panel")
                yield LiveTable(id="pipeline", header=False, empty="", opens=False)
                yield LiveTable(id="deploy-log", header=False, empty="", follow=True)
            with Vertical(id="beside"):
                yield LiveTable(id="candidates", header=False, empty="", newest_first=True, opens=False)
                yield LiveTable(id="releases", empty="", newest_first=True)

    def on_mount(self) -> None:
        titles = {
            "deployment": "Deployment",
            "pipeline": "Pipeline",
            "deploy-log": "Log",
            "candidates": "Not live yet",
            "releases": "Releases",
        }
        for name, title in titles.items():
            set_title(self.query_one(f"#{name}"), title)

    @property
    def _shown(self) -> Action | None:
        return self.snapshot.deployment

    def action_in_view(self) -> Action | None:
        return self._shown

    @property
    def candidate(self) -> Commit | None:
        """The commit under the cursor."""
        key = self.query_one("#candidates", LiveTable).selected
        return next((c for c in self.snapshot.candidates if c.sha == key), None)

    @property
    def selected(self) -> Release | None:
        """The release under the cursor."""
        key = self.query_one("#releases", LiveTable).selected
        return next((r for r in self.snapshot.releases if str(r.id) == key), None)

    # Reading

    def _begin(self) -> int | None:
        """Which action is read; what was known of another one is forgotten."""
        action = self._shown
        number = None if action is None else action.id
        if number != self._of:
            self._of, self._steps, self._lines = number, (), []
        return number

    async def _read_steps(self) -> None:
        if (number := self._begin()) is not None:
            steps = await self.feed.query.action_steps(number)
            if number == self._of:
                self._steps = steps

    async def _read_output(self) -> None:
        if (number := self._begin()) is None:
            return
        last = self._lines[-1].seq if self._lines else 0
        while lines := await self.feed.query.action_output(number, after=last):
            if number != self._of:
                return
            self._lines += lines
            last = lines[-1].seq
        del self._lines[:-_MOST_LINES]

    # Drawing

    def update(self, changed: frozenset[str]) -> None:
        action = self._shown
        if (None if action is None else action.id) != self._of:
            self._course.again()
            self._written.again()
        if changed & {"releases", "candidates", "link", "control", "kinds"}:
            self._draw_candidates()
            self._draw_releases()
        self._draw()
        self._draw_log()

    def update_ages(self) -> None:
        self._draw()

    def _draw(self) -> None:
        words, pipeline = self.query_one("#deployment", FactList), self.query_one("#pipeline", LiveTable)
        action, look = self._shown, self.look
        runs = action is not None and not action.state.final
        self.set_class(runs, "-running")
        self.set_class(not runs, "-idle")
        if action is None:
            told = "nothing was deployed in the last day: D deploys" if self.snapshot.control else ""
            words.show([(cells(told, look("muted")), EMPTY)])
            pipeline.show(STEP_COLUMNS_NARROW, [], empty="")
            return
        compact = self.arrangement is Layout.COMPACT
        width = words.content_size.width or 60
        words.show(action_lines(action, self.snapshot, look, self.now, width, most=1 if compact else 3))
        found = steps_of(action, self._steps if self._of == action.id else ())
        pipeline.show(
            STEP_COLUMNS_NARROW, step_entries(found, look, self.now, narrow=True), empty="no step yet"
        )
        set_subtitle(pipeline, f"{action.step} of {action.steps}" if action.steps else "")

    def _draw_log(self) -> None:
        log = self.query_one("#deploy-log", LiveTable)
        follows = log.place is None or log.place >= len(log.keys) - 1
        empty = self._written.empty("no output yet" if self._shown is not None else "")
        log.show(OUTPUT_COLUMNS_NARROW, output_entries(self._lines, self.look, narrow=True), empty=empty)
        if follows and self._lines:
            log.select(str(self._lines[-1].seq))
        set_subtitle(log, fmt.counted(len(self._lines), "line") if self._lines else "")

    def _draw_candidates(self) -> None:
        table, found = self.query_one("#candidates", LiveTable), self.snapshot.candidates
        entries: list[Entry] = [_candidate_row(each, self.look, self.now) for each in found]
        empty = "everything is live" if self.snapshot.releases else ""
        table.show(_CANDIDATES, entries, empty=empty if self.snapshot.control else "")
        set_subtitle(table, fmt.counted(len(found), "commit") if found else "")

    def _draw_releases(self) -> None:
        table, narrow = self.query_one("#releases", LiveTable), self.arrangement is Layout.COMPACT
        entries: list[Entry] = [
            _release_row(r, self.look, self, narrow=narrow) for r in self.snapshot.releases
        ]
        spec = self.snapshot.kind("deploy")
        none = spec.unavailable if spec is not None and spec.unavailable else "no release is known yet"
        empty = none if self.snapshot.control else ""
        table.show(_COLUMNS_NARROW if narrow else _COLUMNS, entries, empty=empty)

    # Keys

    def action_forward(self) -> None:
        """To the commit under the cursor."""
        commit = self.candidate
        self._ask("deploy", {} if commit is None else {"release": commit.name})

    def action_back(self) -> None:
        """To the release under the cursor, where that was good; else to the last that was."""
        release = self.selected
        good = release is not None and release.state is ReleaseState.GOOD
        self._ask("rollback", {"to": release.version} if release is not None and good else {})

    def _ask(self, kind: str, params: Mapping[str, str]) -> None:
        from screens.action_asking import ask, why_not

        spec = self.snapshot.kind(kind)
        if reason := why_not(self.snapshot, kind):
            self.say(reason, role="warn", glyph="warn")
        elif spec is not None:
            ask(self, spec, params)

    def action_follow(self) -> None:
        """The newest output, as it comes."""
        if self._lines:
            self.query_one("#deploy-log", LiveTable).select(str(self._lines[-1].seq))

    def on_live_table_chosen(self, event: LiveTable.Chosen) -> None:
        """A release: its action, with all steps and output; a line of the log: the whole of it."""
        release = self.selected
        if event.table.id == "releases" and release is not None:
            self._open(release)
        line = next((each for each in self._lines if str(each.seq) == event.key), None)
        if event.table.id == "deploy-log" and line is not None:
            from console.domain.log import LogLine
            from screens.log_detail import LogDetail

            whole = LogLine(0, line.at, f"action {self._of}", "info", line.step, line.text)
            self.app.push_screen(LogDetail(whole, number=self.number))

    def _open(self, release: Release) -> None:
        from screens.action_detail import ActionDetail

        number = release.action_id
        action = None if number is None else self.snapshot.action(number)
        if action is not None:
            self.app.push_screen(ActionDetail(action, number=self.number))
        elif number is None:
            self.say(
                f"{release.version} was {release.words or 'found running'}: nobody deployed it from here"
            )
        else:
            self.say(f"tradex actions show {number} tells how it was deployed: it is older than a day")


def _candidate_row(commit: Commit, look: Look, now: datetime) -> Row:
    """`M` says that it has migrations, `f` that it touches functions."""
    touched: Cells = (
        piece("M" if commit.migrations else " ", look("warn")),
        piece("f" if commit.functions else " ", look("info")),
    )
    return Row(
        commit.sha,
        (
            cells(commit.name, look("strong", bold=bool(commit.version))),
            cells(commit.subject, look("text")),
            touched,
            cells(commit.author.split()[0] if commit.author.split() else "", look("muted")),
            cells(fmt.age(now - commit.at), look("muted")),
        ),
    )


def _release_row(release: Release, look: Look, screen: DeployScreen, *, narrow: bool) -> Row:
    glyph, role = _STATES[release.state]
    row: list[Cells] = [
        cells(look.glyphs[glyph], look(role)),
        cells(release.version, look("strong", bold=release.state is ReleaseState.LIVE)),
        cells(str(release.state), look(role)),
        (piece(release.words, look("muted")),),
    ]
    if not narrow:
        row += [cells(moment(release.at, screen.now), look("muted")), cells(release.by, look("muted"))]
    return Row(str(release.id), tuple(row))
