"""7 Deploy: what is live, the deployment that runs or ran last with its output, and the releases before."""

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from console.domain import format as fmt
from console.domain.action import Action
from console.domain.canary import Comparison
from console.domain.forecast import Forecast, forecast
from console.domain.metric import Series
from console.domain.release import Commit, Release, ReleaseState
from screens.action_asking import begin
from screens.action_following import FollowingScreen, SearchField
from screens.action_rows import LABELS, action_lines, result_lines
from screens.aim import Aim
from screens.alert_rows import moment
from screens.base import Layout
from screens.checklist_rows import about as checked_about
from screens.checklist_rows import checklist_lines, release_of
from screens.deploy_rows import (
    comparison_chart,
    comparison_lines,
    pipeline,
    pipeline_words,
    plotted,
    times_line,
)
from screens.paragraphs import Line
from widgets.action_states import step_state
from widgets.cells import EMPTY, Cells, cells, piece
from widgets.fact_list import FactList
from widgets.live_table import Column, Entry, LiveTable, Row
from widgets.look import Look
from widgets.opened import Openable, Opened
from widgets.panel import set_subtitle, set_title
from widgets.plot import Plot

_WATERFALL_FROM = 120
_PLOT_FROM = 40
"""So many columns leave room for a waterfall, so many rows for a plot."""
_LEAST_UPPER, _LEAST_RESULT = 13, 6
_FEWEST_POINTS = 8
_POINTS = 60

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


class Checklist(FactList, Openable, can_focus=True):
    """The checks before a deployment; Enter opens them."""


class DeployScreen(FollowingScreen):
    """`D` deploys, `R` goes back; an action's own keys decide about the deployment that is shown."""

    NUMBER = 7
    NONE_IN_VIEW = "there is no deployment to decide about"
    AUTO_FOCUS: ClassVar[str | None] = "#candidates"
    DEFAULT_CSS = """
    DeployScreen #idle { height: 3; display: none; }
    DeployScreen #upper { height: 14; }
    DeployScreen #pipeline { width: 1fr; }
    DeployScreen #steps { height: 1fr; }
    DeployScreen #deployment { height: 1; }
    DeployScreen #checklist { width: 40; }
    DeployScreen #lower { height: 1fr; }
    DeployScreen #written { width: 1fr; }
    DeployScreen #output, DeployScreen #candidates, DeployScreen #releases { height: 1fr; }
    DeployScreen #beside { width: 50; }
    DeployScreen #canary { display: none; height: auto; }
    DeployScreen #canary-facts { height: 4; }
    DeployScreen #canary-plot { display: none; height: 7; }
    DeployScreen.-compared #canary { display: block; }
    DeployScreen.-compared.-plotted #canary-plot { display: block; }
    DeployScreen.-running.-compared #candidates { display: none; }
    DeployScreen.-wide #checklist, DeployScreen.-wide #beside { width: 64; }
    DeployScreen.-wide #canary-plot { height: 10; }

    DeployScreen.-compact #upper { height: 10; }
    DeployScreen.-compact #checklist { width: 31; }
    DeployScreen.-compact #lower { layout: vertical; }
    DeployScreen.-compact #written { height: 1fr; }
    DeployScreen.-compact #beside { width: 1fr; height: 4; }
    DeployScreen.-compact.-idle #written { display: none; }
    DeployScreen.-compact.-idle #beside { height: 1fr; }
    DeployScreen.-compact.-idle #canary { display: none; }
    DeployScreen.-compact.-running #candidates { display: none; }
    DeployScreen.-compact.-running.-compared #beside { height: 5; }
    DeployScreen.-compact.-running.-compared #releases { display: none; }
    DeployScreen.-compact.-running.-compared #canary { height: 1fr; }

    DeployScreen.-none #idle { display: block; }
    DeployScreen.-none #pipeline, DeployScreen.-none #written { display: none; }
    DeployScreen.-none #checklist, DeployScreen.-none #beside { width: 1fr; }
    DeployScreen.-none #upper { height: 8; }
    DeployScreen.-wide.-none #beside { layout: horizontal; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("D", "forward", "deploy", id="screen.deploy"),
        Binding("R", "back_to", "roll back", id="screen.rollback"),
        Binding("c", "checklist", "checklist", id="deploy.checklist"),
        Binding("r", "app.refresh", "refresh", show=False, id="deploy.refresh"),
        Binding("escape", "back", "end the search", show=False, id="deploy.back"),
    ]

    def __init__(self) -> None:
        super().__init__("the deployment")
        self._series: Series | None = None
        self._plotted = self.follow(
            *(self._read_plot, self._draw_canary, "tick"),
            what="the figures since the deployment",
            about=self._about,
            wanted=self._has_plot,
        )

    def compose_body(self) -> Iterable[Widget]:
        yield FactList(id="idle", classes="panel")
        with Horizontal(id="upper"):
            with Vertical(id="pipeline", classes="panel"):
                yield LiveTable(id="steps", header=False, empty="", follow=True, frame=False)
                yield FactList(id="deployment")
            yield Checklist(id="checklist", classes="panel")
        with Horizontal(id="lower"):
            with Vertical(id="written"):
                yield SearchField()
                yield LiveTable(id="output", header=False, empty="", follow=True)
            with Vertical(id="beside"):
                yield LiveTable(id="candidates", header=False, empty="", newest_first=True, opens=False)
                yield LiveTable(id="releases", empty="", newest_first=True)
                with Vertical(id="canary", classes="panel"):
                    yield FactList(id="canary-facts")
                    yield Plot(id="canary-plot", classes="inner")

    def on_mount(self) -> None:
        titles = {
            "idle": "Deployment",
            "pipeline": "Pipeline",
            "checklist": "Pre-deployment",
            "output": "Log",
            "candidates": "Not live yet",
            "releases": "Releases",
            "canary": "Canary against before",
        }
        for name, title in titles.items():
            set_title(self.query_one(f"#{name}"), title)

    def action_in_view(self) -> Action | None:
        return self.snapshot.deployment

    @property
    def narrow(self) -> bool:
        return True

    @property
    def _comparison(self) -> Comparison | None:
        action = self.action_in_view()
        return None if action is None or action.proof is None else action.proof.comparison

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

    def _has_plot(self) -> bool:
        """Whether there is something to plot, and room for it: of one that is over its place is for the lists."""
        seen, action = self._comparison, self.action_in_view()
        if seen is None or action is None or not seen.rows or self.app.size.height < _PLOT_FROM:
            return False
        return self.arrangement is Layout.WIDE or (
            self.arrangement is Layout.NORMAL and not action.state.final
        )

    async def _read_plot(self) -> None:
        seen = self._comparison
        if seen is not None:
            name, now = plotted(seen), self.now
            end = min(now, seen.until)
            # As long before as it is watched, so that a change is seen.
            span = (end - seen.since) + (seen.until - seen.since)
            # A point for each tick: more would have holes between them.
            points = int(span.total_seconds() / self.snapshot.agent.tick_s)
            points = min(max(points, _FEWEST_POINTS), _POINTS)
            found = await self.feed.query.series([name], span, points, ago=now - end)
            self._series = found[name]

    # Drawing

    def update(self, changed: frozenset[str]) -> None:
        self._course.soon()
        self._written.soon()
        self._plotted.soon()
        if changed & {"releases", "candidates", "link", "control", "kinds", "actions"}:
            self._draw_candidates()
            self._draw_releases()
            self.refresh_bindings()
        self._draw_checklist()
        self.draw_course()
        self.draw_output()

    def update_ages(self) -> None:
        self._draw_checklist()
        self.draw_course()
        self._draw_candidates()

    def draw_course(self) -> None:
        # Both show the same moment.
        self._draw_progress()
        action = self.action_in_view()
        runs = action is not None and not action.state.final
        # At once: each class that changes has everything below the screen styled again.
        self.set_class(runs, "-running")
        self.set_class(not runs, "-idle")
        self.set_class(action is None, "-none")
        self.set_class(self._comparison is not None, "-compared")
        self.set_class(self._has_plot(), "-plotted")
        if action is None:
            key = "" if self._unavailable else ": D deploys"
            told = f"nothing was deployed in the last day{key}" if self.snapshot.control else ""
            self.query_one("#idle", FactList).show([(cells(told, self.look("muted")), EMPTY)])
            self.query_one("#upper").styles.height = None if self.snapshot.checklist else 3
        else:
            self._draw_pipeline(action)
        self._draw_canary()
        if self.focused is not None:
            self.call_after_refresh(self._refocus)

    def _refocus(self) -> None:
        """A panel that gave way to another one leaves the focus to one that is seen."""
        if self.is_attached and self.focused is not None and self.focused not in self.focus_chain:
            seen = ("#steps", "#candidates", "#releases")
            self.set_focus(next((w for w in map(self.query_one, seen) if w in self.focus_chain), None))

    def _draw_pipeline(self, action: Action) -> None:
        panel, table = self.query_one("#pipeline"), self.query_one("#steps", LiveTable)
        words, look, over = self.query_one("#deployment", FactList), self.look, action.state.final
        course = forecast(action, self.steps, {} if over else self.progress.usual(action), self.now)
        compact, waterfall = self.arrangement is Layout.COMPACT, self.app.size.width >= _WATERFALL_FROM
        waterfall = waterfall and not compact and action.started_at is not None
        width = table.content_size.width or 70
        columns, entries = pipeline(course, look, self.now, width, waterfall=waterfall, over=over)
        table.show(columns, entries, header=waterfall, empty=self._course.empty("no step yet"))
        running = next((row for row in course.rows if row.began and not row.over), None)
        if running is not None and not table.has_focus:
            table.select(running.key)
        lines, used = self._words(action, course, width, compact=compact), len(entries) + waterfall + 2
        upper = None
        if not compact:
            most = self.app.size.height * 9 // 20
            # While it runs its steps matter most, then how it ended.
            lines = lines[: max(most - used, _LEAST_RESULT if over else 1)]
            upper = min(max(used + len(lines), _LEAST_UPPER), most)
        words.styles.height, words.display = len(lines), bool(lines)
        words.show(lines)
        self.query_one("#upper").styles.height = upper
        command = self.snapshot.command_of(action.kind)
        name = " ".join(filter(None, ("" if command == "deploy" else command, action.target)))
        set_title(panel, name if compact else f"Pipeline {name}", subtitle=pipeline_words(course, action))

    def _words(self, action: Action, course: Forecast, width: int, *, compact: bool) -> list[Line]:
        """What stands below the steps: there is less room for it the more is known by its looks."""
        look = self.look
        if compact:
            # There is room for one thing: of one that is over it is the result, of one that waits what for.
            return result_lines(action, look, width, most=4) if action.state.final else []
        table = self.query_one("#steps", LiveTable)
        row = next((row for row in course.rows if row.key == table.selected and row.text), None)
        lines = [times_line(course, action, look)]
        if row is not None and table.has_focus:
            state = step_state(row.state)
            lines += LABELS.text(
                "step",
                f"{row.title}: {row.text}",
                look,
                width,
                most=1,
                role="text" if state.calm else state.role,
            )
        lines += action_lines(action, self.snapshot, look, self.now, width, most=2)[1:]
        return lines

    def _draw_checklist(self) -> None:
        panel, run = self.query_one("#checklist", Checklist), self.snapshot.checklist
        set_title(panel, " ".join(filter(None, ("Pre-deployment", "" if run is None else release_of(run)))))
        width, height = panel.content_size
        why_not = "" if self.snapshot.control else " "
        panel.show(checklist_lines(run, self.look, width or 36, height or 10, why_not=why_not))
        set_subtitle(panel, checked_about(run, self.now))

    def _draw_canary(self) -> None:
        seen, action = self._comparison, self.action_in_view()
        if seen is None or action is None:
            return
        specs = self.snapshot.metrics.specs
        lines = comparison_lines(seen, specs, self.look, self.now, action.ended_at)
        if self.arrangement is Layout.COMPACT:
            lines = [line for line in lines if line[0]][: max(len(lines) - 1, 1)] if seen.rows else lines
        facts = self.query_one("#canary-facts", FactList)
        facts.styles.height = len(lines)
        facts.show(lines)
        name = plotted(seen)
        plot, series = self.query_one("#canary-plot", Plot), None if self._plotted.is_other else self._series
        chart = comparison_chart(seen, series, specs.get(name), action.target, plot.ticks)
        plot.show(chart)
        set_subtitle(
            self.query_one("#canary"),
            name.replace("_", " ") if chart is not None and self._has_plot() else "",
        )

    def _draw_candidates(self) -> None:
        table, found = self.query_one("#candidates", LiveTable), self.snapshot.candidates
        entries: list[Entry] = [_candidate_row(each, self.look, self.now) for each in found]
        empty = (
            "everything is live" if self.snapshot.releases else "the commits after the release that is live"
        )
        table.show(_CANDIDATES, entries, empty=empty if self.snapshot.control else "")
        set_subtitle(table, fmt.counted(len(found), "commit") if found else "")

    def _draw_releases(self) -> None:
        table, layout = self.query_one("#releases", LiveTable), self.arrangement
        beside = layout is Layout.NORMAL and self.action_in_view() is not None
        narrow = beside or layout is Layout.COMPACT
        entries: list[Entry] = [
            _release_row(r, self.look, self, narrow=narrow) for r in self.snapshot.releases
        ]
        empty = self._unavailable or "no release is known yet" if self.snapshot.control else ""
        table.show(_COLUMNS_NARROW if narrow else _COLUMNS, entries, empty=empty)

    @property
    def _unavailable(self) -> str:
        """Why nothing can be deployed from here; "" where it can."""
        spec = self.snapshot.kind("deploy")
        return "" if spec is None else spec.unavailable

    # Keys

    def action_forward(self) -> None:
        """To the commit under the cursor."""
        commit = self.candidate
        begin(self, "deploy", Aim(), {} if commit is None else {"release": commit.name})

    def action_back_to(self) -> None:
        """To the release under the cursor, where that was good; else to the last that was."""
        release = self.selected
        live = next((r.commit for r in self.snapshot.releases if r.state is ReleaseState.LIVE), "")
        good = [r for r in self.snapshot.releases if r.state is ReleaseState.GOOD and r.commit != live]
        to = release if release in good else next(iter(good), None)
        begin(self, "rollback", Aim(), {} if to is None else {"to": to.version})

    def action_checklist(self) -> None:
        """All checks with what they found: of the commit under the cursor, else of the last run."""
        from screens.checklist import ChecklistScreen

        there = self.query_one("#candidates").has_focus
        self.app.push_screen(ChecklistScreen(self.candidate if there else None, number=self.number))

    def on_opened(self, event: Opened) -> None:
        self.action_checklist()

    def on_live_table_highlighted(self, event: LiveTable.Highlighted) -> None:
        """What the step under the cursor said."""
        if event.table.id == "steps" and not isinstance(event, LiveTable.Chosen):
            self.draw_course()

    def on_live_table_chosen(self, event: LiveTable.Chosen) -> None:
        """A release: its action, with all steps and output. A step: where its output begins."""
        if event.table.id == "steps":
            self._show_output_of(event.key)
            return
        release = self.selected
        if event.table.id == "releases" and release is not None:
            if release.action_id is not None:
                self.open_action(release.action_id)
            else:
                how = release.words or "found running"
                self.say(f"{release.version} was {how}: nobody deployed it from here")

    def _show_output_of(self, key: str) -> None:
        step = next((each for each in self.steps if str(each.seq) == key), None)
        line = next((each for each in self.lines if step is not None and each.step == step.name), None)
        if line is None:
            self.say("this step has written nothing yet" if step is not None else "that is no step")
            return
        output = self.query_one("#output", LiveTable)
        output.select(str(line.seq))
        if output.display:
            output.focus()


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
