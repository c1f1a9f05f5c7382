"""Alerts, silences and histories with hostile text can't steer the terminal, crash a screen or shift its columns."""

import pytest
from rich.cells import cell_len
from textual import events
from textual.widgets import Input

from console.domain.errors import Refused
from screens.alert_detail import AlertDetail
from screens.alerts import AlertsScreen
from screens.silence_dialog import EndSilence, SilenceDialog
from tests.ui.drive import SIZES, QuietApp, rows, until
from tests.ui.fixtures import alerts
from tests.ui.test_hostile_text import CONTROL, HOSTILE, assert_clean
from widgets.live_table import LiveTable


def inside(app: QuietApp) -> list[str]:
    """The lines between the upright borders of the dialog in front."""
    lines = (line[line.index("┃") : line.rindex("┃") + 1] for line in rows(app) if line.count("┃") > 1)
    return list(lines)


@pytest.mark.parametrize("text", [HOSTILE[i] for i in (0, 1, 2, 4, 7)])
async def test_every_field_of_list_detail_and_dialogs(text: str) -> None:
    size = SIZES["120x40"]
    app = QuietApp(alerts.feed(alerts.hostile(text), **alerts.hostile_past(text)))
    async with app.run_test(size=size) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: isinstance(app.screen, AlertsScreen) and app.screen._reading)
        assert_clean(app, size)
        for kind, key in ((SilenceDialog, "z"), (EndSilence, "Z")):
            app.screen.query_one("#alerts", LiveTable).select("6" if key == "Z" else "1")
            await pilot.press(key)
            await until(pilot, lambda kind=kind: isinstance(app.screen, kind))
            # The edge of a dialog may cut through a joined emoji behind it: only its own lines are measured.
            assert not any(CONTROL.search(line) for line in rows(app))
            assert {cell_len(line) for line in inside(app)} == {78}
            await pilot.press("escape")
            await until(pilot, lambda: isinstance(app.screen, AlertsScreen))
        app.screen.query_one("#alerts", LiveTable).select("1")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, AlertDetail) and app.screen._reading)
        assert_clean(app, size)


@pytest.mark.parametrize("text", HOSTILE[:1])
@pytest.mark.parametrize("size", ["80x24", "160x50"])
async def test_other_sizes_and_a_refusal(text: str, size: str) -> None:
    app = QuietApp(alerts.feed(alerts.hostile(text), desk=alerts.Clerk(Refused(text))))
    async with app.run_test(size=SIZES[size]) as pilot:
        await pilot.press("4", "a")
        await until(pilot, lambda: app.screen.query_one("#answer").display)
        assert_clean(app, SIZES[size])


async def test_what_is_pasted_into_a_dialog_is_made_visible() -> None:
    app = QuietApp(alerts.feed(alerts.live()))
    async with app.run_test(size=SIZES["80x24"]) as pilot:
        await pilot.press("4", "z", "r")
        field = app.screen.query_one("#reason")
        field.insert_text_at_cursor("a\x1b]52;c;x\x07b")  # type: ignore[attr-defined]
        await until(pilot, lambda: field.value == "a␛]52;c;x␇b")  # type: ignore[attr-defined]
        assert_clean(app, SIZES["80x24"])
        app.post_message(events.Paste("\x1b]52;c;x\x07\u202e"))
        await until(pilot, lambda: field.value == "a␛]52;c;x␇b␛]52;c;x␇\ufffd")  # type: ignore[attr-defined]
        await pilot.pause()
        assert_clean(app, SIZES["80x24"])


async def test_what_is_pasted_into_the_filter_is_made_visible() -> None:
    app = QuietApp(alerts.feed(alerts.live()))
    async with app.run_test(size=SIZES["80x24"]) as pilot:
        await pilot.press("4", "slash")
        field = app.screen.query_one(Input)
        await until(pilot, lambda: field.has_focus)
        app.post_message(events.Paste("a\x1b]52;c;x\x07\u202eb"))
        await until(pilot, lambda: field.value == "a␛]52;c;x␇\ufffdb", "the paste")
        await pilot.pause()
        assert_clean(app, SIZES["80x24"])
