"""The dialog before an action: it asks the agent for a plan, shows it, and lets a person confirm exactly that plan.

What is written differently afterwards is another wish: its plan is asked for anew, and the one before is withdrawn.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, cast

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input

from console.domain import asking
from console.domain import format as fmt
from console.domain.action import Action, ActionState, Danger, Guard, KindSpec, Plan
from console.domain.errors import Misuse, TradexError
from console.domain.text import printable
from screens.base import Host
from screens.copying import copy
from screens.plan_lines import CHOICE_KEYS, Line, PlanView, labelled, plan_lines
from themes.palette import environment_role
from widgets.action_states import action_state
from widgets.cells import EMPTY, Cells, cells, piece
from widgets.dialog import CONFIRM_KEY, Dialog, LabelledField
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
_WAITING = (ActionState.PLANNING, ActionState.PLANNED)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for."""

    params: tuple[tuple[str, str], ...]
    reason: str


class PlanDialog(Dialog[Action]):
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
        self._given, self._reason, self._cause, self._undo_of = dict(params), reason, cause, undo_of
        self._wish: Wish | None = None
        self._number: int | None = None
        self._told = self._refusal = ""
        self._asked_again = self._left = False
        self._action: Action | None = None
        self._guards: tuple[Guard, ...] = ()
        self._overridable: tuple[Guard, ...] = ()
        self._approval = ""
        self._previewed: tuple[object, ...] | None = None
        self._decided: dict[str, str] = {}
        self._unsubscribe: Callable[[], None] | None = None
        if planned is not None:
            self._number, self._action = planned.id, planned
            self._told = f"{planned.requested_by} asked for it"

    @property
    def host(self) -> Host:
        return cast(Host, self.app)

    @property
    def action(self) -> Action | None:
        """What was asked for, as it stands now; None before the store knows it."""
        return self._action

    # Fields

    def compose_fields(self) -> Iterable[Widget]:
        letters = set(_TAKEN)
        for parameter in self.spec.parameters:
            names = f"{parameter.name}{parameter.title}abdefghijk".lower()
            letter = next(c for c in names if c.isascii() and c.isalpha() and c not in letters)
            letters.add(letter)
            field = f"p-{parameter.name}"
            self._bindings.bind(letter, f"edit('{field}')", parameter.title)
            hint = " | ".join(parameter.choices) or _HINTS.get(parameter.type, "")
            value = self._given.get(parameter.name, parameter.default)
            label = parameter.title.lower() if len(parameter.title) <= _LONGEST else parameter.name
            yield LabelledField(letter, label, Field(value, id=field, placeholder=hint))
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
        if self._number is not None:
            # Written out, with what its kind takes for granted, it is the same wish.
            self._wish = self._written()
            self._follow()
        elif missing is None:
            self._ask()
        else:
            self.action_edit(missing)

    def on_unmount(self) -> None:
        self._left = True
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

    # Asking

    def _ask(self) -> None:
        """Ask for the plan of what is written, and withdraw the one before."""
        wish = self._written()
        if wish is None or (wish == self._wish and not self._over):
            return
        self._withdraw()
        self._wish, self._refusal = wish, ""
        self.app.run_worker(self._request(wish), group="plan", exit_on_error=False)
        self.changed()

    @property
    def _over(self) -> bool:
        """Whether what was asked for can't be confirmed any more."""
        action = self._action
        if action is None:
            return bool(self._refusal)
        late = action.plan_expires_at is not None and action.plan_expires_at <= self.host.feed.now()
        return action.state.final or (action.state is ActionState.PLANNED and late)

    def _withdraw(self) -> None:
        unconfirmed = self._action is None or self._action.state in _WAITING
        if self._number is not None and not self._told and unconfirmed:
            self.app.run_worker(self._cancel(self._number), group="plan", exit_on_error=False)
        self._wish = self._number = self._action = self._previewed = None
        self._told, self._guards, self._overridable, self._approval = "", (), (), ""
        self._decided = {}

    async def _cancel(self, action_id: int) -> None:
        try:
            await self.host.feed.desk.withdraw(action_id, "withdrawn before it was confirmed")
        except TradexError:
            # A plan that nobody confirms ends by itself.
            return

    async def _request(self, wish: Wish) -> None:
        params = dict(wish.params)
        try:
            asked = await self.host.feed.desk.request(
                self.spec.name,
                asking.target(self.spec, params),
                params,
                reason=wish.reason,
                cause=self._cause,
                undo_of=self._undo_of,
            )
        except TradexError as error:
            if wish == self._wish and not self._left:
                self._refusal = str(error)
                self.changed()
            return
        if wish != self._wish or self._left:
            # Whoever asked has left, or wants something else by now.
            if not asked.told:
                await self._cancel(asked.id)
            return
        self._number, self._told = asked.id, asked.told
        self._follow()

    # Following

    def _heard(self, changed: frozenset[str]) -> None:
        if changed & {"actions", "agent", "freezes", "glass", "link"} and self.is_attached:
            self._follow()

    def _refresh(self) -> None:
        if self.is_attached and self.query("#buttons"):
            self._follow()

    def _follow(self) -> None:
        snapshot = self.host.feed.snapshot
        if self._number is not None:
            self._action = snapshot.action(self._number) or self._action
        action = self._action
        if (
            action is not None
            and action.state is ActionState.CANCELLED
            and self._told
            and not self._asked_again
        ):
            # Somebody has just withdrawn what this was joined to; once, so that two don't ask in turns for ever.
            self._asked_again = True
            self._ask()
            return
        if action is not None and action.state is ActionState.PLANNED:
            key = (action.id, action.plan_hash, snapshot.freezes, snapshot.glass)
            if key != self._previewed:
                self._previewed = key
                self.run_worker(self._preview(action), group="preview", exclusive=True, exit_on_error=False)
        self.changed()

    async def _preview(self, action: Action) -> None:
        try:
            found = await self.host.feed.desk.preview(action.id)
        except TradexError:
            # The store decides when it is confirmed; until then nothing is promised.
            self._previewed = None
            return
        if self._number != action.id:
            return
        self._guards = tuple(Guard(g.name, g.passed, g.text) for g in found.guards)
        self._overridable = tuple(
            Guard(g.name, g.passed, g.text) for g in found.guards if g.overridable and not g.passed
        )
        self._approval = found.approval
        self.changed()

    # Drawing

    def changed(self) -> None:
        if not self.is_attached or not self.query("#plan"):
            return
        look, plan = self.host.look, self._plan
        self.set_class(plan is not None and bool(plan.typed), "-typed")
        self.query_one("#typed", Field).placeholder = printable(plan.typed) if plan is not None else ""
        self.set_class(bool(self._overridable), "-override")
        self.query_one("#plan-where", FactList).show([self._where(look)])
        self.query_one("#plan-until", FactList).show([labelled("ends", self._until(look), look)])
        facts = self.query_one("#plan", FactList)
        width = facts.content_size.width or 68
        lines = self._lines(look, width, self._room())
        facts.styles.height = max(len(lines), 1)
        facts.show(lines)
        super().changed()

    @property
    def _plan(self) -> Plan | None:
        return None if self._action is None else self._action.plan

    def _room(self) -> int:
        """How many lines the plan may take."""
        height, compact = self.app.size.height, self.has_class("-compact")
        fields = len(self.spec.parameters) + 1
        fixed = (
            2 + fields + 1 + self.spec.expires + self.has_class("-typed") + self.has_class("-override") + 2
        )
        return min(height, _COMPACT_ROWS) - fixed if compact else height - 2 - fixed - 5

    def _where(self, look: Look) -> Line:
        link = self.host.feed.snapshot.link
        name = link.environment or "no environment"
        layers = ", ".join(self.spec.layers)
        where = (
            piece(name.upper(), look(environment_role(link.environment), bold=True)),
            piece(f"   {layers}" if layers else "", look("text")),
            piece(f"   as {link.user}", look("muted")),
        )
        return labelled("where", where, look)

    def _until(self, look: Look) -> Cells:
        plan, now = self._plan, self.host.feed.now()
        if plan is None:
            return cells(look.glyphs["ellipsis"], look("faint"))
        if plan.until is None:
            return cells("not by itself", look("muted"))
        day = "" if plan.until.date() == now.date() else f"{plan.until:%d %b} "
        return cells(f"{day}{fmt.clock(plan.until)} UTC by itself, if it began now", look("muted"))

    def _lines(self, look: Look, width: int, room: int) -> list[Line]:
        action, plan = self._action, self._plan
        if self._refusal:
            return self._failed(self._refusal, look, width)
        if action is not None and action.state not in _WAITING:
            tail = "" if action.words and action.state.final else "; 9 shows how it goes"
            return self._failed(f"{self._taken(action)}{tail}", look, width)
        if plan is not None:
            return plan_lines(self._view(plan), look, width, room)
        return self._unplanned(look)

    def _taken(self, action: Action) -> str:
        """Why nobody can confirm it here: whose it is already, or how it stands."""
        if self._told and not action.state.final:
            # How it stood when it was asked for is past.
            return self._told.rsplit(", ", 1)[0]
        return f"{action_state(action).word}: {action.words or 'somebody was quicker'}"

    def _view(self, plan: Plan) -> PlanView:
        approval = self._approval or plan.second_person
        if not approval and self.spec.second_person and not self._previewed:
            approval = "a second person is needed"
        link = self.host.feed.snapshot.link
        return PlanView(
            plan,
            (*plan.guards, *self._guards),
            approval,
            f"any commander but {link.user}" if approval else "",
            self._decided,
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
        if self._wish is None:
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
        return " ".join(filter(None, (self.spec.verb, printable(self.target, 20))))

    def busy_words(self) -> str:
        return "confirming"

    def problem(self) -> tuple[str, str | None]:
        text, field = self._missing()
        if text:
            return text, field
        if self._written() != self._wish:
            return "something else is written by now: enter in a field asks for its plan", None
        if self._refusal:
            return self._refusal, None
        action, snapshot = self._action, self.host.feed.snapshot
        if action is None or action.state is ActionState.PLANNING:
            if snapshot.agent.leader is None:
                return "no agent leads: nobody can plan it", None
            return "its plan is not there yet", None
        plan = action.plan
        if action.state is not ActionState.PLANNED or plan is None:
            return self._taken(action), None
        return self._open(action, plan)

    def possible(self) -> bool:
        if self._refusal:
            return False
        action = self._action
        if action is None or action.state is ActionState.PLANNING:
            return True
        if action.state is not ActionState.PLANNED or action.plan is None:
            return bool(self._busy)
        return not self._barred(action.plan)

    def _barred(self, plan: Plan) -> str:
        """The guard that failed and that this person can't override; "" for none."""
        overridable = {guard.text for guard in self._overridable}
        for guard in (*plan.guards, *self._guards):
            if not guard.passed and guard.text not in overridable:
                return guard.text or guard.name
        if overridable and self.host.feed.snapshot.link.role != "commander":
            return f"only a commander may override this: {'; '.join(sorted(overridable))}"
        return ""

    def _open(self, action: Action, plan: Plan) -> tuple[str, str | None]:
        """What is still missing for this plan."""
        if action.plan_expires_at is not None and action.plan_expires_at <= self.host.feed.now():
            return "the plan is too old: enter in a field asks for a new one", None
        if barred := self._barred(plan):
            return barred, None
        if plan.typed and self._value("typed") != plan.typed:
            return f"type {plan.typed} to confirm", "typed"
        for key, choice in zip(CHOICE_KEYS, plan.choices, strict=False):
            if choice.name not in self._decided:
                return f"decide first: {choice.title} ({key})", None
        if self._overridable and not self._value("override"):
            text = "; ".join(sorted({guard.text for guard in self._overridable}))
            return f"say why this is overridden: {text}", "override"
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
        plan = self._plan
        if plan is not None and place < len(plan.choices):
            choice = plan.choices[place]
            words = [word for word, _ in choice.options]
            now = self._decided.get(choice.name)
            self._decided[choice.name] = (
                words[(words.index(now) + 1) % len(words)] if now in words else words[0]
            )
            self.say("")
            self.changed()

    def action_copy(self) -> None:
        """The equal command line."""
        if self._plan is not None and self._plan.command:
            self.run_worker(self._copy(self._plan.command), exit_on_error=False)

    async def _copy(self, text: str) -> None:
        self.say(await copy(self.app, text), role="ok")

    def action_cancel(self) -> None:
        if not self._busy:
            self._withdraw()
        super().action_cancel()

    async def carry_out(self) -> Action:
        action = self._action
        if action is None:
            raise Misuse("its plan is not there yet")
        await self.host.feed.desk.confirm(
            action.id,
            plan_hash=action.plan_hash,
            typed=self._value("typed"),
            choices=self._decided,
            override=self._value("override") if self._overridable else "",
        )
        return action
