"""How an action is asked for from a screen: whether it may be, what it is filled in with, what is said afterwards."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial

from console.domain import asking
from console.domain.action import Action, Effect, KindSpec
from console.domain.errors import TradexError
from console.domain.snapshot import Snapshot
from screens.action_rows import named, shown_on
from screens.aim import Aim
from screens.base import ConsoleScreen

_MAINTENANCE = ("maintenance_on", "maintenance_off")


def why_not(snapshot: Snapshot, kind: str) -> str:
    """Why nobody can ask for an action of this kind here; "" when it can be asked for. That no agent leads is no
    reason: the dialog says so, and waits for one."""
    spec = snapshot.kind(kind)
    what = snapshot.command_of(kind) if spec is None else spec.title
    if reason := snapshot.link.why_not():
        return reason
    if not snapshot.control:
        return f"{what}: the catalogue of actions is being read"
    if spec is None:
        return f"{what}: " + (
            "the agent's catalogue has no such action"
            if snapshot.kinds
            else "no agent has said yet which actions there are"
        )
    return f"{what} can't be done here: {spec.unavailable}" if spec.unavailable else ""


def begin(
    screen: ConsoleScreen,
    kind: str,
    aim: Aim,
    given: Mapping[str, str] | None = None,
    *,
    then: Callable[[Action], None] | None = None,
) -> None:
    """Ask for an action about what `aim` holds, with the parameters that are `given`; `then` is told once it was
    confirmed."""
    if reason := why_not(screen.snapshot, kind):
        screen.say(reason, role="warn", glyph="warn")
        return
    spec = screen.snapshot.kind(kind)
    if spec is not None:
        values = {"network": aim.address, "account": aim.user}
        params = {p.name: values[p.type] for p in spec.parameters if values.get(p.type)} | dict(given or {})
        # What is known of another thing than the target is no reason for this; a step's is its incident.
        filled = bool(params) or not spec.target or then is not None
        reason, cause = (aim.reason, aim.cause) if filled else ("", "")
        ask(screen, spec, params, reason=reason, cause=cause, then=then)


def begin_maintenance(screen: ConsoleScreen) -> None:
    """Begin it, or end it where it is in force."""
    on, off = _MAINTENANCE
    effect = next((e for e in screen.snapshot.effects if e.kind == on and e.lifted_at is None), None)
    if effect is None:
        begin(screen, on, Aim())
    elif screen.snapshot.kind(on) is None:
        begin(screen, off, Aim())
    else:
        lift(screen, effect)


def lift(screen: ConsoleScreen, effect: Effect) -> None:
    """Take back what is in force."""
    snapshot = screen.snapshot
    spec = snapshot.kind(effect.kind)
    if effect.lifted_at is not None:
        screen.say(f"{effect.target or effect.kind} is not in force any more")
    elif spec is None or not spec.undo:
        screen.say(f"{effect.kind} can't be taken back by another action", role="warn", glyph="warn")
    elif reason := why_not(snapshot, spec.undo):
        screen.say(reason, role="warn", glyph="warn")
    else:
        back = snapshot.kind(spec.undo)
        action = snapshot.action(effect.action_id)
        params: dict[str, str] = {}
        if action is not None:
            with suppress(TradexError):
                _, params = asking.undoing(action, {kind.name: kind for kind in snapshot.kinds})
        if back is not None:
            if back.target and not params:
                params = {back.target: effect.target}
            ask(screen, back, params, cause=f"action {effect.action_id}", undo_of=effect.action_id)


def undo(screen: ConsoleScreen, action: Action) -> None:
    """Take back what an action did."""
    snapshot = screen.snapshot
    try:
        back, params = asking.undoing(action, {kind.name: kind for kind in snapshot.kinds})
    except TradexError as error:
        screen.say(str(error), role="warn", glyph="warn")
        return
    if reason := why_not(snapshot, back.name):
        screen.say(reason, role="warn", glyph="warn")
    else:
        ask(screen, back, params, cause=f"action {action.id}", undo_of=action.id)


def confirm(screen: ConsoleScreen, action: Action) -> None:
    """Show the plan of an action that waits for somebody to confirm it."""
    spec = screen.snapshot.kind(action.kind)
    reason = why_not(screen.snapshot, action.kind)
    if spec is None or reason:
        screen.say(reason, role="warn", glyph="warn")
        return
    ask(screen, spec, action.params, reason=action.reason, planned=action)


def commands(screen: ConsoleScreen) -> Iterator[tuple[str, str, Callable[[], None]]]:
    """What the palette offers: title, help and call for every kind that can be asked for here."""
    for spec in screen.snapshot.kinds:
        if not spec.unavailable:
            text = f"asks for a plan first (tradex {spec.command})"
            yield spec.title, text, partial(begin, screen, spec.name, Aim())
    from screens.while_dialogs import break_glass, freeze

    now, link = screen.now, screen.snapshot.link
    commands = link.role == "commander"
    if commands:
        yield "Freeze changes", "let nothing that minds it be done for a while", partial(freeze, screen)
    if commands or link.role == "responder":
        yield "Break the glass", "do without a second person for a while", partial(break_glass, screen)
    for window in (f for f in screen.snapshot.freezes if f.ends_at > now and commands):
        title = f"End the freeze of {window.author}: {window.reason}"
        call = partial(tell, screen, partial(screen.feed.desk.end_freeze, window.id), "the freeze is over")
        yield title, "let changes be made again", call
    for author in dict.fromkeys(glass.author for glass in screen.snapshot.glass if glass.ends_at > now):
        if author == link.user or commands:
            mend = partial(screen.feed.desk.mend_glass, author)
            title = "Mend the glass" if author == link.user else f"Mend the glass of {author}"
            call = partial(tell, screen, mend, "the glass is whole again")
            yield title, "a second person is needed again", call


def tell(screen: ConsoleScreen, call: Callable[[], Awaitable[None]], words: str) -> None:
    """Ask the store for something that needs no more words, and say what it answers."""

    async def tell() -> None:
        try:
            await call()
        except TradexError as error:
            said, role = str(error), "warn"
        else:
            said, role = words, "ok"
        if screen.is_attached:
            screen.say(said, role=role, glyph="done" if role == "ok" else "warn")

    screen.app.run_worker(tell(), group="desk", exit_on_error=False)


def ask(
    screen: ConsoleScreen,
    spec: KindSpec,
    params: Mapping[str, str],
    *,
    reason: str = "",
    cause: str = "",
    undo_of: int | None = None,
    planned: Action | None = None,
    then: Callable[[Action], None] | None = None,
) -> None:
    """Open the dialog that shows the plan (that of `planned`, a proposal, where there is one); afterwards it is said
    what became of it, and `then` is told."""
    from screens.plan_dialog import PlanDialog

    dialog = PlanDialog(spec, params, reason=reason, cause=cause, undo_of=undo_of, planned=planned)
    screen.app.push_screen(dialog, partial(_said, screen, then))


def _said(screen: ConsoleScreen, then: Callable[[Action], None] | None, action: Action | None) -> None:
    if action is not None and then is not None:
        then(action)
    if action is None or not screen.is_attached:
        return
    what = f"action {action.id}, {named(action, screen.snapshot)}"
    screen.host.confirmed = action.id
    now = screen.snapshot.action(action.id)
    if now is not None and now.waits_for_approval:
        screen.say(f"{what}: waits for a second person", role="pending", glyph="pending")
    else:
        screen.say(f"{what}: confirmed; {shown_on(action.kind)} shows how it goes", role="ok", glyph="done")
