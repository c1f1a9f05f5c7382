"""8 Security: who attacks and whom, what is blocked and suspended until when; and what may be done about it."""

import re
from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widget import Widget

from console.domain.action import Effect
from console.domain.finding import Finding, FindingChange
from console.domain.log import LogLine
from screens.action_asking import lift
from screens.aim import Aim
from screens.base import ConsoleScreen, Layout
from screens.effect_rows import EFFECT_COLUMNS, EFFECT_COLUMNS_COMPACT, effect_entries
from screens.log_rows import LOG_COLUMNS_NARROW, log_entries
from screens.security_rows import (
    ACCOUNT_COLUMNS,
    CHANGE_COLUMNS,
    FINDING_COLUMNS,
    FINDING_COLUMNS_COMPACT,
    account_entries,
    account_name,
    change_entries,
    finding_entries,
    finding_lines,
    finding_row,
    verdict_line,
)
from widgets.cells import EMPTY, cells
from widgets.fact_list import FactList
from widgets.live_table import LiveTable, Row
from widgets.panel import set_subtitle, set_title

_SAMPLES = 50
_PANES = ("accounts", "samples", "past")


class SecurityScreen(ConsoleScreen):
    """Findings on top, the one under the cursor close up below them, and what is in force."""

    NUMBER = 8
    AUTO_FOCUS: ClassVar[str | None] = "#findings"
    DEFAULT_CSS = """
    SecurityScreen #threat { height: 1; padding: 0 1; }
    SecurityScreen #findings { height: 1fr; }
    SecurityScreen #close-up { height: 13; }
    SecurityScreen #finding { width: 1fr; }
    SecurityScreen #accounts, SecurityScreen #samples, SecurityScreen #past { width: 1fr; }
    SecurityScreen #samples, SecurityScreen #past { display: none; }
    SecurityScreen.-samples #samples, SecurityScreen.-past #past { display: block; }
    SecurityScreen.-samples #accounts, SecurityScreen.-past #accounts { display: none; }
    SecurityScreen #force { height: 10; }
    SecurityScreen.-wide #close-up { height: 16; }
    SecurityScreen.-compact #close-up { height: 7; }
    SecurityScreen.-compact #force { height: 6; }
    SecurityScreen.-compact #finding { display: block; }
    SecurityScreen.-compact #accounts, SecurityScreen.-compact #samples, SecurityScreen.-compact #past {
        display: none;
    }
    SecurityScreen.-compact.-deep #finding { display: none; }
    SecurityScreen.-compact.-deep #close-up { height: 1fr; }
    SecurityScreen.-compact.-deep #findings { height: 4; }
    SecurityScreen.-compact.-deep #force { display: none; }
    SecurityScreen.-compact.-deep.-accounts #accounts, SecurityScreen.-compact.-deep.-samples #samples,
    SecurityScreen.-compact.-deep.-past #past { display: block; }
    SecurityScreen.-empty #close-up { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("B", "act('block_ip')", "block IP", id="screen.block"),
        Binding("S", "act('suspend_account')", "suspend", id="screen.suspend"),
        Binding("u", "lift", "lift", id="security.lift"),
        Binding("x", "dismiss_finding", "dismiss", id="security.dismiss"),
        Binding("v", "view", "view", id="security.view"),
        Binding("r", "app.refresh", "refresh", show=False, id="security.refresh"),
        Binding("escape", "back", "back", show=False, id="security.back"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._pane = _PANES[0]
        self._changes: Sequence[FindingChange] = ()
        self._samples: Sequence[LogLine] = ()
        self._past = self.follow(
            *(self._read_past, self._draw_past, "finding"),
            what="what is behind it",
            about=lambda: self.selected and self.selected.id,
        )

    def compose_body(self) -> Iterable[Widget]:
        with Vertical():
            yield FactList(id="threat", rows=1)
            yield LiveTable(id="findings", empty="", newest_first=True, follow=True)
            with Horizontal(id="close-up"):
                yield FactList(id="finding", classes="panel")
                yield LiveTable(id="accounts", header=False, empty="no account was tried")
                yield LiveTable(id="samples", header=False, empty="")
                yield LiveTable(id="past", header=False, empty="")
            yield LiveTable(id="force", empty="")

    def on_mount(self) -> None:
        titles = {
            "findings": "Findings",
            "finding": "Close up",
            "accounts": "Accounts",
            "samples": "Log lines",
            "past": "History",
            "force": "In force",
        }
        for name, title in titles.items():
            set_title(self.query_one(f"#{name}"), title)
        self.add_class("-accounts")
        self._table("findings").on_cursor = self._moved
        self._table("accounts").on_cursor = self._draw_account
        self._table("force").on_cursor = self._draw_place

    def _table(self, name: str) -> LiveTable:
        return self.query_one(f"#{name}", LiveTable)

    @property
    def selected(self) -> Finding | None:
        """The finding under the cursor."""
        key = self._table("findings").selected
        return next((f for f in self.snapshot.findings if str(f.id) == key), None)

    @property
    def effect(self) -> Effect | None:
        """What is in force, under the cursor of its list."""
        key = self._table("force").selected
        return next((e for e in self.snapshot.effects if str(e.id) == key), None)

    def aimed_at(self) -> Aim:
        """In the list of what is in force that is meant, in the list of accounts one of them, else the finding."""
        force, accounts = self._table("force"), self._table("accounts")
        if force.has_focus and (effect := self.effect) is not None:
            account = effect.kind == "suspend_account"
            return Aim("" if account else effect.target, effect.target if account else "")
        finding = self.selected
        if finding is None:
            return Aim()
        user = accounts.selected if accounts.has_focus else next(iter(finding.affected), "")
        reason = f"{finding.kind.replace('_', ' ').lower()}: {finding.count:,} failed log-ins (finding {finding.id})"
        return Aim(finding.source, user or "", reason, f"finding {finding.id}")

    # Drawing

    def update(self, changed: frozenset[str]) -> None:
        if changed & {"findings", "control", "link", "agent"}:
            self._draw_findings()
        self._draw_beside()
        self.update_ages()
        self._past.soon()

    def update_ages(self) -> None:
        self._table("findings").redraw()
        self._draw_threat()
        self._draw_close_up()
        self._draw_force()

    def _row(self, finding: Finding) -> Row:
        compact = self.arrangement is Layout.COMPACT
        return finding_row(finding, self.look, self.now, compact=compact, greyed=self.greyed)

    def _draw_findings(self) -> None:
        table, snapshot = self._table("findings"), self.snapshot
        columns = FINDING_COLUMNS_COMPACT if self.arrangement is Layout.COMPACT else FINDING_COLUMNS
        empty = "nobody was found to attack in the last day" if snapshot.control else ""
        table.show(columns, finding_entries(snapshot.findings, self._row), empty=empty)
        self.set_class(not snapshot.findings, "-empty")
        words = f"{snapshot.open_findings} open of {len(snapshot.findings)}" if snapshot.findings else ""
        set_subtitle(table, words)

    def _draw_threat(self) -> None:
        panel = self.query_one("#threat", FactList)
        panel.show([verdict_line(self.snapshot, self.look, panel.content_size.width or 80)])

    def _draw_close_up(self) -> None:
        panel, finding, look = self.query_one("#finding", FactList), self.selected, self.look
        if finding is None:
            panel.show([(cells("no finding is selected", look("muted")), EMPTY)])
            return
        width = panel.content_size.width or 50
        most = 2 if self.arrangement is Layout.COMPACT else 3
        panel.show(finding_lines(finding, look, self.now, width, most=most))

    def _draw_beside(self) -> None:
        """What does not change by time alone: accounts, log lines, history."""
        if (finding := self.selected) is not None:
            entries = account_entries(finding, self.snapshot, self.look)
            self._table("accounts").show(ACCOUNT_COLUMNS, entries)
        self._draw_account()
        self._draw_past()

    def _draw_account(self) -> None:
        """The whole id of the account under the cursor, where its row has only the beginning."""
        accounts = self._table("accounts")
        user = accounts.selected or ""
        set_subtitle(accounts, "" if account_name(user) == user else user)

    def _draw_past(self) -> None:
        look, past = self.look, self._past
        # Another one's past must not stand beside this one.
        samples, changes = ((), ()) if past.is_other else (self._samples, self._changes)
        self._table("samples").show(
            LOG_COLUMNS_NARROW,
            log_entries(samples, look, narrow=True, greyed=self.greyed),
            empty=past.empty("no line of the logs is kept any more"),
        )
        empty = past.empty("nothing was written about it")
        self._table("past").show(CHANGE_COLUMNS, change_entries(changes, look), empty=empty)

    def _draw_force(self) -> None:
        compact, snapshot, table = self.arrangement is Layout.COMPACT, self.snapshot, self._table("force")
        entries = effect_entries(
            snapshot.effects, snapshot, self.look, self.now, compact=compact, greyed=self.greyed
        )
        empty = "nothing is blocked, nobody is suspended" if snapshot.control else ""
        table.show(EFFECT_COLUMNS_COMPACT if compact else EFFECT_COLUMNS, entries, empty=empty)
        self._draw_place()

    def _draw_place(self) -> None:
        table, force = self._table("force"), sum(e.lifted_at is None for e in self.snapshot.effects)
        set_subtitle(table, f"{table.place_words}: {force} in force" if table.keys else "")

    # Reading

    def _moved(self) -> None:
        self._draw_close_up()
        self._draw_beside()
        self._past.soon()

    async def _read_past(self) -> None:
        finding, query = self.selected, self.feed.query
        if finding is None:
            return
        changes = await query.finding_history(finding.id)
        # The log has single addresses; of an IPv6 network it is their beginning that is equal.
        start = finding.source.partition("::/")[0]
        samples = await query.logs(
            pattern=f"(^|[^0-9A-Fa-f:.]){re.escape(start)}([^0-9]|$)", sources=["auth"], limit=_SAMPLES
        )
        self._changes, self._samples = changes, list(reversed(samples))

    # Keys

    def action_view(self) -> None:
        """Accounts, log lines, history of the finding."""
        if self.arrangement is Layout.COMPACT and not self.has_class("-deep"):
            self._go_deep()
        else:
            self._show_pane(_PANES[(_PANES.index(self._pane) + 1) % len(_PANES)])

    def _show_pane(self, name: str) -> None:
        had = self._table(self._pane).has_focus
        self._pane = name
        for each in _PANES:
            self.set_class(each == name, f"-{each}")
        if had:
            self._table(name).focus()

    def _go_deep(self) -> None:
        self.add_class("-deep")
        self._table(self._pane).focus()

    def on_live_table_chosen(self, event: LiveTable.Chosen) -> None:
        if event.table.id == "findings":
            self._go_deep()
        elif event.table.id == "samples":
            self._open_sample(event.key)
        elif event.table.id == "force" and (effect := self.effect) is not None:
            self.open_action(effect.action_id)

    def _open_sample(self, key: str) -> None:
        from screens.log_detail import LogDetail

        place = int(key)
        if place < len(self._samples):
            self.app.push_screen(LogDetail(self._samples[place], number=self.number))

    def action_back(self) -> None:
        self.remove_class("-deep")
        self._table("findings").focus()

    def action_lift(self) -> None:
        """Take back the block or the suspension under the cursor: in the list of accounts that of the account, on a
        finding the block of its source."""
        effect, accounts = self.effect, self._table("accounts")
        if not self._table("force").has_focus:
            kind, target = "block_ip", self.selected and self.selected.source
            if accounts.has_focus:
                kind, target = "suspend_account", accounts.selected
            effect = next(
                (
                    e
                    for e in self.snapshot.effects
                    if e.lifted_at is None and (e.kind, e.target) == (kind, target)
                ),
                None,
            )
        if effect is None:
            self.say("nothing of this is in force: tab leads to what is")
        else:
            lift(self, effect)

    def action_dismiss_finding(self) -> None:
        """Say that a finding is none of our business, and why."""
        finding = self.selected
        if finding is None:
            self.say("no finding is selected")
        elif reason := self.snapshot.link.why_not("responder"):
            self.say(reason, role="warn", glyph="warn")
        elif finding.dismissed_by is not None:
            self.say(f"{finding.dismissed_by} dismissed it already: {finding.dismissed_reason}")
        else:
            from screens.dismiss_dialog import DismissDialog

            self.app.push_screen(DismissDialog(finding), self._dismissed)

    def _dismissed(self, finding: Finding | None) -> None:
        if finding is not None and self.is_attached:
            self.say(f"dismissed: {finding.source}", role="ok", glyph="done")
