"""Pictures of Actions, Security and their dialogs in every state. Each was looked at before it was accepted."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from textual.pilot import Pilot

from console.domain.action import ActionState
from console.domain.snapshot import MOST_ENDED, AgentState, Snapshot
from screens.action_detail import ActionDetail
from screens.actions import ActionsScreen
from screens.plan_dialog import PlanDialog
from screens.security import SecurityScreen
from tests.ui.drive import SIZES, QuietApp, until
from tests.ui.fixtures import actions
from tests.ui.fixtures.actions import ATTACKER, BLOCK_PLAN, FROZEN, SUSPEND_PLAN, ActionClerk
from tests.ui.fixtures.story import NOW

SETTLED = Callable[[Pilot[None]], object]


class ActionsApp(QuietApp):
    DEFAULT_MODE = "actions"


class SecurityApp(QuietApp):
    DEFAULT_MODE = "security"


def settled(*pressed: str, then: Callable[[QuietApp], object] | None = None) -> SETTLED:
    """Press, wait until what is read is drawn; then do something and wait again."""

    async def settle(pilot: Pilot[None]) -> None:
        app = pilot.app
        assert isinstance(app, QuietApp)
        for key in ("", *pressed):
            if key:
                await pilot.press(key)
            await until(pilot, lambda: _read(app), "the reading")
        dialog = app.screen
        if then is not None and isinstance(dialog, PlanDialog):
            await until(pilot, lambda: dialog.asking.number == 40, "the request's answer")
            then(app)
            await until(pilot, lambda: _told(dialog), "the plan")
        await pilot.wait_for_scheduled_animations()
        await pilot.pause()

    return settle


def _read(app: QuietApp) -> bool:
    screen = app.screen
    if isinstance(screen, SecurityScreen):
        return not screen._past.is_other
    if isinstance(screen, ActionsScreen):
        return not screen._course.is_other
    if isinstance(screen, ActionDetail):
        wanted = [screen._course, screen._written, *([screen._audited] if screen._view == "audit" else [])]
        return all(reading.known for reading in wanted)
    return True


def _told(dialog: PlanDialog) -> bool:
    """What became of the request is there, with the store's guards."""
    return dialog.action is not None and (bool(dialog.asking.guards) or dialog.action.state.final)


def maintenance() -> Snapshot:
    """The platform's users are refused; the list holds all that it can."""
    base = actions.live()
    on = replace(
        actions.EFFECTS[0], id=50, kind="maintenance_on", target="", since=NOW - timedelta(minutes=12)
    )
    tight = replace(on, id=51, kind="security_protocols_on")
    old = [replace(actions.ENDED[2], id=-i, ended_at=NOW - timedelta(hours=5)) for i in range(MOST_ENDED)]
    return replace(base, effects=(on, tight, *base.effects), actions=(*base.actions, *old))


STATES: dict[str, Callable[[], Snapshot]] = {
    "live": actions.live,
    "nothing": actions.nothing,
    "stale": actions.stale,
    "emergency": actions.emergency,
    "maintenance": maintenance,
    "hostile": actions.hostile,
}


@pytest.mark.parametrize("size", ["80x24", "120x40"])
@pytest.mark.parametrize("state", STATES)
def test_actions(snap_compare: Callable[..., bool], state: str, size: str) -> None:
    app = ActionsApp(actions.feed(STATES[state]()))
    assert snap_compare(app, run_before=settled(), terminal_size=SIZES[size])


@pytest.mark.parametrize("size", ["80x24", "120x40"])
@pytest.mark.parametrize("state", ["live", "nothing", "stale", "hostile"])
def test_security(snap_compare: Callable[..., bool], state: str, size: str) -> None:
    app = SecurityApp(actions.feed(STATES[state]()))
    assert snap_compare(app, run_before=settled(), terminal_size=SIZES[size])


def test_wide(snap_compare: Callable[..., bool]) -> None:
    app = SecurityApp(actions.feed(actions.live()))
    assert snap_compare(app, run_before=settled(), terminal_size=SIZES["160x50"])


@pytest.mark.parametrize(("theme", "ascii"), [("light", False), ("16-colours", True)])
def test_theme(snap_compare: Callable[..., bool], theme: str, ascii: bool) -> None:
    app = SecurityApp(actions.feed(actions.live()), theme=theme, ascii=ascii)
    assert snap_compare(app, run_before=settled(), terminal_size=SIZES["120x40"])


VIEWS: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "running": (["down", "down", "down", "enter"], ["80x24", "120x40"]),
    "interrupted": (["down", "enter"], ["120x40"]),
    "audit": (["v"], ["80x24", "120x40"]),
    "filter": (["slash", *"!done"], ["80x24"]),
    "approve": (["A"], ["80x24", "120x40"]),
    "choose": (["down", "C", "2"], ["80x24"]),
    "end": (["down", "down", "down", "X"], ["80x24"]),
}


@pytest.mark.parametrize(("view", "size"), [(view, size) for view in VIEWS for size in VIEWS[view][1]])
def test_view(snap_compare: Callable[..., bool], view: str, size: str) -> None:
    app = ActionsApp(actions.feed(actions.as_person(actions.live(), "bob", "commander")))
    assert snap_compare(app, run_before=settled(*VIEWS[view][0]), terminal_size=SIZES[size])


def block(app: QuietApp) -> None:
    app.static.publish(actions.planned(app.static.snapshot, 40, BLOCK_PLAN))


def suspend(app: QuietApp) -> None:
    plan = actions.planned(
        app.static.snapshot, 40, SUSPEND_PLAN, kind="suspend_account", target=actions.AFFECTED
    )
    app.static.publish(plan)


def refused(app: QuietApp) -> None:
    words = f"{ATTACKER} is on the allow list (partner gateway)"
    more = {"state": ActionState.REFUSED, "words": words, "ended_at": NOW}
    app.static.publish(actions.planned(app.static.snapshot, 40, BLOCK_PLAN, **more))


def clerk(**more: Any) -> ActionClerk:
    made = ActionClerk()
    for name, value in more.items():
        setattr(made, name, value)
    return made


DIALOGS: dict[str, tuple[str, Callable[[QuietApp], object] | None, dict[str, Any]]] = {
    "planning": ("B", None, {}),
    "block": ("B", block, {}),
    "suspend": ("S", suspend, {}),
    "refused": ("B", refused, {}),
    "frozen-and-two-people": ("B", block, {"guards": (FROZEN,), "approval": "wider than /24"}),
    "form": ("M", None, {}),
}


@pytest.mark.parametrize("size", ["80x24", "120x40"])
@pytest.mark.parametrize("name", DIALOGS)
def test_dialog(snap_compare: Callable[..., bool], name: str, size: str) -> None:
    key, then, more = DIALOGS[name]
    app = SecurityApp(actions.feed(actions.live(), desk=clerk(**more)))
    assert snap_compare(app, run_before=settled(key, then=then), terminal_size=SIZES[size])


def test_dialog_without_an_agent(snap_compare: Callable[..., bool]) -> None:
    gone = replace(actions.live(), agent=AgentState(None, 41, NOW, 5.0))
    app = SecurityApp(actions.feed(gone))
    assert snap_compare(app, run_before=settled("B"), terminal_size=SIZES["80x24"])


def test_dialog_with_16_colours(snap_compare: Callable[..., bool]) -> None:
    app = SecurityApp(actions.feed(actions.live()), theme="16-colours", ascii=True)
    assert snap_compare(app, run_before=settled("B", then=block), terminal_size=SIZES["80x24"])


def test_dismiss(snap_compare: Callable[..., bool]) -> None:
    app = SecurityApp(actions.feed(actions.live()))
    assert snap_compare(app, run_before=settled("x"), terminal_size=SIZES["80x24"])
