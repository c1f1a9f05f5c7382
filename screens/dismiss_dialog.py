"""The dialog that dismisses a security finding: whose it is, what it says, and why that does not matter."""

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget

from console.domain.finding import Finding
from screens.console_dialog import ConsoleDialog, labelled
from screens.security_rows import kind_words
from widgets.cells import cells
from widgets.dialog import LabelledField
from widgets.fact_list import FactList
from widgets.field import Field


class DismissDialog(ConsoleDialog[Finding]):
    """Returns the finding, None when it was cancelled."""

    ROLE: ClassVar[str] = "warn"
    VERB: ClassVar[str] = "dismisses"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("r", "edit('reason')", "reason", id="dismiss.reason")]
    AUTO_FOCUS: ClassVar[str | None] = "#reason"

    def __init__(self, finding: Finding) -> None:
        super().__init__("Dismiss a finding")
        self._finding = finding

    @property
    def _now(self) -> Finding:
        found = self.host.feed.snapshot.findings
        return next((f for f in found if f.id == self._finding.id), self._finding)

    def compose_fields(self) -> Iterable[Widget]:
        yield FactList(id="about", rows=4)
        yield LabelledField("r", "reason", Field(id="reason", placeholder="why it is none of our business"))

    def changed(self) -> None:
        look, finding = self.host.look, self._now
        name = cells(f"{kind_words(finding)} {finding.source}", look("strong", bold=True))
        then = "it is counted no more and rings no bell; it grows on, quietly"
        self.query_one("#about", FactList).show(
            [
                labelled("finding", name, look),
                self.where(look),
                labelled("says", cells(finding.summary, look("text")), look),
                labelled("then", cells(then, look("muted")), look),
            ]
        )
        super().changed()

    def problem(self) -> tuple[str, str | None]:
        finding = self._now
        if finding.dismissed_by is not None and not self._busy:
            return f"{finding.dismissed_by} has dismissed it: {finding.dismissed_reason}", None
        if not self.query_one("#reason", Field).value.strip():
            return "a reason is required: write it, then enter and y", "reason"
        return "", None

    def action_words(self) -> str:
        return "Dismiss"

    def busy_words(self) -> str:
        return "dismissing"

    async def carry_out(self) -> Finding:
        reason = self.query_one("#reason", Field).value.strip()
        await self.host.feed.desk.dismiss_finding(self._finding.id, reason)
        return self._finding
