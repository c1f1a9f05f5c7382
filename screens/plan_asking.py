"""A plan that is asked for, given up for another, and followed until somebody confirms it. It draws nothing."""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any

from console.domain import asking
from console.domain.action import Action, ActionState, Guard, KindSpec, Plan
from console.domain.errors import TradexError
from console.feed import Feed
from widgets.action_states import action_state

UNCONFIRMED = (ActionState.PLANNING, ActionState.PLANNED)
"""Nobody has confirmed it yet."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for."""

    params: tuple[tuple[str, str], ...]
    reason: str


class Asking:
    """One wish at a time. `run` starts what takes time, and must let it end whoever leaves: a request is withdrawn by
    its answer. `changed` is called when there is something new to show.

    `told` says whose action it is where somebody else asked for the same before, `refusal` why the store took no
    request. `guards` are the store's; `overridable` the words of those that failed and that a commander may override;
    `approval` why it wants a second person ("" when not), None until it has said so; `decided` holds the choices that
    were made for this plan.
    """

    def __init__(
        self,
        feed: Feed,
        spec: KindSpec,
        *,
        cause: str,
        undo_of: int | None,
        run: Callable[[Coroutine[Any, Any, None]], object],
        changed: Callable[[], None],
    ) -> None:
        self._feed, self._spec, self._cause, self._undo_of = feed, spec, cause, undo_of
        self._run, self._changed = run, changed
        # A wish can come back while the request for it from before is on its way: only the number tells them apart.
        self._turn = 0
        self._asked_again = False
        self.wish: Wish | None = None
        self._clear()

    def _clear(self) -> None:
        self.number: int | None = None
        self.action: Action | None = None
        self.told = self.refusal = ""
        self.guards: tuple[Guard, ...] = ()
        self.overridable: Sequence[str] = ()
        self.approval: str | None = None
        self.decided: dict[str, str] = {}
        self._previewed: tuple[object, ...] | None = None

    @property
    def plan(self) -> Plan | None:
        return None if self.action is None else self.action.plan

    @property
    def late(self) -> bool:
        """Whether the plan is too old to be confirmed."""
        ends = None if self.action is None else self.action.plan_expires_at
        return ends is not None and ends <= self._feed.now()

    @property
    def _over(self) -> bool:
        """Whether what was asked for can't be confirmed any more."""
        if self.action is None:
            return bool(self.refusal)
        return self.action.state.final or (self.action.state is ActionState.PLANNED and self.late)

    # Asking

    def ask(self, wish: Wish) -> None:
        """Ask for the plan of a wish, and withdraw the one before; nothing is asked where it is the same."""
        if wish != self.wish or self._over:
            self._asked_again = False
            self._ask(wish)

    def _ask(self, wish: Wish) -> None:
        self.withdraw()
        self.wish = wish
        self._run(self._request(wish, self._turn))
        self._changed()

    def join(self, planned: Action, wish: Wish | None) -> None:
        """Follow one that waits for somebody to confirm it: it is another's, and not withdrawn."""
        self.number, self.action, self.wish = planned.id, planned, wish
        self.told = f"{planned.requested_by} asked for it"

    def withdraw(self) -> None:
        """Give up what was asked for; it ends unless somebody else asked for it, or has confirmed it."""
        unconfirmed = self.action is None or self.action.state in UNCONFIRMED
        if self.number is not None and not self.told and unconfirmed:
            self._run(self._cancel(self.number))
        self.leave()
        self.wish = None
        self._clear()

    def leave(self) -> None:
        """No answer is waited for any more."""
        self._turn += 1

    async def _cancel(self, action_id: int) -> None:
        try:
            await self._feed.desk.withdraw(action_id, "withdrawn before it was confirmed")
        except TradexError:
            # A plan that nobody confirms ends by itself.
            return

    async def _request(self, wish: Wish, turn: int) -> None:
        spec, params = self._spec, dict(wish.params)
        try:
            asked = await self._feed.desk.request(
                spec.name,
                asking.target(spec, params),
                params,
                reason=wish.reason,
                cause=self._cause,
                undo_of=self._undo_of,
            )
        except TradexError as error:
            if turn == self._turn:
                self.refusal = str(error)
                self._changed()
            return
        if turn == self._turn:
            self.number, self.told = asked.id, asked.told
            self.follow()
        elif not asked.told:
            # Whoever asked has left, or wants something else by now.
            await self._cancel(asked.id)

    # Following

    def follow(self) -> None:
        """Look how it stands by now."""
        snapshot = self._feed.snapshot
        if self.number is not None:
            self.action = snapshot.action(self.number) or self.action
        action = self.action
        if (
            action is not None
            and action.state is ActionState.CANCELLED
            and self.told
            and not self._asked_again
        ):
            # What this was joined to has just been withdrawn; once, so that two don't ask in turns for ever.
            self._asked_again = True
            if self.wish is not None:
                self._ask(self.wish)
                return
        if action is not None and action.state is ActionState.PLANNED:
            key = (action.id, action.plan_hash, snapshot.freezes, snapshot.glass)
            if key != self._previewed:
                self._previewed = key
                self._run(self._preview(action.id, key))
        self._changed()

    async def _preview(self, action_id: int, key: tuple[object, ...]) -> None:
        try:
            found = await self._feed.desk.preview(action_id)
        except TradexError:
            # The store decides when it is confirmed; until then nothing is promised.
            if key == self._previewed:
                self._previewed = None
            return
        if key != self._previewed:
            return
        self.guards = tuple(Guard(g.name, g.passed, g.text) for g in found.guards)
        self.overridable = sorted({g.text for g in found.guards if g.overridable and not g.passed})
        self.approval = found.approval
        self._changed()

    # What it means

    @property
    def overrides(self) -> bool:
        """Whether this person may override what can be."""
        return self._feed.snapshot.link.role == "commander"

    def told_guards(self) -> tuple[Guard, ...]:
        """The store's; whoever can't override one is told who may."""
        tail = "" if self.overrides else "; a commander may override it"
        return tuple(replace(g, text=g.text + tail) if g.text in self.overridable else g for g in self.guards)

    def taken(self, action: Action) -> str:
        """Why nobody can confirm it here: whose it is already, or how it stands."""
        if self.told and not action.state.final:
            # How it stood when it was asked for is past.
            return self.told.rsplit(", ", 1)[0]
        return f"{action_state(action).word}: {action.words or 'somebody was quicker'}"

    def barred(self, plan: Plan) -> str:
        """The guard that failed and that this person can't override; "" for none."""
        for guard in (*plan.guards, *self.guards):
            if not guard.passed and guard.text not in self.overridable:
                return guard.text or guard.name
        if self.overridable and not self.overrides:
            return f"only a commander may override this: {'; '.join(self.overridable)}"
        return ""
