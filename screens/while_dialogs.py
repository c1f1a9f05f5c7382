"""The dialogs of what holds for a while: a freeze of changes, and a broken glass."""

from collections.abc import Iterable
from datetime import timedelta
from typing import ClassVar, Literal

from textual.binding import Binding, BindingType
from textual.widget import Widget

from console.domain import duration
from console.domain import format as fmt
from screens.base import ConsoleScreen
from screens.console_dialog import LABELS, ConsoleDialog, labelled
from widgets.cells import cells
from widgets.dialog import LabelledField
from widgets.fact_list import FactList
from widgets.field import Field
from widgets.times import span_words


class WhileDialog(ConsoleDialog[str]):
    """Asks for a length and a reason. Returns what was done, in words; None when it was cancelled."""

    LONGEST: ClassVar[timedelta]
    DEFAULT: ClassVar[str]
    MEANS: ClassVar[str]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("l", "edit('length')", "length", id="while.length"),
        Binding("r", "edit('reason')", "reason", id="while.reason"),
    ]
    AUTO_FOCUS: ClassVar[str | None] = "#reason"

    def compose_fields(self) -> Iterable[Widget]:
        yield FactList(id="about", rows=3)
        yield LabelledField("l", "for", Field(self.DEFAULT, id="length", placeholder="30m, 2h, 1d"))
        yield LabelledField("r", "reason", Field(id="reason", placeholder="why, for the audit"))

    def changed(self) -> None:
        look, about = self.host.look, self.query_one("#about", FactList)
        means = LABELS.text("means", self.MEANS, look, about.content_size.width or 68)
        ends = labelled("ends", cells(f"{self.until()}, if it began now", look("muted")), look)
        lines = [self.where(look), *means, ends]
        about.styles.height = len(lines)
        about.show(lines)
        super().changed()

    @property
    def length(self) -> timedelta | None:
        """None for what is no length."""
        return duration.parse(self.query_one("#length", Field).value)

    @property
    def reason(self) -> str:
        return self.query_one("#reason", Field).value.strip()

    def problem(self) -> tuple[str, str | None]:
        length = self.length
        if not length:
            return f"expected {duration.EXPECTED}", "length"
        if length > self.LONGEST:
            return f"at most {span_words(self.LONGEST.total_seconds())}", "length"
        return ("", None) if self.reason else ("a reason is required: write it, then enter and y", "reason")

    def until(self) -> str:
        """When it ends, if it begins now."""
        end = self.host.feed.now() + (self.length or timedelta())
        return f"{end:%d %b} {fmt.clock(end, seconds=False)} UTC"


class FreezeDialog(WhileDialog):
    """Lets nothing that minds a freeze be done."""

    ROLE: ClassVar[str] = "warn"
    VERB: ClassVar[str] = "freezes"
    LONGEST: ClassVar[timedelta] = timedelta(days=90)
    DEFAULT: ClassVar[str] = "8h"
    MEANS: ClassVar[str] = "no action that minds it begins, but a commander overrides it"

    def __init__(self) -> None:
        super().__init__("Freeze changes")

    def action_words(self) -> str:
        return "Freeze changes"

    async def carry_out(self) -> str:
        await self.host.feed.desk.freeze(self.length or timedelta(), self.reason)
        return f"changes are frozen until {self.until()}"


class BreakGlassDialog(WhileDialog):
    """Does without a second person; everybody sees it."""

    ROLE: ClassVar[str] = "crit"
    VERB: ClassVar[str] = "breaks it"
    LONGEST: ClassVar[timedelta] = timedelta(hours=1)
    DEFAULT: ClassVar[str] = "30m"
    MEANS: ClassVar[str] = "your actions need no second person; every console shows it, loud"

    def __init__(self) -> None:
        super().__init__("Break the glass")

    def action_words(self) -> str:
        return "Break the glass"

    async def carry_out(self) -> str:
        await self.host.feed.desk.break_glass(self.length or timedelta(), self.reason)
        return f"the glass is broken until {self.until()}: mend it when it is over"


def freeze(screen: ConsoleScreen) -> None:
    """Ask for a freeze."""
    _open(screen, FreezeDialog(), takes="commander")


def break_glass(screen: ConsoleScreen) -> None:
    """Ask to do without a second person."""
    _open(screen, BreakGlassDialog(), takes="responder")


def _open(screen: ConsoleScreen, dialog: WhileDialog, *, takes: Literal["responder", "commander"]) -> None:
    if reason := screen.snapshot.link.why_not(takes):
        screen.say(reason, role="warn", glyph="warn")
        return

    def said(words: str | None) -> None:
        if words is not None and screen.is_attached:
            screen.say(words, role="warn", glyph="warn")

    screen.app.push_screen(dialog, said)
