"""What the agent found out about one alert: tables that say who and what is hit, single orders below. Enter goes
deeper, to the samples of a row, and to one sample with its log lines."""

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical
from textual.widget import Widget

from console.domain import format as fmt
from console.domain.alert import Alert, Phase
from console.domain.diagnosis import Diagnosis, Sample, matches, narrowing
from console.domain.errors import TradexError
from console.domain.snapshot import Snapshot
from screens.alert_facts import Line, head_line
from screens.alert_rows import Scene
from screens.base import ConsoleScreen, Layout
from screens.diagnosis_rows import (
    arranged,
    row_keys,
    sample_columns,
    sample_entries,
    sample_keys,
    section_columns,
    section_entries,
)
from screens.log_rows import LOG_COLUMNS_NARROW, log_lines
from screens.sample_detail import NO_LINES, SampleScreen, field_lines
from widgets.cells import Cells, cells, piece
from widgets.fact_list import FactList
from widgets.live_table import LiveTable, Note
from widgets.panel import set_subtitle, set_title
from widgets.text_panel import TextPanel

_MOST_SECTIONS = 8
_LEAST_SECTION = 6
_LEAST_SAMPLES = {Layout.COMPACT: 8, Layout.NORMAL: 13, Layout.WIDE: 15}
# The agent asks each 15 s while an alert fires: three that are missing mean that nobody asks any more.
_OLD = timedelta(seconds=45)
_INVESTIGATES = "investigate_"


def absence(alert: Alert, snapshot: Snapshot) -> str:
    """Why there is no diagnosis, in words."""
    if alert.phase is Phase.RESOLVED:
        return "no diagnosis: none was made while the alert fired, or it is gone by now"
    if alert.phase is Phase.PENDING:
        return "no diagnosis yet: the agent asks the platform when the alert fires"
    if snapshot.agent.leader is None:
        return "no diagnosis yet: no agent leads, so nobody asks the platform"
    if not alert.action.startswith(_INVESTIGATES) and snapshot.at - alert.since > _OLD:
        return "nothing more is asked about this alert: esc shows what changed before it, l the logs"
    return "no diagnosis yet: the agent asks the platform while the alert fires"


def shares(wanted: Sequence[int], room: int, least: int) -> list[int]:
    """Heights of at most `room` together, the largest cut first, none below `least`."""
    heights = list(wanted)
    while sum(heights) > room and max(heights, default=0) > least:
        largest = max(range(len(heights)), key=lambda i: heights[i])
        heights[largest] -= 1
    return heights


class DiagnosisScreen(ConsoleScreen):
    """Opened from an alert. A newer diagnosis replaces the one that is shown, cursor and narrowing stay."""

    TITLE: ClassVar[str | None] = "Diagnosis"
    NUMBER: ClassVar[int] = 4
    AUTO_FOCUS: ClassVar[str | None] = "#section-0"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "back", id="diagnosis.back"),
        Binding("r", "reread", "refresh", show=False, id="diagnosis.refresh"),
    ]

    def __init__(self, alert: Alert, *, number: int | None = None) -> None:
        super().__init__(number=number)
        self.alert = alert
        self._found: Diagnosis | None = None
        self._drawn: Diagnosis | None = None
        self._read = False
        self._failed = ""
        self._narrowed: tuple[str, str] | None = None
        self._narrowed_from: LiveTable | None = None
        self._samples: Sequence[Sample] = ()
        self._unwatch: Callable[[], None] | None = None

    def compose_body(self) -> Iterable[Widget]:
        with Vertical():
            yield FactList(id="head")
            yield TextPanel(id="absence")
            with Horizontal(id="found"):
                with Vertical(id="main"):
                    with Container(id="sections"):
                        for i in range(_MOST_SECTIONS):
                            yield LiveTable(id=f"section-{i}", empty="")
                    yield LiveTable(id="samples")
                with Vertical(id="side"):
                    yield FactList(id="fields", classes="panel")
                    yield LiveTable(id="log", header=False)

    def on_mount(self) -> None:
        set_title(self.query_one("#absence"), "Diagnosis")
        set_title(self.query_one("#fields"), "Order")
        set_title(self.query_one("#log"), "Its log lines")
        self.query_one("#log").can_focus = False
        self._unwatch = self.feed.watch("diagnosis", self.action_reread)
        self.action_reread()

    def on_unmount(self) -> None:
        if self._unwatch is not None:
            self._unwatch()

    def on_screen_resume(self) -> None:
        # A newer one may have come while a sample was in front; keys are about what is drawn.
        if self._framed and self._found is not self._drawn:
            self._draw()

    # Reading

    def action_reread(self) -> None:
        """Ask the store for the newest diagnosis."""
        self.run_worker(self._ask(), group="diagnosis", exclusive=True, exit_on_error=False)

    async def _ask(self) -> None:
        try:
            found = await self.feed.query.diagnosis(self.alert.id)
        except TradexError as error:
            # What was found stays on the screen.
            self._failed = f"the diagnosis could not be read: {error}"
        else:
            self._failed, self._read = "", True
            if found == self._found and found is not None:
                return
            self._found = found
        if self.is_attached and self.is_current:
            self._draw()

    # Drawing

    def update(self, changed: frozenset[str]) -> None:
        if "alerts" in changed:
            self.alert = next((a for a in self.snapshot.alerts if a.id == self.alert.id), self.alert)
        if "link" in changed and self.snapshot.link.away is None and self._failed:
            self.action_reread()
        self._draw()

    def update_ages(self) -> None:
        self._draw_head()

    def _draw(self) -> None:
        self._draw_head()
        self._drawn = self._found
        found, panel = self._found, self.query_one("#found")
        empty = self.query_one("#absence", TextPanel)
        if found is not None and not panel.display:
            # Its tables have a size only when they are laid out.
            self.call_after_refresh(self._draw)
        panel.display, empty.display = found is not None, found is None
        if found is None:
            if self._read or self._failed:
                empty.show(self._failed or absence(self.alert, self.snapshot), role="muted")
                empty.focus()
            return
        if self.focused is None or not self.focused.display:
            self.query_one("#section-0").focus()
        self._arrange_heights(found)
        self._draw_sections(found)
        self._draw_samples(found)
        self._draw_side(found)

    def _draw_head(self) -> None:
        compact = self.arrangement is Layout.COMPACT
        scene = Scene(self.look, self.now, self.snapshot.metrics.specs, greyed=self.greyed, compact=compact)
        left, chip = head_line(self.alert, scene)
        lines: list[Line] = [(left, (*self._asked(), *chip))]
        if not compact:
            lines.append((cells(self.alert.summary, self.look("text")), self._window()))
        self.query_one("#head", FactList).show(lines)

    def _asked(self) -> Cells:
        """`asked 4s ago`."""
        look, found = self.look, self._found
        if self._failed and found is not None:
            return (piece("not read since  ", look("warn")),)
        if found is None:
            return ()
        age = max(self.now - found.at, timedelta())
        old = self.alert.phase is Phase.FIRING and age > _OLD
        role = "stale" if old or self.greyed else "muted"
        return (piece(f"asked {fmt.age(age)} ago  ", look(role, bold=old)),)

    def _window(self) -> Cells:
        found, look = self._found, self.look
        if found is None:
            return ()
        words = f"{found.kind}, {fmt.clock(found.start)} to {fmt.clock(found.at)}"
        note = (piece(f"{found.note}  ", look("warn")),) if found.note else ()
        return (*note, piece(words, look("faint")))

    def _tables(self) -> list[LiveTable]:
        return [self.query_one(f"#section-{i}", LiveTable) for i in range(_MOST_SECTIONS)]

    def _arrange_heights(self, found: Diagnosis) -> None:
        """Each pair of sections gets what its rows need, as far as the samples keep theirs."""
        shown = found.sections[:_MOST_SECTIONS]
        room = self.query_one("#found").size.height - _LEAST_SAMPLES[self.arrangement]
        wanted = [
            max(max(len(s.rows) for s in shown[i : i + 2]) + 3, _LEAST_SECTION)
            for i in range(0, len(shown), 2)
        ]
        heights = shares(wanted, room, _LEAST_SECTION)
        for i, table in enumerate(self._tables()):
            table.display = i < len(shown)
            table.styles.column_span = 2 if i == len(shown) - 1 and i % 2 == 0 else 1
        sections = self.query_one("#sections")
        sections.display = bool(shown)
        if shown:
            sections.styles.grid_rows = " ".join(map(str, heights))
            sections.styles.height = min(sum(heights), max(room, _LEAST_SECTION))

    def _draw_sections(self, found: Diagnosis) -> None:
        for section, table in zip(found.sections, self._tables(), strict=False):
            set_title(table, section.title)
            first = f"the first {len(section.rows)}" if section.more else ""
            set_subtitle(table, first)
            width = table.content_size.width
            if not width:
                continue
            shape = arranged(section, width)
            entries = section_entries(section, shape, width, self.look, greyed=self.greyed)
            table.show(section_columns(section, shape), entries, header=bool(section.rows))

    def _draw_samples(self, found: Diagnosis) -> None:
        table = self.query_one("#samples", LiveTable)
        samples, by = found.samples, self._narrowed
        self._samples = [s for s in samples if matches(s, *by)] if by is not None else samples
        title = found.samples_title or "Samples"
        set_title(table, f"{title}: {by[0]} = {by[1]}" if by is not None else title)
        names, columns = sample_columns(samples, table.content_size.width)
        if self._samples:
            keys = sample_keys(self._samples)
            entries = sample_entries(self._samples, keys, names, columns, self.look, greyed=self.greyed)
            table.show(columns, entries, header=True)
        else:
            words = f"none of the {len(samples)} samples" if samples else found.samples_reason or "no samples"
            table.show(columns, [Note(cells(words, self.look("muted")))], header=False)
        set_subtitle(table, self._samples_words(found))

    def _samples_words(self, found: Diagnosis) -> str:
        if self._narrowed is not None:
            return f"{len(self._samples)} of {len(found.samples)}, esc shows all"
        if found.log_reason is not None and found.samples:
            return f"logs: {found.log_reason}"
        return f"{len(found.samples)} samples" if found.samples else ""

    def _draw_side(self, found: Diagnosis) -> None:
        if self.arrangement is not Layout.WIDE:
            return
        sample = self._selected()
        fields, log = self.query_one("#fields", FactList), self.query_one("#log", LiveTable)
        if sample is None:
            fields.show([])
            log.show(LOG_COLUMNS_NARROW, [], empty="")
            return
        lines = field_lines(sample, self.look, fields.content_size.width, greyed=self.greyed)
        fields.styles.height = len(lines) + 2
        fields.show(lines)
        entries = log_lines(sample.log, self.look, log.content_size.width, greyed=self.greyed)
        log.show(LOG_COLUMNS_NARROW, entries, empty=found.log_reason or NO_LINES)

    def _selected(self) -> Sample | None:
        place = self.query_one("#samples", LiveTable).place
        return self._samples[place] if place is not None and place < len(self._samples) else None

    def on_live_table_highlighted(self, event: LiveTable.Highlighted) -> None:
        if event.table.id == "samples" and self._found is not None:
            self._draw_side(self._found)

    def on_descendant_focus(self) -> None:
        """The cursor belongs to the panel with the focus, and to no other."""
        for table in self.query(LiveTable):
            table.redraw()

    # Going deeper, and back

    def on_live_table_chosen(self, event: LiveTable.Chosen) -> None:
        found = self._found
        if found is None:
            return
        if event.table.id == "samples":
            sample = self._selected()
            if sample is not None:
                screen = SampleScreen(sample, self.alert, number=self.number, reason=found.log_reason)
                self.app.push_screen(screen)
        elif (event.table.id or "").startswith("section-"):
            self._follow(found, event.table, event.key)

    def _follow(self, found: Diagnosis, table: LiveTable, key: str) -> None:
        """To the samples of a row, or to all of them where nothing in the row is about samples."""
        place = int((table.id or "").removeprefix("section-"))
        if place >= len(found.sections):
            return
        section = found.sections[place]
        keys = row_keys(section)
        if key not in keys:
            return
        self._narrowed = narrowing(section, section.rows[keys.index(key)], found.samples)
        self._narrowed_from = table
        self._draw_samples(found)
        if self._samples:
            self.query_one("#samples").focus()
        self._draw_side(found)

    def action_back(self) -> None:
        """First shows all samples again, then leaves."""
        if self._narrowed is None or self._found is None:
            self.dismiss()
            return
        self._narrowed = None
        if self._narrowed_from is not None and self._narrowed_from.display:
            self._narrowed_from.focus()
        self._draw_samples(self._found)
        self._draw_side(self._found)
