"""What may be decided about an action that is there: approve it, end it, choose how it goes on, take it back."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import ClassVar, Literal

from textual.binding import Binding, BindingType
from textual.widget import Widget

from console.domain import format as fmt
from console.domain.action import Action, ActionState
from console.domain.errors import Misuse
from console.domain.snapshot import DEPLOYMENTS
from screens.action_asking import confirm, undo
from screens.action_rows import named
from screens.base import ConsoleScreen
from screens.console_dialog import ConsoleDialog, labelled
from screens.paragraphs import Line
from screens.plan_lines import PlanView
from screens.plan_reader import PlanReader
from widgets.cells import EMPTY, cells, piece
from widgets.dialog import LabelledField
from widgets.fact_list import FactList
from widgets.field import Field
from widgets.look import Look
from widgets.text_panel import wrapped
from widgets.times import span_words

_CHOICES = (
    # word, what it means, what the button says
    ("again", "run the step once more", "Run it again"),
    ("skip", "take the step as done and go on", "Skip the step"),
    ("stop", "end it as failed; what is done stays done", "Stop"),
)
_ROOM_COMPACT = 22
_MOST_ASKED = 4
"""Lines of a question."""


class DecidingScreen(ConsoleScreen):
    """A screen with an action to decide about (`action_in_view`)."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("A", "approve", "approve", id="action.approve"),
        Binding("C", "decide", "choose", id="action.choose"),
        Binding("X", "end", "cancel", id="action.cancel"),
        Binding("u", "undo", "undo", id="action.undo"),
    ]

    NONE_IN_VIEW: ClassVar[str] = "no action is selected"

    def action_in_view(self) -> Action | None:
        """The action that a key decides about."""
        raise NotImplementedError

    def _no(self, text: str) -> None:
        self.say(text, role="warn", glyph="warn")

    def _may(self, takes: Literal["responder", "commander"] = "responder") -> Action | None:
        """The action, where somebody is here who may decide about actions; else it is said why not. Whether it must be
        a commander is said with what else this action needs."""
        action, link = self.action_in_view(), self.snapshot.link
        if action is None:
            self._no(self.NONE_IN_VIEW)
        elif link.why_not():
            self._no(link.why_not(takes))
        else:
            return action
        return None

    def action_approve(self) -> None:
        """Confirm a proposal, or be the second person."""
        proposed = (now := self.action_in_view()) is not None and now.state is ActionState.PLANNED
        action = self._may("responder" if proposed else "commander")
        if action is None:
            return
        link = self.snapshot.link
        if proposed:
            confirm(self, action)
        elif reason := action.no_approval(link.user, link.role):
            self._no(reason)
        else:
            self.app.push_screen(ApproveDialog(action, named(action, self.snapshot)), self._approved)

    def action_end(self) -> None:
        """End it: at once, or once its step may be left."""
        action = self._may()
        if action is None:
            return
        if reason := _no_end(action):
            self._no(reason)
        else:
            self.app.push_screen(EndDialog(action, named(action, self.snapshot)), self._ended)

    def action_decide(self) -> None:
        """How an interrupted one goes on."""
        action = self._may()
        if action is None:
            return
        if action.state is not ActionState.INTERRUPTED:
            self._no(f"it is {action.state}: there is nothing to choose")
        else:
            self.app.push_screen(ChooseDialog(action, named(action, self.snapshot)), self._chosen)

    def action_undo(self) -> None:
        """Take back what it did, by an action of its own."""
        action = self._may()
        if action is not None:
            undo(self, action)

    def _approved(self, action: Action | None) -> None:
        self._done(action, "approved")

    def _ended(self, action: Action | None) -> None:
        self._done(action, "cancelled")

    def _chosen(self, action: Action | None) -> None:
        self._done(action, "it goes on as chosen")

    def _done(self, action: Action | None, word: str) -> None:
        if action is not None and self.is_attached:
            self.say(f"action {action.id}, {named(action, self.snapshot)}: {word}", role="ok", glyph="done")


def _no_end(action: Action) -> str:
    """Why it can't be ended; "" when it can."""
    if action.state.final:
        return f"it is {action.state} already"
    if action.state is ActionState.INTERRUPTED:
        return "it waits for a choice: C chooses"
    if action.cancelled_by:
        return f"{action.cancelled_by} cancelled it already: it ends once its step may be left"
    return ""


class _Deciding(ConsoleDialog[Action]):
    """About one action, which is followed while the dialog is open. Returns it, None when nothing was decided."""

    DEFAULT_CSS = """
    _Deciding .dialog #about { margin: 0 0 1 0; }
    _Deciding.-compact .dialog #about { margin: 0; }
    """

    def __init__(self, title: str, action: Action, name: str, *, role: str | None = None) -> None:
        super().__init__(title, role=role)
        self._action, self._name = action, name
        self._unsubscribe: Callable[[], None] | None = None

    def on_mount(self) -> None:
        self._unsubscribe = self.host.feed.subscribe(lambda _snapshot, _changed: self._refresh())

    def on_unmount(self) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()

    @property
    def action(self) -> Action:
        """As it stands now."""
        return self.host.feed.snapshot.action(self._action.id) or self._action

    def compose_fields(self) -> Iterable[Widget]:
        yield FactList(id="about", rows=1)

    def changed(self) -> None:
        about, look = self.query_one("#about", FactList), self.host.look
        lines = self.lines(look, about.content_size.width or 68)
        about.styles.height = len(lines)
        about.show(lines)
        super().changed()

    def lines(self, look: Look, width: int) -> list[Line]:
        """What is decided about."""
        action = self.action
        asked = (
            piece(action.confirmed_by or action.requested_by, look("text")),
            piece(f" {fmt.age(self.host.feed.now() - action.since)} ago: {action.reason}", look("muted")),
        )
        return [
            labelled("action", cells(f"{action.id}  {self._name}", look("strong", bold=True)), look),
            self.where(look),
            labelled("by", asked, look),
        ]


class ApproveDialog(_Deciding, PlanReader):
    """The second person reads the same plan."""

    VERB: ClassVar[str] = "approves"

    def __init__(self, action: Action, name: str) -> None:
        super().__init__(
            "Approve", action, name, role="crit" if action.plan and action.plan.typed else "warn"
        )

    def lines(self, look: Look, width: int) -> list[Line]:
        action = self.action
        lines = super().lines(look, width)
        if action.override:
            lines.append(labelled("override", cells(action.override, look("warn")), look))
        if action.approval_expires_at is not None:
            left = (action.approval_expires_at - self.host.feed.now()).total_seconds()
            lines.append(labelled("waits", cells(f"{span_words(left)} more", look("muted")), look))
        if action.plan is not None:
            height, compact = self.app.size.height, self.has_class("-compact")
            room = (min(height, _ROOM_COMPACT) if compact else height - 5) - len(lines) - 5
            # What was asked for is asked for already: the equal command is that of approving it.
            plan = replace(action.plan, command=f"tradex actions approve {action.id}")
            view = PlanView(plan, action.all_guards, action.needs_approval, "", action.choices)
            lines += self.plan_part(view, look, width, room)
        return lines

    def draw_plan(self) -> None:
        self.changed()

    def problem(self) -> tuple[str, str | None]:
        link = self.host.feed.snapshot.link
        return self.action.no_approval(link.user, link.role), None

    def action_words(self) -> str:
        return f"Approve {self._name}"

    def busy_words(self) -> str:
        return "approving"

    async def carry_out(self) -> Action:
        action = self.action
        await self.host.feed.desk.approve(action.id, plan_hash=action.plan_hash)
        return action


class EndDialog(_Deciding):
    """Ends an action before its time."""

    VERB: ClassVar[str] = "ends it"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("r", "edit('reason')", "reason", id="end.reason")]
    # Whoever begins to write at once means the reason: one that begins with y must not act.
    AUTO_FOCUS: ClassVar[str | None] = "#reason"

    def __init__(self, action: Action, name: str) -> None:
        super().__init__("End an action", action, name, role="warn")

    def compose_fields(self) -> Iterable[Widget]:
        yield from super().compose_fields()
        yield LabelledField(
            "r", "reason", Field(id="reason", placeholder="why, for the audit (may be left out)")
        )

    def lines(self, look: Look, width: int) -> list[Line]:
        action = self.action
        words = f"{action.step} of {action.steps} steps are done" if action.steps else "nothing is done yet"
        done = "all is taken back" if action.kind in DEPLOYMENTS else "what is done stays done"
        what = {
            ActionState.RUNNING: f"it ends once its step may be left; {done}",
            ActionState.VERIFYING: "nobody watches it any longer; what is done stays done",
        }.get(action.state, "it ends at once, nothing was changed")
        return [
            *super().lines(look, width),
            labelled("stands", cells(f"{action.state}: {words}", look("text")), look),
            labelled("then", cells(_no_end(action) or what, look("muted")), look),
        ]

    def problem(self) -> tuple[str, str | None]:
        return ("" if self._busy else _no_end(self.action)), None

    def possible(self) -> bool:
        return not self.problem()[0]

    def action_words(self) -> str:
        return "End the action"

    def busy_words(self) -> str:
        return "ending"

    async def carry_out(self) -> Action:
        action = self.action
        await self.host.feed.desk.cancel(action.id, self.query_one("#reason", Field).value)
        return action


class ChooseDialog(_Deciding):
    """How an interrupted action goes on, in words."""

    VERB: ClassVar[str] = "goes on so"
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(i), f"pick({i})", word, id=f"choose.{word}")
            for i, (word, _, _) in enumerate(_CHOICES, 1)
        ),
        Binding("r", "edit('reason')", "reason", id="choose.reason"),
    ]

    def __init__(self, action: Action, name: str) -> None:
        super().__init__("How it goes on", action, name, role="crit")
        self._picked = ""

    def compose_fields(self) -> Iterable[Widget]:
        yield from super().compose_fields()
        yield LabelledField("r", "reason", Field(id="reason", placeholder="what you know (may be left out)"))

    def lines(self, look: Look, width: int) -> list[Line]:
        lines = super().lines(look, width)
        for i, line in enumerate(wrapped(self.action.question, max(width - 12, 8))[:_MOST_ASKED]):
            lines.append(labelled("" if i else "question", cells(line, look("crit")), look))
        lines.append((EMPTY, EMPTY))
        for i, (word, meaning, _) in enumerate(_CHOICES, 1):
            chosen = word == self._picked
            style = look.chip("accent") if chosen else look("text", on="raised")
            line = (
                piece(f"{i} ", look("accent", bold=True)),
                piece(f" {word:<5} ", style),
                piece(f"  {meaning}", look("text" if chosen else "muted")),
            )
            lines.append((line, EMPTY))
        return lines

    def action_pick(self, number: int) -> None:
        """One of the choices; nothing is done yet."""
        self._picked = _CHOICES[number - 1][0]
        self.say("")
        self.changed()

    def problem(self) -> tuple[str, str | None]:
        if self.action.state is not ActionState.INTERRUPTED and not self._busy:
            return f"it is {self.action.state} by now", None
        return ("" if self._picked else "choose first: 1, 2 or 3"), None

    def action_words(self) -> str:
        return next((button for word, _, button in _CHOICES if word == self._picked), "Go on")

    def busy_words(self) -> str:
        return "telling the agent"

    async def carry_out(self) -> Action:
        action = self.action
        if not self._picked:
            raise Misuse("choose first: 1, 2 or 3")
        await self.host.feed.desk.resume(action.id, self._picked, self.query_one("#reason", Field).value)
        return action
