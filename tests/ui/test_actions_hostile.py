"""Actions, findings, plans and audit with hostile text can neither steer the terminal nor break a screen."""

import pytest
from rich.cells import cell_len

from console.domain.errors import Refused
from screens.action_deciding import ApproveDialog, ChooseDialog
from screens.action_detail import ActionDetail
from screens.actions import ActionsScreen
from screens.audit_detail import AuditDetail
from screens.plan_dialog import PlanDialog
from screens.security import SecurityScreen
from tests.ui.drive import SIZES, QuietApp, rows, until
from tests.ui.fixtures import actions
from tests.ui.fixtures.actions import ActionClerk
from tests.ui.test_alerts_hostile import inside
from tests.ui.test_hostile_text import CONTROL, HOSTILE, assert_clean
from widgets.live_table import LiveTable


def assert_clean_dialog(app: QuietApp) -> None:
    """The edge of a dialog may cut through a joined emoji behind it: only its own lines are measured."""
    assert not any(CONTROL.search(line) for line in rows(app))
    assert {cell_len(line) for line in inside(app)} == {78}


@pytest.mark.parametrize("text", [HOSTILE[i] for i in (0, 1, 2, 3, 4, 7, 8)])
async def test_every_field_of_both_screens_their_details_and_dialogs(text: str) -> None:
    size = SIZES["120x40"]
    snapshot = actions.as_person(actions.hostile(text), "bob", "commander")
    app = QuietApp(actions.feed(snapshot, **actions.hostile_past(text)))
    async with app.run_test(size=size) as pilot:
        await pilot.press("8")
        await until(pilot, lambda: isinstance(app.screen, SecurityScreen) and app.screen._changes)
        for _ in range(3):
            assert_clean(app, size)
            await pilot.press("v")
            await pilot.pause()
        await pilot.press("9")
        await until(pilot, lambda: isinstance(app.screen, ActionsScreen) and app.screen.focused)
        assert_clean(app, size)
        table = app.screen.query_one("#actions", LiveTable)
        for number, key, kind in ((11, "A", ApproveDialog), (10, "C", ChooseDialog), (9, "A", PlanDialog)):
            table.select(str(number))
            await pilot.pause()
            assert_clean(app, size)
            await pilot.press(key)
            await until(pilot, lambda kind=kind: isinstance(app.screen, kind))
            await pilot.pause()
            assert_clean_dialog(app)
            await pilot.press("escape")
            await until(pilot, lambda: isinstance(app.screen, ActionsScreen))
        table.select("12")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ActionDetail) and app.screen._lines)
        for _ in range(4):
            assert_clean(app, size)
            await pilot.press("v")
            await pilot.pause()
        await pilot.press("escape", "v")
        await until(pilot, lambda: app.screen.query_one("#audit", LiveTable).keys)
        assert_clean(app, size)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, AuditDetail))
        assert_clean(app, size)


@pytest.mark.parametrize("text", HOSTILE[:1])
@pytest.mark.parametrize("size", ["80x24", "160x50"])
async def test_other_sizes_and_a_refusal(text: str, size: str) -> None:
    app = QuietApp(actions.feed(actions.hostile(text), desk=ActionClerk(error=Refused(text))))
    async with app.run_test(size=SIZES[size]) as pilot:
        await pilot.press("8", "B")
        await until(pilot, lambda: isinstance(app.screen, PlanDialog) and app.screen.asking.refusal)
        await pilot.pause()
        assert_clean_dialog(app)
