"""Recurring checklists: how each stands, the items of the one under the cursor, how they went over the last month."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical

from console.domain import format as fmt
from console.domain.book import Done, Marked
from console.domain.duties import Run, RunState, Standing
from console.domain.text import printable
from screens.books_pane import Command, Pane
from screens.duty_marking import Marking
from screens.duty_past import DutyPast
from screens.duty_rows import (
    ITEM_COLUMNS,
    day,
    day_and_time,
    item_entries,
    list_columns,
    list_entries,
    moment,
    run_line,
    urgency,
)
from widgets.arrow_table import ArrowTable
from widgets.fact_list import FactList
from widgets.live_table import LiveTable
from widgets.panel import set_subtitle, set_title

if TYPE_CHECKING:
    from screens.books import BooksScreen

_LEAST_LISTS, _MOST_LISTS = 5, 10


class ChecklistsPane(Pane):
    """`space` ticks the item under the cursor. What was asked for is shown as done only once the store shows it."""

    # How much room there is, is a class of the screen.
    SCOPED_CSS: ClassVar[bool] = False
    FOCUS: ClassVar[str] = "#items"
    DEFAULT_CSS = """
    ChecklistsPane #duty { height: 1fr; }
    ChecklistsPane #lists { width: 54; }
    ChecklistsPane #run { width: 1fr; }
    ChecklistsPane #run-head { height: 2; }
    ChecklistsPane #items { height: 1fr; }
    ChecklistsPane #past { height: 13; }
    ChecklistsPane #history { width: 1fr; }
    ChecklistsPane #who { width: 24; }
    ChecklistsPane.-history #duty { display: none; }
    ChecklistsPane.-history #past { height: 1fr; }
    .-wide ChecklistsPane #lists, .-wide ChecklistsPane #who { width: 58; }
    .-compact ChecklistsPane #duty { layout: vertical; }
    .-compact ChecklistsPane #lists { width: 1fr; height: 8; }
    .-compact ChecklistsPane #run { height: 1fr; }
    .-compact ChecklistsPane #run-head { height: 1; }
    .-compact ChecklistsPane #past, .-compact ChecklistsPane #who { display: none; }
    .-compact ChecklistsPane.-history #past { display: block; height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "tick", "tick", id="duty.tick"),
        Binding("n", "note", "note", id="duty.note"),
        Binding("k", "skip", "skip", id="duty.skip"),
        Binding("x", "show_me", "show it", show=False, id="duty.show"),
        Binding("o", "open_early", "begin", id="duty.open"),
        Binding("h", "history", "history", id="duty.history"),
        # Of the screen as well: here it comes before what has less need of the room.
        Binding("v", "screen.view(1)", "view", id="books.view"),
        Binding("left_square_bracket", "other_run(1)", "run before", key_display="[ ]", id="duty.earlier"),
        Binding("right_square_bracket", "other_run(-1)", "run after", show=False, id="duty.later"),
    ]

    def __init__(self, home: BooksScreen) -> None:
        super().__init__(home, id="checklists")
        self._past = DutyPast(home, self.update_ages, wanted=lambda: self.seen)
        self._older: Run | None = None
        self._chosen: int | None = None
        self._marking = Marking(home, self.draw_run)
        self._begun = False
        self._drawn: int | None = None
        self._reading_run = home.follow(
            *(self._read_older, self.draw_run),
            what="that run of the checklist",
            about=lambda: self._chosen,
            wanted=lambda: self.seen,
        )

    def compose(self) -> ComposeResult:
        with Horizontal(id="duty"):
            yield LiveTable(id="lists", follow=True)
            with Vertical(id="run", classes="panel"):
                yield FactList(id="run-head")
                yield ArrowTable(id="items", header=False, frame=False, follow=True)
        yield self._past

    def on_mount(self) -> None:
        set_title(self.query_one("#lists"), "Lists")
        self.table("lists").on_cursor = self._moved
        self.table("history").on_cursor = self._moved_in_history

    # What is in view

    @property
    def standing(self) -> Standing | None:
        """The checklist under the cursor."""
        key = self.table("lists").selected
        return next((s for s in self.home.snapshot.checklists if s.name == key), None)

    @property
    def run(self) -> Run | None:
        """Its run that is in view: the current one, or one of before."""
        standing = self.standing
        if standing is None or self._chosen is None:
            return None if standing is None else standing.run
        older = self._older
        return older if older is not None and older.id == self._chosen else None

    @property
    def item(self) -> Marked | None:
        """The item under the cursor."""
        run, key = self.run, self.table("items").selected
        return None if run is None else next((i for i in run.items if str(i.place) == key), None)

    def _moved(self) -> None:
        self._chosen = None
        self.draw_run()
        self.table("history").select(self.table("lists").selected or "")

    def _moved_in_history(self) -> None:
        if self.table("history").has_focus:
            self.table("lists").select(self.table("history").selected or "")

    def _at_open_item(self) -> None:
        """The cursor is on the first item that is still to do."""
        run = self.run
        if run is not None and run.items:
            place = next((i.place for i in run.items if i.mark is None), run.items[0].place)
            self.table("items").select(str(place))

    # Drawing

    def update(self, changed: frozenset[str]) -> None:
        self._marking.answered(self.home.snapshot.checklists)
        self.update_ages()

    def update_ages(self) -> None:
        home = self.home
        snapshot, look, now = home.snapshot, home.look, home.now
        table, found = self.table("lists"), snapshot.checklists
        entries = list_entries(found, look, now, compact=self.compact, greyed=self.greyed)
        empty = "no checklist yet: the agent publishes them" if snapshot.control else ""
        table.show(list_columns(found, now, compact=self.compact), entries, empty=empty)
        late = snapshot.overdue(now)
        words = f"{len(found)}, {late} overdue" if late else f"{len(found)}" if found else ""
        set_subtitle(table, words)
        if found and not self._begun:
            self._begun = True
            table.select(min(found, key=lambda s: urgency(s, now)).name)
            if self.run is None and self.table("items").has_focus:
                # Nothing there would move.
                table.focus()
        if self.compact:
            table.styles.height = min(max(len(entries) + 3, _LEAST_LISTS), _MOST_LISTS)
        else:
            table.styles.height = None
        self.draw_run()
        self._past.fit(self.has_class("-history"))
        self._past.draw(greyed=self.greyed)

    def draw_run(self) -> None:
        """The items of the run in view."""
        home, standing, run = self.home, self.standing, self.run
        table, head, panel = (
            self.table("items"),
            self.query_one("#run-head", FactList),
            self.query_one("#run"),
        )
        if standing is None:
            head.show([])
            table.show(ITEM_COLUMNS, [], empty="" if home.snapshot.checklists else "nothing to tick")
            set_title(panel, "Items", subtitle="")
            return
        look, now, width = home.look, home.now, table.content_size.width or 60
        older = run is not None and self._chosen is not None
        when = f", {day(run.due_at, standing.timezone):%a %d %b}" if run is not None and older else ""
        set_title(panel, standing.title + when, subtitle=self._below(run))
        seen = standing if self._chosen is None else replace(standing, next_due_at=None)
        loads = self._chosen is not None and run is None
        head.show([] if loads else [run_line(seen, run, look, now, width)])
        acting = {} if run is None else self._marking.words(run.id)
        entries = []
        if run is not None:
            # Of one of before the day is known: what matters is the time of day.
            at = run.due_at if older else now
            entries = item_entries(run, standing.timezone, look, at, width, acting, greyed=self.greyed)
        table.show(ITEM_COLUMNS, entries, empty=self._why_no_items(standing, run))
        if run is not None and run.id != self._drawn:
            # It was opened, or another one took its place, under a cursor that nobody moved.
            self._drawn = run.id
            self._at_open_item()

    def _why_no_items(self, standing: Standing, run: Run | None) -> str:
        if run is not None:
            return "it has no items"
        if self._chosen is not None:
            return self._reading_run.empty("nothing is kept of this one any more")
        return "nothing to tick yet: o opens the next one early"

    def _below(self, run: Run | None) -> str:
        if run is None:
            return ""
        if self._chosen is not None:
            return "as it was; ] leads back"
        return "" if self.compact else "ticks are logged with name and time"

    # Reading

    async def _read_older(self) -> None:
        if self._chosen is not None:
            self._older = await self.home.feed.query.run_of(self._chosen)

    def enter(self) -> None:
        super().enter()
        if self.run is None:
            self.table("lists").focus()

    def catch_up(self) -> None:
        self._past.reading.catch_up()
        self._reading_run.catch_up()

    # Keys

    def _to_items(self) -> bool:
        """From another panel the keys of items lead there first: what they would act on is seen then."""
        if self.table("items").has_focus or self.item is None:
            return False
        self.remove_class("-history")
        self.call_after_refresh(self._laid_out, "items")
        self.home.say(f"press again for {printable(self.item.step.text, 60)}")
        return True

    def _aimed(self) -> tuple[Run, Marked] | None:
        """What a key acts on; None where it is said why there is nothing."""
        run, item = self.run, self.item
        if run is None or item is None:
            self.home.say(
                "there is no item to tick" if self.standing is None else "it is not open: o opens it"
            )
        elif self._to_items() or not self.may():
            return None
        elif run.state(self.home.now) is RunState.MISSED:
            self.home.say("this one was missed: the next one took its place", role="warn", glyph="warn")
        elif self._chosen is not None and run.state(self.home.now).over:
            self.home.say("this one is over: ] leads to the one that is open", role="warn", glyph="warn")
        elif item.place in self._marking.words(run.id):
            self.home.say("wait for the store's answer")
        else:
            return run, item
        return None

    def action_tick(self) -> None:
        """Tick it, or take that back."""
        if (aimed := self._aimed()) is not None:
            run, item = aimed
            mark, user = item.mark, self.home.snapshot.link.user
            what = "skip" if mark is not None and mark.state is Done.SKIPPED else "tick"
            # It may have been ticked a moment before the key was pressed.
            if (
                mark is None
                or mark.by == user
                or self.home.again(
                    (run.id, item.place, mark),
                    f"press again to take back {mark.by}'s {what}: {printable(item.step.text, 60)}",
                )
            ):
                self._marking.ask(run, item, Done.DONE if mark is None else None)

    def action_note(self) -> None:
        """Tick it with a note, or write another one."""
        self._write(Done.DONE)

    def action_skip(self) -> None:
        """Skip it, and say why."""
        self._write(Done.SKIPPED)

    def _write(self, state: Done) -> None:
        if (aimed := self._aimed()) is not None and (standing := self.standing) is not None:
            from screens.duty_dialog import write

            write(self.home, standing, *aimed, state)

    def action_open_early(self) -> None:
        """Begin the next one before its time."""
        standing = self.standing
        if standing is None:
            self.home.say("there is no checklist")
        elif self.may():
            run = standing.run
            if run is not None and not run.state(self.home.now).over:
                when = moment(run.due_at, standing.timezone, self.home.now)
                self.home.say(f"{standing.title} is open already, due {when}")
            elif (due := standing.next_due_at) is None or self.home.again(
                (standing.name, due), self._early(standing, due)
            ):
                from screens.action_asking import tell

                async def start() -> None:
                    await self.home.feed.desk.start_checklist(standing.name)

                tell(self.home, start, f"{printable(standing.title, 60)} is open")

    def _early(self, standing: Standing, due: datetime) -> str:
        when = day_and_time(due, standing.timezone, self.home.now)
        title, early = printable(standing.title, 60), fmt.age(due - self.home.now)
        return f"press o again: opens {title} of {when}, {early} before it is due"

    def action_history(self) -> None:
        """The month alone, or beside the rest again."""
        self.toggle_class("-history")
        wide = self.has_class("-history")
        self.call_after_refresh(self._laid_out, "history" if wide else "items")

    def _laid_out(self, focus: str) -> None:
        if self.is_attached:
            self.table(focus).focus()
            self.update_ages()

    def back(self) -> None:
        if self.has_class("-history"):
            self.action_history()
        elif self._chosen is not None:
            self._choose(None)
        else:
            self.table("lists").focus()

    def action_other_run(self, step: int) -> None:
        """The run before the one in view, or the one after it."""
        standing = self.standing
        if standing is None:
            self.home.say("there is no checklist")
            return
        current = None if standing.run is None else standing.run.id
        runs = [p for p in self._past.runs if p.checklist == standing.name and p.id != current]
        ids: list[int | None] = [None, *(p.id for p in sorted(runs, key=lambda p: p.due_at, reverse=True))]
        place = (ids.index(self._chosen) if self._chosen in ids else 0) + step
        if 0 <= place < len(ids):
            self._choose(ids[place])
        else:
            self.home.say("no run before it is known" if step > 0 else "this is the latest one")

    def _choose(self, run_id: int | None) -> None:
        self._chosen = run_id
        self.draw_run()
        self._reading_run.soon()

    def action_show_me(self) -> None:
        """What the item is about: a screen, a metric, an action."""
        item = self.item
        if item is None:
            self.home.say("there is no item to show anything of")
        else:
            from screens.duty_reading import show

            show(self.home, item.step)

    def on_live_table_chosen(self, event: LiveTable.Chosen) -> None:
        event.stop()
        if event.table.id == "items":
            self._open_item()
        else:
            self.remove_class("-history")
            self.call_after_refresh(self._laid_out, "items")

    def _open_item(self) -> None:
        """Whole: what is known of it, and what was said."""
        from screens.duty_reading import item_facts, item_text
        from screens.reading import ReadingScreen

        standing, item, home = self.standing, self.item, self.home
        if standing is not None and item is not None:
            facts = [("checklist", standing.title), *item_facts(item, standing.timezone, home.now)]
            title = f"Item {item.place}"
            self.app.push_screen(ReadingScreen(title, item_text(item), number=home.number, facts=facts))

    def commands(self) -> Iterable[Command]:
        item = self.item
        about = printable(item.step.text, 40) if item is not None else "the selected item"
        yield "Tick", f"{about} is done, or not after all", self.action_tick
        yield "Tick with a note", f"{about} is done, and what there is to say", self.action_note
        yield "Skip", f"{about} is not done, and why", self.action_skip
        yield "Open the next checklist early", "begin it before its time", self.action_open_early
        yield "History of the checklists", "thirty days of every list", self.action_history
