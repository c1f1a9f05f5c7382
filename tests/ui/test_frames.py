"""What comes in one frame, and what starting does once."""

from tests.ui.drive import SIZES, AlertsApp, app_of, shown, until
from tests.ui.fixtures import alerts, story
from themes.stylesheet import ParsedOnce
from widgets.fact_list import FactList
from widgets.mark_table import MarkTable


async def test_what_follows_the_cursor_is_drawn_with_it_and_not_a_frame_later() -> None:
    app = AlertsApp(alerts.feed(alerts.live()))
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await until(pilot, lambda: "Price Feed Slow" in shown(app) and app.screen.focused)
        table = app.screen.query_one("#alerts", MarkTable)
        words = app.screen.query_one("#alert-words", FactList)
        first = [words.render_line(y).text for y in range(words.size.height)]
        table.select(table.keys[1])
        # Nothing has been awaited since: no frame could be drawn in between.
        assert [words.render_line(y).text for y in range(words.size.height)] != first


def test_styles_are_parsed_again_only_when_something_has_changed() -> None:
    sheet = ParsedOnce(variables={"role": "red"})
    sheet.add_source("Label { color: $role; }", read_from=("styles", ""))
    before = sheet.rules
    sheet.set_variables({"role": "red"})
    sheet.reparse()
    assert sheet.rules is before
    sheet.set_variables({"role": "blue"})
    sheet.reparse()
    assert sheet.rules is not before
    assert (before[0].styles.color.hex, sheet.rules[0].styles.color.hex) == ("#FF0000", "#0000FF")
    sheet.add_source("Input { color: $role; }", read_from=("more", ""))
    sheet.reparse()
    assert len(sheet.rules) == 2


async def test_the_component_close_up_comes_when_there_is_room_for_it() -> None:
    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await until(pilot, lambda: "execute-order" in shown(app))
        assert not app.screen.query("#component")
        await pilot.resize_terminal(*SIZES["160x50"])
        await until(pilot, lambda: "last hour" in shown(app) and "checked" in shown(app))
        assert len(app.screen.query("#component")) == 1
