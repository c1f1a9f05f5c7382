"""7 Deploy: what is live, the deployment that runs or ran last with its output, and the releases before."""

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from console.domain import format as fmt
from console.domain.action import Action
from console.domain.release import Commit, Release, ReleaseState
from screens.action_asking import begin
from screens.action_following import FollowingScreen
from screens.action_rows import action_lines, head_line, result_lines
from screens.aim import Aim
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


class DeployScreen(FollowingScreen):
    """`D` deploys, `R` goes back; an action's own keys decide about the deployment that is shown."""

    NUMBER = 7
    NONE_IN_VIEW = "there is no deployment to decide about"
    AUTO_FOCUS: ClassVar[str | None] = "#candidates"
    DEFAULT_CSS = """
    DeployScreen #steps { height: 11; }
    DeployScreen #output, DeployScreen #candidates, DeployScreen #releases { height: 1fr; }
    DeployScreen #running { width: 3fr; }
    DeployScreen #beside { width: 2fr; }
    DeployScreen.-compact #columns { layout: vertical; }
    DeployScreen.-compact #running { width: 1fr; height: 1fr; }
    DeployScreen.-compact #beside { width: 1fr; height: 10; }
    DeployScreen.-compact.-running #candidates { display: none; }
    DeployScreen.-compact.-running #beside { height: 5; }
    DeployScreen.-compact.-idle #output { display: none; }
    DeployScreen.-compact.-idle #steps { height: 1fr; }
    DeployScreen.-compact #steps { height: 6; }
    DeployScreen.-none #columns { layout: vertical; }
    DeployScreen.-none #running { width: 1fr; height: 3; }
    DeployScreen.-none #beside, DeployScreen.-compact.-none #beside { width: 1fr; height: 1fr; }
    DeployScreen.-wide.-none #beside { layout: horizontal; }
    DeployScreen.-none #steps, DeployScreen.-none #output { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("D", "forward", "deploy", id="screen.deploy"),
        Binding("R", "back", "roll back", id="screen.rollback"),
        Binding("r", "app.refresh", "refresh", show=False, id="deploy.refresh"),
    ]

    def __init__(self) -> None:
        super().__init__("the deployment")

    def compose_body(self) -> Iterable[Widget]:
        with Horizontal(id="columns"):
            with Vertical(id="running"):
                yield FactList(id="deployment", classes="panel")
                yield LiveTable(id="steps", header=False, empty="", opens=False, follow=True)
                yield LiveTable(id="output", header=False, empty="", follow=True)
            with Vertical(id="beside"):
                yield LiveTable(id="candidates", header=False, empty="", newest_first=True, opens=False)
                yield LiveTable(id="releases", empty="", newest_first=True)

    def on_mount(self) -> None:
        titles = {
            "deployment": "Deployment",
            "steps": "Pipeline",
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
    def candidate(self) -> Commit | None:
        """The commit under the cursor."""
        key = self.query_one("#candidates", LiveTable).selected
        return next((c for c in self.snapshot.candidates if c.sha == key), None)

    @property
    def selected(self) -> Release | None:
        """The release under the cursor."""
        key = self.query_one("#releases", LiveTable).selected
        return next((r for r in self.snapshot.releases if str(r.id) == key), None)

    # Drawing

    def update(self, changed: frozenset[str]) -> None:
        self._course.soon()
        self._written.soon()
        if changed & {"releases", "candidates", "link", "control", "kinds", "actions"}:
            self._draw_candidates()
            self._draw_releases()
        self.draw_course()
        self.draw_output()

    def update_ages(self) -> None:
        self.draw_course()
        self._draw_candidates()

    def draw_course(self) -> None:
        super().draw_course()
        words, action, look = self.query_one("#deployment", FactList), self.action_in_view(), self.look
        runs = action is not None and not action.state.final
        self.set_class(runs, "-running")
        self.set_class(not runs, "-idle")
        self.set_class(action is None, "-none")
        if action is None:
            key = "" if self._unavailable else ": D deploys"
            told = f"nothing was deployed in the last day{key}" if self.snapshot.control else ""
            words.styles.height = 3
            words.show([(cells(told, look("muted")), EMPTY)])
            return
        compact = self.arrangement is Layout.COMPACT
        width = words.content_size.width or 60
        if not compact:
            lines = action_lines(action, self.snapshot, look, self.now, width, most=3)
        else:
            # There is room for one thing: of one that is over it is the result.
            lines = [head_line(action, self.snapshot, look)]
            lines += [] if runs else result_lines(action, look, width, most=2)
        words.styles.height = min(len(lines), 8) + 2
        words.show(lines)

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

    def action_back(self) -> None:
        """To the release under the cursor, where that was good; else to the last that was."""
        release = self.selected
        good = release is not None and release.state is ReleaseState.GOOD
        begin(self, "rollback", Aim(), {"to": release.version} if release is not None and good else {})

    def on_live_table_chosen(self, event: LiveTable.Chosen) -> None:
        """A release: its action, with all steps and output."""
        release = self.selected
        if event.table.id == "releases" and release is not None:
            if release.action_id is not None:
                self.open_action(release.action_id)
            else:
                how = release.words or "found running"
                self.say(f"{release.version} was {how}: nobody deployed it from here")


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
