"""7 Deploy: what is live, the deployment that runs or ran last with its output, and the releases before."""

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from console.domain import format as fmt
from console.domain.action import Action
from console.domain.canary import Comparison
from console.domain.forecast import forecast
from console.domain.release import Commit, Release, ReleaseState
from screens.action_asking import begin
from screens.action_following import FollowingScreen, SearchField
from screens.aim import Aim
from screens.base import Layout
from screens.canary_panel import CanaryPanel
from screens.checklist_panel import Checklist
from screens.deploy_rows import pipeline, pipeline_words, words_below
from screens.release_rows import CANDIDATES, candidate_entries, release_entries
from widgets.cells import EMPTY, cells
from widgets.fact_list import FactList
from widgets.live_table import LiveTable
from widgets.opened import Opened
from widgets.panel import set_subtitle, set_title

_WATERFALL_FROM = 120
_PLOT_FROM = 40
"""So many columns leave room for a waterfall, so many rows for a plot."""
_LEAST_UPPER, _LEAST_RESULT = 13, 6


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
    DeployScreen #canary { display: none; }
    DeployScreen.-compared #canary { display: block; }
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
    DeployScreen.-compact.-idle.-log #written { display: block; }
    DeployScreen.-compact.-idle.-log #beside { display: none; }
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
                yield CanaryPanel()

    def on_mount(self) -> None:
        titles = {
            "idle": "Deployment",
            "pipeline": "Pipeline",
            "output": "Log",
            "candidates": "Not live yet",
            "releases": "Releases",
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
        if (seen := self._comparison) is not None:
            tick_s = self.snapshot.agent.tick_s
            await self.query_one(CanaryPanel).read(self.feed.query, seen, self.now, tick_s)

    # Drawing

    def update(self, changed: frozenset[str]) -> None:
        self._course.soon()
        self._written.soon()
        self._plotted.soon()
        if changed & {"releases", "candidates", "link", "control", "kinds", "actions"}:
            self._draw_candidates()
            self._draw_releases()
            self.refresh_bindings()
        self.query_one(Checklist).draw(self.snapshot, self.now)
        self.draw_course()
        self.draw_output()

    def update_ages(self) -> None:
        self.query_one(Checklist).draw(self.snapshot, self.now)
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
        # Of one that is over the lists have the room, where there is little, unless somebody is in its output.
        reads = self.focused is not None and self.query_one("#written") in self.focused.ancestors
        compact = self.arrangement is Layout.COMPACT
        self.set_class(
            compact and action is not None and not runs and (reads or self.has_class("-log")), "-log"
        )
        self.set_class(self._comparison is not None, "-compared")
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
        if isinstance(self.focused, SearchField):
            # It may be about to be seen: what is typed now is for it.
            return
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
        chosen = table.selected if table.has_focus else None
        given = (action, course, chosen, self.snapshot, look, self.now, width)
        lines, used = words_below(*given, compact=compact), len(entries) + waterfall + 2
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

    def _draw_canary(self) -> None:
        seen, action = self._comparison, self.action_in_view()
        if seen is not None and action is not None:
            compact, known = self.arrangement is Layout.COMPACT, not self._plotted.is_other
            panel, plots = self.query_one(CanaryPanel), self._has_plot()
            given = (seen, action, self.snapshot, self.look, self.now)
            panel.draw(*given, compact=compact, plots=plots, known=known)

    def _draw_candidates(self) -> None:
        table, found = self.query_one("#candidates", LiveTable), self.snapshot.candidates
        empty = (
            "everything is live" if self.snapshot.releases else "the commits after the release that is live"
        )
        entries = candidate_entries(found, self.look, self.now)
        table.show(CANDIDATES, entries, empty=empty if self.snapshot.control else "")
        set_subtitle(table, fmt.counted(len(found), "commit") if found else "")

    def _draw_releases(self) -> None:
        layout = self.arrangement
        beside = layout is Layout.NORMAL and self.action_in_view() is not None
        narrow = beside or layout is Layout.COMPACT
        columns, entries = release_entries(self.snapshot.releases, self.look, self.now, narrow=narrow)
        empty = self._unavailable or "no release is known yet" if self.snapshot.control else ""
        self.query_one("#releases", LiveTable).show(columns, entries, empty=empty)

    @property
    def _unavailable(self) -> str:
        """Why nothing can be deployed from here; "" where it can."""
        spec = self.snapshot.kind("deploy")
        return "" if spec is None else spec.unavailable

    # Keys

    @property
    def output_has_place(self) -> bool:
        return self.action_in_view() is not None

    def show_output(self) -> bool:
        output = self.query_one("#output")
        if self.output_has_place and output not in self.focus_chain:
            self.add_class("-log")
            output.focus()
        return super().show_output()

    def action_back(self) -> None:
        """Nothing is searched for any more; then the lists have their room again."""
        if self.has_class("-log") and not self.has_class("-filter"):
            self.remove_class("-log")
            self.set_focus(self.query_one("#candidates"))
        super().action_back()

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
        self.show_output()
        output = self.query_one("#output", LiveTable)
        output.select(str(line.seq))
        output.focus()
