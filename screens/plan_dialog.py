"""The dialog before an action: it asks the agent for a plan, shows it, and lets a person confirm exactly that plan.

What is written differently afterwards is another wish: its plan is asked for anew, and the one before is withdrawn.
"""

from collections.abc import Callable, Iterable, Mapping
from string import ascii_lowercase
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input

from console.domain import asking
from console.domain import format as fmt
from console.domain.action import Action, ActionState, Danger, KindSpec, Plan
from console.domain.errors import Misuse
from console.domain.text import printable
from screens.action_rows import shown_on
from screens.console_dialog import ConsoleDialog, labelled
from screens.copying import copy
from screens.paragraphs import Line
from screens.plan_asking import UNCONFIRMED, Asking, Wish
from screens.plan_lines import CHOICE_KEYS, PlanView
from screens.plan_reader import PlanReader
from widgets.cells import EMPTY, Cells, cells, piece
from widgets.dialog import CONFIRM_KEY, Buttons, LabelledField
from widgets.fact_list import FactList
from widgets.field import Field
from widgets.look import Look
from widgets.text_panel import wrapped

_ROLES = {Danger.LOW: "accent", Danger.MEDIUM: "warn", Danger.HIGH: "crit"}
_TAKEN = {CONFIRM_KEY, "c", "r", "w", "o"}
"""Letters that mean something else here."""
_HINTS = {"network": "203.0.113.7 or 203.0.113.0/24", "account": "id or e-mail", "duration": "30m, 2h, 1d"}
_LONGEST = 9
"""Characters of a label."""
_MOST_REFUSED = 4
"""Lines of a refusal."""
_COMPACT_ROWS = 22
"""The most that it takes of 24 rows: banner and keys stay in sight."""


class PlanDialog(ConsoleDialog[Action], PlanReader):
    """Returns the action that was confirmed, None when it was cancelled; an unconfirmed one is withdrawn then."""

    DEFAULT_CSS = """
    PlanDialog #plan { margin: 1 0 0 0; }
    PlanDialog.-compact #plan { margin: 0; }
    PlanDialog #typed-field, PlanDialog #override-field { display: none; }
    PlanDialog.-typed #typed-field, PlanDialog.-override #override-field { display: block; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "edit('reason')", "reason", id="plan.reason"),
        Binding("w", "edit('typed')", "type the target", id="plan.typed"),
        Binding("o", "edit('override')", "override", id="plan.override"),
        Binding("c", "copy", "copy the command", id="plan.copy"),
        *(
            Binding(key, f"choose({place})", "choose", show=False, id=f"plan.choose-{key}")
            for place, key in enumerate(CHOICE_KEYS)
        ),
    ]

    def __init__(
        self,
        spec: KindSpec,
        params: Mapping[str, str],
        *,
        reason: str = "",
        cause: str = "",
        undo_of: int | None = None,
        planned: Action | None = None,
    ) -> None:
        """`planned` is one that waits for somebody to confirm it, a proposal: it is not withdrawn."""
        super().__init__(spec.title, role=_ROLES[spec.danger], verb=spec.verb.lower())
        self.spec = spec
        self._given, self._reason, self._planned = dict(params), reason, planned
        self._unsubscribe: Callable[[], None] | None = None
        self._led: int | None = None
        self.asking = Asking(
            self.host.feed,
            spec,
            cause=cause,
            undo_of=undo_of,
            run=lambda work: self.app.run_worker(work, group="plan", exit_on_error=False),
            changed=self.changed,
        )

    @property
    def action(self) -> Action | None:
        """What was asked for, as it stands now; None before the store knows it."""
        return self.asking.action

    # Fields

    def compose_fields(self) -> Iterable[Widget]:
        letters = set(_TAKEN)
        for parameter in self.spec.parameters:
            names = f"{parameter.name}{parameter.title}".lower() + ascii_lowercase
            letter = next((c for c in names if c in ascii_lowercase and c not in letters), "")
            field = f"p-{parameter.name}"
            if letter:
                # Where no letter is left, tab leads to it.
                letters.add(letter)
                self._bindings.bind(letter, f"edit('{field}')", parameter.title)
            hint = " | ".join(parameter.choices) or _HINTS.get(parameter.type, "")
            value = self._given.get(parameter.name, parameter.default)
            label = parameter.title.lower() if len(parameter.title) <= _LONGEST else parameter.name
            yield LabelledField(letter or " ", label, Field(value, id=field, placeholder=hint))
        yield FactList(id="plan-where", rows=1)
        yield FactList(id="plan-until", rows=1)
        yield LabelledField("r", "reason", Field(self._reason, id="reason", placeholder="why, for the audit"))
        yield FactList(id="plan", rows=1)
        typed = LabelledField("w", "type it", Field(id="typed"))
        typed.id = "typed-field"
        yield typed
        override = LabelledField("o", "override", Field(id="override", placeholder="why it can't wait"))
        override.id = "override-field"
        yield override

    def on_mount(self) -> None:
        self.query_one("#plan-until").display = self.spec.expires
        self._unsubscribe = self.host.feed.subscribe(lambda _snapshot, changed: self._heard(changed))
        _, missing = self._missing()
        if self._planned is not None:
            # Written out, with what its kind takes for granted, it is the same wish.
            self.asking.join(self._planned, self._written())
            self.asking.follow()
        elif missing is None:
            self._ask()
        else:
            self.action_edit(missing)

    def on_unmount(self) -> None:
        self.asking.leave()
        if self._unsubscribe is not None:
            self._unsubscribe()

    def on_resize(self) -> None:
        self.call_after_refresh(self._refresh)

    def _value(self, field: str) -> str:
        return self.query_one(f"#{field}", Field).value.strip()

    def _params(self) -> dict[str, str]:
        """Raises Misuse."""
        given = {p.name: value for p in self.spec.parameters if (value := self._value(f"p-{p.name}"))}
        return asking.parameters(self.spec, given)

    def _missing(self) -> tuple[str, str | None]:
        """What has to be written before anybody can be asked, and in which field."""
        try:
            self._params()
        except Misuse as error:
            empty = (p for p in self.spec.parameters if p.required and not self._value(f"p-{p.name}"))
            first = next(empty, None)
            return str(error), None if first is None else f"p-{first.name}"
        if not self._value("reason"):
            return "a reason is required: write it, then enter", "reason"
        return "", None

    def _written(self) -> Wish | None:
        if self._missing()[0]:
            return None
        return Wish(tuple(sorted(self._params().items())), self._value("reason"))

    @property
    def target(self) -> str:
        """What it is about, as it is written now."""
        return "" if not self.spec.target else self._value(f"p-{self.spec.target}")

    def _ask(self) -> None:
        """Ask for the plan of what is written."""
        if (wish := self._written()) is not None:
            self.asking.ask(wish)

    def _heard(self, changed: frozenset[str]) -> None:
        if changed & {"actions", "agent", "freezes", "glass", "link"} and self.is_attached:
            self.asking.follow()

    def _refresh(self) -> None:
        if self.is_attached and self.query("#buttons"):
            self.asking.follow()

    # Drawing

    def changed(self) -> None:
        if not self.is_attached or not self.query("#plan"):
            return
        look, plan = self.host.look, self.asking.plan
        self.set_class(plan is not None and bool(plan.typed), "-typed")
        self.query_one("#typed", Field).placeholder = f"type: {printable(plan.typed)}" if plan else ""
        self.set_class(bool(self.asking.overridable) and self.asking.overrides, "-override")
        self.query_one("#plan-where", FactList).show([self.where(look, ", ".join(self.spec.layers))])
        self.query_one("#plan-until", FactList).show([labelled("ends", self._until(look), look)])
        facts = self.query_one("#plan", FactList)
        width = facts.content_size.width or 68
        lines = self._lines(look, width, self._room())
        facts.styles.height = max(len(lines), 1)
        facts.show(lines)
        super().changed()
        self._lead_to_what_is_typed()

    def _lead_to_what_is_typed(self) -> None:
        """Once, when the plan is there; who is in a field stays there."""
        action, plan = self.asking.action, self.asking.plan
        if plan is None or action is None or self._led == action.id:
            return
        self._led = action.id
        if plan.typed and isinstance(self.focused, Buttons):
            self.action_edit("typed")

    def draw_plan(self) -> None:
        self.changed()

    def _room(self) -> int:
        """How many lines the plan may take."""
        height, compact = self.app.size.height, self.has_class("-compact")
        fields = len(self.spec.parameters) + 1
        fixed = (
            2 + fields + 1 + self.spec.expires + self.has_class("-typed") + self.has_class("-override") + 2
        )
        return min(height, _COMPACT_ROWS) - fixed if compact else height - 2 - fixed - 5

    def _until(self, look: Look) -> Cells:
        plan, now = self.asking.plan, self.host.feed.now()
        if plan is None:
            return cells(look.glyphs["ellipsis"], look("faint"))
        if plan.until is None:
            return cells("not by itself", look("muted"))
        day = "" if plan.until.date() == now.date() else f"{plan.until:%d %b} "
        return cells(f"{day}{fmt.clock(plan.until)} UTC by itself, if it began now", look("muted"))

    def _lines(self, look: Look, width: int, room: int) -> list[Line]:
        action, plan = self.asking.action, self.asking.plan
        if self.asking.refusal:
            return self._failed(self.asking.refusal, look, width)
        if action is not None and action.state not in UNCONFIRMED:
            tail = (
                ""
                if action.words and action.state.final
                else f"; {shown_on(self.spec.name)} shows how it goes"
            )
            return self._failed(f"{self.asking.taken(action)}{tail}", look, width)
        if plan is not None:
            return self.plan_part(self._view(plan), look, width, room)
        return self._unplanned(look)

    def _view(self, plan: Plan) -> PlanView:
        approval = self.asking.approval
        if approval is None:
            approval = "a second person is needed" if self.spec.second_person else ""
        approval = approval or plan.second_person
        link = self.host.feed.snapshot.link
        return PlanView(
            plan,
            (*plan.guards, *self.asking.told_guards()),
            approval,
            f"any commander but {link.user}" if approval else "",
            self.asking.decided,
        )

    def _failed(self, text: str, look: Look, width: int) -> list[Line]:
        glyph = piece(f"{look.glyphs['failed']} ", look("crit", bold=True))
        lines = wrapped(printable(text, 400), max(width - 2, 8))[:_MOST_REFUSED]
        return [
            ((glyph if i == 0 else piece("  "), piece(line, look("crit"))), EMPTY)
            for i, line in enumerate(lines)
        ]

    def _unplanned(self, look: Look) -> list[Line]:
        dots = look.glyphs["ellipsis"]
        if self.asking.wish is None:
            text, field = self._missing()
            words = text if field is not None else "enter in a field asks for the plan"
            return [labelled("plan", cells(words, look("muted")), look)]
        if self.host.feed.snapshot.agent.leader is None:
            gone = f"{look.glyphs['warn']} no agent leads: nobody can plan it, it waits for one"
            return [labelled("plan", cells(gone, look("warn")), look)]
        waits = (piece(f"{dots} ", look("faint")), piece("the agent asks the platform", look("muted")))
        return [
            labelled("plan", waits, look),
            labelled("blast", cells(dots, look("faint")), look),
            labelled("guards", cells(dots, look("faint")), look),
        ]

    # The dialog

    def action_words(self) -> str:
        return f"{self.spec.verb} {printable(self.target, 20)}" if self.target else self.spec.title

    def busy_words(self) -> str:
        return "confirming"

    def problem(self) -> tuple[str, str | None]:
        text, field = self._missing()
        if text:
            return text, field
        if self._written() != self.asking.wish:
            return "something else is written by now: enter in a field asks for its plan", None
        if self.asking.refusal:
            return self.asking.refusal, None
        action, snapshot = self.asking.action, self.host.feed.snapshot
        if action is None or action.state is ActionState.PLANNING:
            if snapshot.agent.leader is None:
                return "no agent leads: nobody can plan it", None
            return "its plan is not there yet", None
        plan = action.plan
        if action.state is not ActionState.PLANNED or plan is None:
            return self.asking.taken(action), None
        return self._open(plan)

    def possible(self) -> bool:
        if self.asking.refusal:
            return False
        action = self.asking.action
        if action is None or action.state is ActionState.PLANNING:
            return True
        if action.state is not ActionState.PLANNED or action.plan is None:
            return bool(self._busy)
        return not self.asking.barred(action.plan)

    def _open(self, plan: Plan) -> tuple[str, str | None]:
        """What is still missing for this plan."""
        if self.asking.late:
            return "the plan is too old: enter in a field asks for a new one", None
        if barred := self.asking.barred(plan):
            return barred, None
        if plan.typed and self._value("typed") != plan.typed:
            return f"type {plan.typed} to confirm", "typed"
        for key, choice in zip(CHOICE_KEYS, plan.choices, strict=False):
            if choice.name not in self.asking.decided:
                return f"decide first: {choice.title} ({key})", None
        if self.asking.overridable and not self._value("override"):
            return f"say why this is overridden: {'; '.join(self.asking.overridable)}", "override"
        return "", None

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter ends a field, and leads to what is missing; then the plan is asked for."""
        _, field = self._missing()
        if field is not None:
            # The frame would lead to the buttons.
            event.prevent_default()
            self.action_edit(field)
            return
        self._ask()

    def action_edit(self, field: str) -> None:
        holder = self.query_one(f"#{field}", Field).parent
        if isinstance(holder, Widget) and holder.display:
            super().action_edit(field)

    def action_choose(self, place: int) -> None:
        """The next option of a choice."""
        plan = self.asking.plan
        if plan is not None and place < len(plan.choices):
            choice = plan.choices[place]
            words = [word for word, _ in choice.options]
            now = self.asking.decided.get(choice.name)
            self.asking.decided[choice.name] = (
                words[(words.index(now) + 1) % len(words)] if now in words else words[0]
            )
            self.say("")
            self.changed()

    def action_copy(self) -> None:
        """The equal command line."""
        plan = self.asking.plan
        if plan is not None and plan.command:
            self.run_worker(self._copy(plan.command), exit_on_error=False)

    async def _copy(self, text: str) -> None:
        self.say(await copy(self.app, text), role="ok")

    def action_cancel(self) -> None:
        if not self._busy:
            self.asking.withdraw()
        super().action_cancel()

    async def carry_out(self) -> Action:
        action = self.asking.action
        if action is None:
            raise Misuse("its plan is not there yet")
        await self.host.feed.desk.confirm(
            action.id,
            plan_hash=action.plan_hash,
            typed=self._value("typed"),
            choices=self.asking.decided,
            override=self._value("override") if self.asking.overridable else "",
        )
        return action
