"""Keys of Alerts: what they do, and what is said when they can't."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from textual.widgets import Input

from console.domain.alert import Alert, Phase
from console.domain.errors import Refused, StoreAway, TradexError
from console.domain.snapshot import Snapshot
from screens.alert_detail import AlertDetail
from screens.alerts import AlertsScreen
from screens.silence_dialog import EndSilence, SilenceDialog
from tests.ui import drive
from tests.ui.drive import SIZES, AlertsApp, rows, shown, until
from tests.ui.fixtures import alerts
from tests.ui.fixtures.alerts import Clerk
from tests.ui.fixtures.story import NOW
from widgets.dialog import Buttons
from widgets.field import Field
from widgets.live_table import LiveTable
from widgets.mark_table import MarkTable


class Seen(drive.Seen[Clerk]):
    """A running app on Alerts, its desk, and its list."""

    @property
    def table(self) -> MarkTable:
        return self.app.screen_stack[0].query_one("#alerts", MarkTable)

    @property
    def screen(self) -> AlertsScreen:
        assert isinstance(self.app.screen, AlertsScreen)
        return self.app.screen

    def row(self, name: str) -> str:
        """The list's line that holds `name`; what stands beside it does not count."""
        width = self.table.outer_size.width
        return next((line[:width] for line in rows(self.app) if name in line[:width]), "")


@asynccontextmanager
async def opened(
    snapshot: Snapshot | None = None, *, size: str = "120x40", clerk: Clerk | None = None
) -> AsyncIterator[Seen]:
    clerk = clerk or Clerk()
    app = AlertsApp(alerts.feed(snapshot or alerts.live(), desk=clerk))
    async with app.run_test(size=SIZES[size]) as pilot:
        await until(pilot, lambda: isinstance(app.screen, AlertsScreen) and app.screen.focused)
        yield Seen(app, pilot, clerk)


# Acknowledging


async def test_a_acknowledges_the_selected_alert_and_the_row_says_so_until_the_store_does() -> None:
    async with opened(clerk=Clerk(wait=asyncio.Event())) as seen:
        await seen.press("a")
        await seen.until(lambda: "acknowledging" in seen.row("CRIT"))
        assert seen.clerk.asked == [("acknowledge", (1,))]
        assert seen.clerk.wait is not None
        seen.clerk.wait.set()
        seen.app.static.publish(alerts.acknowledged(alerts.live(), 1))
        await seen.until(lambda: "ops_rw, 03:12" in seen.row("Price Feed Slow"))
        assert "acknowledging" not in shown(seen.app)


async def test_marked_alerts_are_acknowledged_at_once_and_the_marks_go() -> None:
    async with opened() as seen:
        await seen.press("space", "space")
        assert seen.table.marked == ["1", "2"]
        await seen.until(lambda: "2 marked" in shown(seen.app))
        await seen.press("a")
        await seen.until(lambda: seen.clerk.asked)
        assert seen.clerk.asked == [("acknowledge", (1, 2))]
        assert seen.table.marked == []


async def test_a_mark_goes_with_its_row() -> None:
    async with opened() as seen:
        everything = seen.table.keys
        await seen.press("space")
        assert seen.table.marked == ["1"]
        await seen.press("slash", *"capacity")
        await seen.until(lambda: seen.table.keys == ["5"])
        await seen.press("escape")
        await seen.until(lambda: seen.table.keys == everything)
        assert seen.table.marked == [], "it does not come back with the row"
        await seen.press("home", "space", "slash", *"capacity")
        await seen.until(lambda: seen.table.keys == ["5"])
        await seen.press("enter", "a")
        await seen.until(lambda: seen.clerk.asked)
        assert seen.clerk.asked == [("acknowledge", (5,))]


def resolved(*ids: int) -> Snapshot:
    """The moment after these were over."""
    base = alerts.live()
    after = (
        replace(a, phase=Phase.RESOLVED, resolved_at=NOW, resolution="over") if a.id in ids else a
        for a in base.alerts
    )
    return alerts.of(base, *after, silences=base.silences)


@pytest.mark.parametrize("key", ["a", "u", "z", "Z"])
async def test_a_key_that_was_meant_for_a_row_that_has_gone_asks_nothing_of_the_next(key: str) -> None:
    base, after = alerts.live(), resolved(1)
    if key == "u":
        base, after = (alerts.acknowledged(s, 2, 3) for s in (base, after))
    elif key == "Z":
        base, after = (
            alerts.of(s, *(replace(a, silence=8) for a in s.alerts), silences=s.silences)
            for s in (base, after)
        )
    async with opened(base, size="80x24") as seen:
        seen.app.static.publish(after)
        await seen.until(lambda: seen.table.selected != "1")
        selected = next(a for a in after.alerts if str(a.id) == seen.table.selected)
        await seen.press(key)
        await seen.until(lambda: "Price Feed Slow has left the list; press again for" in shown(seen.app))
        assert seen.clerk.asked == [] and isinstance(seen.app.screen, AlertsScreen)
        await seen.press(key)
        if key in "au":
            word = {"a": "acknowledge", "u": "unacknowledge"}[key]
            await seen.until(lambda: seen.clerk.asked == [(word, (selected.id,))])
        else:
            kind = SilenceDialog if key == "z" else EndSilence
            await seen.until(lambda: isinstance(seen.app.screen, kind))


async def test_whoever_moves_the_cursor_means_the_row_that_it_is_on() -> None:
    async with opened(size="80x24") as seen:
        seen.app.static.publish(resolved(1))
        await seen.until(lambda: seen.table.selected == "2")
        await seen.press("down", "up", "a")
        await seen.until(lambda: seen.clerk.asked == [("acknowledge", (2,))])
        seen.table.select("3")
        await seen.press("slash", *"collection")
        await seen.until(lambda: seen.table.keys == ["2"])
        await seen.press("enter", "u")
        await seen.until(lambda: "nobody has acknowledged this" in shown(seen.app))


async def test_when_all_marked_rows_have_gone_a_key_asks_nothing_of_the_one_under_the_cursor() -> None:
    async with opened(size="80x24") as seen:
        await seen.press("space", "space")
        assert seen.table.marked == ["1", "2"] and seen.table.selected == "3"
        seen.app.static.publish(resolved(1))
        await seen.until(lambda: seen.table.marked == ["2"])
        seen.app.static.publish(resolved(1, 2))
        await seen.until(lambda: seen.table.marked == [])
        await seen.press("a")
        await seen.until(lambda: "has left the list; press again for probe" in shown(seen.app))
        assert seen.clerk.asked == []


async def test_marks_stay_when_nothing_was_asked() -> None:
    async with opened() as seen:
        seen.table.select("4")
        await seen.press("space", "a")
        await seen.until(lambda: "nora.k is on it already" in shown(seen.app))
        assert seen.table.marked == ["4"]
        await seen.press("u")
        await seen.until(lambda: seen.clerk.asked == [("unacknowledge", (4,))])
        assert seen.table.marked == []


async def test_leaving_cuts_no_acknowledgement_off_and_a_refusal_is_said_where_one_is_then() -> None:
    clerk = Clerk(Refused("viewers may not acknowledge"), wait=asyncio.Event())
    async with opened(clerk=clerk) as seen:
        await seen.press("enter")
        await seen.until(lambda: isinstance(seen.app.screen, AlertDetail))
        await seen.press("a")
        await seen.until(lambda: clerk.asked)
        await seen.press("escape")
        await seen.until(lambda: isinstance(seen.app.screen, AlertsScreen))
        await seen.pilot.pause()
        assert clerk.wait is not None
        clerk.wait.set()
        await seen.until(lambda: clerk.answered == [("acknowledge", (1,))])
        await seen.until(lambda: "viewers may not acknowledge" in shown(seen.app))


async def test_words_are_said_for_as_long_as_the_last_of_them_need() -> None:
    class Clock:
        stopped = False

        def stop(self) -> None:
            self.stopped = True

    async with opened() as seen:
        begun: list[tuple[Clock, Callable[[], None]]] = []
        set_timer = seen.screen.set_timer

        def spy(delay: float, callback: Callable[[], None]) -> Clock:
            begun.append((Clock(), callback))
            return begun[-1][0]

        seen.screen.set_timer = spy  # type: ignore[method-assign, assignment]
        seen.screen.say("the same words")
        seen.screen.say("the same words")
        seen.screen.set_timer = set_timer  # type: ignore[method-assign]
        assert [clock.stopped for clock, _ in begun] == [True, False]
        await seen.until(lambda: "the same words" in shown(seen.app))
        begun[1][1]()
        await seen.until(lambda: "the same words" not in shown(seen.app))


async def test_space_again_takes_the_mark_away_and_escape_takes_all() -> None:
    async with opened() as seen:
        await seen.press("space", "up", "space")
        assert seen.table.marked == []
        await seen.press("space", "space", "escape")
        assert seen.table.marked == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (Refused("viewers may not acknowledge: ask a responder"), "viewers may not acknowledge"),
        (StoreAway("the store does not answer"), "the store does not answer"),
    ],
)
async def test_a_refusal_is_said_and_the_row_is_as_before(error: TradexError, words: str) -> None:
    async with opened(clerk=Clerk(error)) as seen:
        await seen.press("a")
        await seen.until(lambda: words in shown(seen.app))
        assert "not acked" in seen.row("Price Feed Slow")


async def test_a_on_what_needs_none_says_why() -> None:
    async with opened() as seen:
        seen.table.select("4")
        await seen.press("a")
        await seen.until(lambda: "nora.k is on it already" in shown(seen.app))
        seen.table.select("20")
        await seen.press("a")
        await seen.until(lambda: "is resolved already" in shown(seen.app))
        assert seen.clerk.asked == []


async def test_u_takes_an_acknowledgement_back() -> None:
    async with opened() as seen:
        await seen.press("u")
        await seen.until(lambda: "nobody has acknowledged this" in shown(seen.app))
        seen.table.select("4")
        await seen.press("u")
        await seen.until(lambda: seen.clerk.asked)
        assert seen.clerk.asked == [("unacknowledge", (4,))]


async def test_u_again_before_the_answer_asks_once() -> None:
    async with opened(clerk=Clerk(wait=asyncio.Event())) as seen:
        seen.table.select("4")
        await seen.press("u", "u")
        await seen.until(lambda: "taking it back already" in shown(seen.app))
        assert seen.clerk.asked == [("unacknowledge", (4,))]


async def test_a_second_acknowledgement_does_not_cut_the_first_one_off() -> None:
    async with opened(clerk=Clerk(wait=asyncio.Event())) as seen:
        await seen.press("a", "down", "a")
        await seen.until(lambda: len(seen.clerk.asked) == 2)
        await seen.until(lambda: shown(seen.app).count("acknowledging") == 2)
        assert seen.clerk.wait is not None
        seen.clerk.wait.set()
        seen.app.static.publish(alerts.acknowledged(alerts.live(), 1, 2))
        await seen.until(lambda: "acknowledging" not in shown(seen.app))


# The list


async def test_o_sorts_by_severity_age_and_name() -> None:
    async with opened() as seen:
        firsts = []
        for word in ("age", "name", "severity"):
            await seen.press("o")
            await seen.until(lambda word=word: f"sorted by {word}" in shown(seen.app))
            resolved = seen.table.keys[-4:]
            firsts.append(resolved)
        assert firsts == [["23", "22", "21", "20"], ["21", "23", "20", "22"], ["21", "20", "22", "23"]]


async def test_what_is_typed_filters_at_once_and_escape_shows_all_again() -> None:
    async with opened() as seen:
        everything = seen.table.keys
        await seen.press("slash", *"acked")
        await seen.until(lambda: seen.table.keys == ["4"])
        assert "⏎ keep  esc back" in rows(seen.app)[-1]
        await seen.press("enter")
        await seen.until(lambda: seen.app.screen.focused is seen.table)
        assert seen.app.screen.query_one("#filter", Input).display
        await seen.press("escape")
        await seen.until(lambda: seen.table.keys == everything)
        assert not seen.app.screen.query_one("#filter", Input).display


async def test_the_arrows_move_below_the_filter_and_inhibited_alerts_are_found() -> None:
    async with opened() as seen:
        seen.app.screen.query_one("#filter", Input).value = "state:inhibited"
        await seen.press("slash")
        await seen.until(lambda: len(seen.table.keys) == 3)
        first = seen.table.selected
        await seen.press("down")
        assert seen.table.selected != first
        await seen.press("x")
        await seen.until(lambda: "no alert matches" in shown(seen.app))


async def test_inhibited_alerts_are_one_line_until_space_or_enter() -> None:
    async with opened() as seen:
        assert "High Order Latency" not in shown(seen.app)
        seen.table.select("fold:inhibited")
        await seen.press("space")
        await seen.until(lambda: "by Price" in seen.row("High Order Latency"))
        await seen.press("enter")
        await seen.until(lambda: "High Order Latency" not in shown(seen.app))


async def test_the_detail_follows_the_cursor_and_its_past_is_read_only_where_it_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with opened() as seen:
        await seen.until(lambda: seen.screen._reading, "the first reading")
        monkeypatch.setattr("screens.alerts._STAY_S", 3600.0)
        asked: list[int] = []
        history = seen.app.static.alert_history

        async def spy(alert_id: int, *, limit: int = 50) -> object:
            asked.append(alert_id)
            return await history(alert_id, limit=limit)

        seen.app.static.alert_history = spy  # type: ignore[method-assign, assignment]
        await seen.press("down", "down", "down", "up")
        await seen.until(lambda: "platform_status != 'up'" in shown(seen.app))
        assert asked == [] and "asking the provider" not in shown(seen.app)
        seen.screen._begin_reading()
        await seen.until(lambda: "no data for 5 min" in shown(seen.app), "the history")
        assert asked == [3]


async def test_a_row_that_changes_group_keeps_the_cursor() -> None:
    async with opened() as seen:
        seen.app.static.publish(alerts.acknowledged(alerts.live(), 1))
        await seen.until(lambda: "acked 2" in shown(seen.app))
        assert seen.table.selected == "1"


async def test_r_asks_the_feed_and_tab_reaches_list_silences_changes_and_history() -> None:
    async with opened() as seen:
        asked: list[bool] = []
        seen.app.static.refresh = lambda: asked.append(True)  # type: ignore[method-assign]
        await seen.press("r")
        assert asked == [True]
        reached = []
        for _ in range(4):
            await seen.press("tab")
            assert seen.app.screen.focused is not None
            reached.append(seen.app.screen.focused.id)
            await seen.until(lambda: shown(seen.app).count("▌") <= 1, "one bar")
        assert reached == ["silences", "changes", "history", "alerts"]


async def test_4_leads_here_and_capital_letters_that_start_actions_are_not_taken() -> None:
    async with opened() as seen:
        await seen.press("1", "4")
        await seen.until(lambda: isinstance(seen.app.screen, AlertsScreen))
        bound = seen.app.screen.active_bindings
        assert [bound[key].binding.id for key in "BSDRM"] == [
            "screen.block",
            "screen.suspend",
            "screen.deploy",
            "screen.rollback",
            "screen.maintenance",
        ]
        assert all(b.binding.id for b in seen.app.screen.active_bindings.values() if b.binding.show)


# Deeper


async def test_enter_opens_the_alert_and_escape_comes_back() -> None:
    async with opened() as seen:
        await seen.press("enter")
        await seen.until(lambda: isinstance(seen.app.screen, AlertDetail))
        await seen.until(lambda: "nora.k, asking" in shown(seen.app), "the history")
        text = shown(seen.app)
        for part in (
            "for 2 minutes",
            "tells pagerduty, slack",
            "get-stock-price",
            "528 ms",
            "v2.14",
            "fired",
        ):
            assert part in text
        await seen.press("escape")
        await seen.until(lambda: isinstance(seen.app.screen, AlertsScreen))


async def test_enter_again_goes_to_the_diagnosis() -> None:
    async with opened() as seen:
        await seen.press("enter")
        await seen.until(lambda: isinstance(seen.app.screen, AlertDetail) and seen.app.screen.focused)
        await seen.press("enter")
        await seen.until(lambda: type(seen.app.screen).__name__ == "DiagnosisScreen")
        await seen.press("escape")
        await seen.until(lambda: isinstance(seen.app.screen, AlertDetail))


async def test_the_detail_acknowledges_follows_its_alert_and_asks_again_for_its_past() -> None:
    async with opened() as seen:
        await seen.until(lambda: seen.screen._reading, "the list has read all that it wants")
        await seen.press("enter")
        await seen.until(lambda: isinstance(seen.app.screen, AlertDetail) and seen.app.screen._reading)
        asked: list[int] = []
        history = seen.app.static.alert_history

        async def spy(alert_id: int, *, limit: int = 50) -> object:
            asked.append(alert_id)
            return await history(alert_id, limit=limit)

        seen.app.static.alert_history = spy  # type: ignore[method-assign, assignment]
        await seen.press("a")
        await seen.until(lambda: seen.clerk.asked == [("acknowledge", (1,))])
        assert asked == []
        seen.app.static.publish(alerts.acknowledged(alerts.live(), 1))
        await seen.until(lambda: "acked 03:12:47 ops_rw" in shown(seen.app))
        await seen.until(lambda: asked == [1], "the history is read again")


async def test_an_alert_about_a_state_has_no_plot_but_its_history() -> None:
    async with opened() as seen:
        seen.table.select("3")
        await seen.press("enter")
        await seen.until(lambda: isinstance(seen.app.screen, AlertDetail))
        await seen.until(lambda: "no data for 5 min" in shown(seen.app), "the history")
        assert not seen.app.screen.query_one("#plot").display
        assert isinstance(seen.app.screen.focused, LiveTable)


async def test_a_past_that_cannot_be_read_is_said() -> None:
    async with opened() as seen:

        async def away(*args: object, **more: object) -> object:
            raise StoreAway("no answer from the store")

        seen.app.static.alert_history = away  # type: ignore[method-assign, assignment]
        await seen.press("down")
        await seen.until(lambda: "no answer from the store" in shown(seen.app))


# Silences


async def typed(seen: Seen, key: str, text: str) -> None:
    """Replace what a field of the dialog holds, and leave it."""
    await seen.press(key, "ctrl+u", *("space" if c == " " else c for c in text), "enter")


async def test_z_silences_the_selected_alert() -> None:
    async with opened() as seen:
        await seen.press("z")
        await seen.until(lambda: isinstance(seen.app.screen, SilenceDialog))
        dialog = seen.app.screen
        assert dialog.query_one("#matchers", Field).value == 'rule="Price Feed Slow"'
        assert isinstance(dialog.focused, Buttons)
        await typed(seen, "r", "provider is slow")
        await typed(seen, "l", "2h")
        await seen.until(lambda: "Silence for 2h" in shown(seen.app))
        await seen.press("y")
        await seen.until(lambda: isinstance(seen.app.screen, AlertsScreen))
        assert seen.clerk.asked == [
            ("silence", ('rule="Price Feed Slow"',), timedelta(hours=2), "provider is slow")
        ]
        await seen.until(lambda: "silenced until 05:12:47 UTC" in shown(seen.app))


async def test_enter_and_escape_cancel_and_the_key_that_opened_it_confirms_nothing() -> None:
    async with opened() as seen:
        for keys in (["enter"], ["escape"], ["z", "z", "enter"], ["r", "x", "enter", "enter"]):
            await seen.press("z")
            await seen.until(lambda: isinstance(seen.app.screen, SilenceDialog))
            await seen.press(*keys)
            await seen.until(lambda: isinstance(seen.app.screen, AlertsScreen))
        assert seen.clerk.asked == []


async def test_what_is_missing_is_said_and_its_field_gets_the_focus() -> None:
    async with opened(size="80x24") as seen:
        await seen.press("z")
        await seen.until(lambda: isinstance(seen.app.screen, SilenceDialog))
        for field, text, words in (
            ("reason", " ", "a reason is required: write the reason, then enter and y"),
            ("reason", "because", ""),
            ("length", "soon", "length soon: expected 30m"),
            ("length", "", "length is empty"),
            ("length", "31d", "at most 30 days"),
            ("length", "2h", ""),
            ("matchers", "", "at least one matcher is needed"),
            ("matchers", "colour=red", "no label is called colour"),
            ("matchers", 'rule=~"("', "not a regular expression"),
            ("matchers", "rule", "expected LABEL="),
        ):
            seen.app.screen.query_one(f"#{field}", Field).value = text
            seen.app.screen.query_one(Buttons).focus()
            if not words:
                continue
            await seen.press("y")
            await seen.until(lambda words=words: any("▲" in x and words in x for x in rows(seen.app)), words)
            assert seen.app.screen.focused is not None and seen.app.screen.focused.id == field
        assert seen.clerk.asked == []


async def test_when_y_led_to_the_reason_what_is_typed_next_is_the_reason() -> None:
    async with opened(size="80x24") as seen:
        await seen.press("z")
        await seen.until(lambda: isinstance(seen.app.screen, SilenceDialog))
        await seen.press("y")
        await seen.until(lambda: "write the reason, then enter and y" in shown(seen.app))
        await seen.press(*"yes,my")
        await seen.until(lambda: "enter then y silences" in shown(seen.app))
        assert seen.app.screen.query_one("#reason", Field).value == "yes,my"
        await seen.press("enter", "y")
        await seen.until(lambda: seen.clerk.asked)
        assert seen.clerk.asked[0][3] == "yes,my"


@pytest.mark.parametrize("key", ["escape", "enter"])
async def test_while_the_store_is_asked_nothing_cancels(key: str) -> None:
    clerk = Clerk(wait=asyncio.Event())
    async with opened(clerk=clerk) as seen:
        await seen.press("z")
        await seen.until(lambda: isinstance(seen.app.screen, SilenceDialog))
        await typed(seen, "r", "why")
        await seen.press("y")
        await seen.until(lambda: clerk.asked)
        await seen.press(key)
        await seen.until(lambda: "wait for the store's answer" in shown(seen.app))
        assert isinstance(seen.app.screen, SilenceDialog) and clerk.wait is not None
        clerk.wait.set()
        await seen.until(lambda: "silenced until" in shown(seen.app))
        assert len(clerk.answered) == 1 and isinstance(seen.app.screen, AlertsScreen)


async def test_an_open_dialog_follows_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("widgets.dialog._REFRESH_S", 0.05)
    async with opened() as seen:
        await seen.press("z")
        await seen.until(lambda: "until 03:42:47 UTC" in shown(seen.app))
        seen.app.static._now = NOW + timedelta(minutes=5)
        await seen.until(lambda: "until 03:47:47 UTC" in shown(seen.app))


@pytest.mark.parametrize(("later", "words"), [(0, "somebody has lifted it"), (60, "it has ended by itself")])
async def test_a_silence_that_is_gone_can_not_be_lifted(
    monkeypatch: pytest.MonkeyPatch, later: int, words: str
) -> None:
    monkeypatch.setattr("widgets.dialog._REFRESH_S", 0.05)
    async with opened() as seen:
        seen.table.select("6")
        await seen.press("Z")
        await seen.until(lambda: isinstance(seen.app.screen, EndSilence))
        base = alerts.live()
        seen.app.static.publish(replace(base, silences=base.silences[1:]), now=NOW + timedelta(minutes=later))
        await seen.until(lambda: words in shown(seen.app))
        await seen.press("y")
        await seen.pilot.pause()
        assert seen.clerk.asked == [] and isinstance(seen.app.screen, EndSilence)
        await seen.press("escape")
        await seen.until(lambda: isinstance(seen.app.screen, AlertsScreen))


@pytest.mark.parametrize("value", ["a{99999999999}", "(" * 1900])
async def test_a_matcher_that_cannot_be_compiled_is_said_and_nothing_ends(value: str) -> None:
    async with opened() as seen:
        await seen.press("z")
        await seen.until(lambda: isinstance(seen.app.screen, SilenceDialog))
        seen.app.screen.query_one("#matchers", Field).value = f'rule=~"{value}"'
        await seen.until(lambda: "rule: not a regular expression" in shown(seen.app))
        await seen.press("y")
        assert seen.app.is_running and seen.clerk.asked == []


async def test_a_refused_silence_stays_open_and_a_second_confirmation_meanwhile_asks_nothing() -> None:
    clerk = Clerk(Refused("the end is not in the future"), wait=asyncio.Event())
    async with opened(clerk=clerk) as seen:
        await seen.press("z")
        await seen.until(lambda: isinstance(seen.app.screen, SilenceDialog))
        await typed(seen, "r", "why")
        await seen.press("y", "y")
        await seen.until(lambda: "silencing" in shown(seen.app))
        assert len(clerk.asked) == 1 and clerk.wait is not None
        clerk.wait.set()
        await seen.until(lambda: "the end is not in the future" in shown(seen.app))
        assert isinstance(seen.app.screen, SilenceDialog)


async def test_a_field_has_enter_for_itself_and_the_mouse_presses_both_buttons() -> None:
    async with opened() as seen:
        await seen.press("z", "r")
        await seen.until(lambda: "esc cancels" in shown(seen.app) and "▸ Cancel" not in shown(seen.app))
        await seen.press("w", "h", "y", "enter")
        await seen.until(lambda: "enter cancels" in shown(seen.app) and "▸ Cancel" in shown(seen.app))
        await seen.pilot.click("#buttons", offset=(66, 0))
        await seen.until(lambda: seen.clerk.asked)
        await seen.until(lambda: isinstance(seen.app.screen, AlertsScreen))
        await seen.press("z")
        await seen.until(lambda: isinstance(seen.app.screen, SilenceDialog))
        await seen.pilot.click("#buttons", offset=(44, 0))
        await seen.until(lambda: isinstance(seen.app.screen, AlertsScreen))
        assert len(seen.clerk.asked) == 1


async def test_marked_alerts_are_silenced_together_and_the_dialog_shows_what_it_would_match() -> None:
    async with opened() as seen:
        await seen.press("space", "space", "z")
        await seen.until(lambda: "2 alerts of now" in shown(seen.app))
        await typed(seen, "m", "severity=warning")
        await seen.until(lambda: "7 alerts of now" in shown(seen.app))
        assert "and 3 more" in shown(seen.app)
        await typed(seen, "m", 'rule=~"(a|a)*$"')
        await seen.until(lambda: "no alert of now" in shown(seen.app))


async def test_shift_z_lifts_the_silence_of_a_silenced_row_after_asking() -> None:
    async with opened() as seen:
        await seen.press("Z")
        await seen.until(lambda: "no silence keeps this quiet; s on screen 4 shows" in shown(seen.app))
        seen.table.select("6")
        await seen.press("Z")
        await seen.until(lambda: isinstance(seen.app.screen, EndSilence))
        assert "hotfix v2.14.4 goes out" in shown(seen.app)
        await seen.press("Z", "y")
        await seen.until(lambda: isinstance(seen.app.screen, AlertsScreen))
        assert seen.clerk.asked == [("end_silence", 7)]


@pytest.mark.parametrize("size", ["80x24", "120x40"])
async def test_s_shows_the_silences_in_force_and_one_is_lifted_from_there(size: str) -> None:
    async with opened(size=size) as seen:
        await seen.press("s")
        await seen.until(lambda: "load test until" in shown(seen.app))
        await seen.press("down", "Z")
        await seen.until(lambda: isinstance(seen.app.screen, EndSilence))
        await seen.press("y")
        await seen.until(lambda: seen.clerk.asked == [("end_silence", 8)])
        await seen.until(lambda: isinstance(seen.app.screen, AlertsScreen))
        await seen.press("s")
        await seen.until(lambda: seen.app.screen.focused is seen.table)


async def test_without_a_silence_s_says_so_and_the_last_one_takes_its_panel_along() -> None:
    async with opened(size="80x24") as seen:
        await seen.press("s")
        await seen.until(lambda: seen.app.screen.has_class("-silences"))
        seen.app.static.publish(replace(alerts.live(), silences=()))
        await seen.until(lambda: seen.app.screen.focused is seen.table)
        await seen.press("s")
        await seen.until(lambda: "no silence is in force" in shown(seen.app))


# By itself


async def test_a_second_moves_ages_and_countdowns_and_nothing_is_read_again() -> None:
    async with opened() as seen:
        await seen.until(lambda: seen.screen._reading)
        asked: list[object] = []

        async def spy(*args: object, **more: object) -> object:
            asked.append(args)
            return ()

        for name in ("alert_history", "changes_before", "series", "fired_per_hour"):
            setattr(seen.app.static, name, spy)
        timer, read_at = seen.screen._timer, seen.screen._read_at
        for seconds in (1, 2, 200):
            seen.app.static._now = NOW + timedelta(seconds=seconds)
            seen.screen.update_ages()
        await seen.until(lambda: "fires in 33s" in seen.row("Capacity Warning"))
        await seen.pilot.pause()
        # Whoever would read about the selected alert begins with a timer.
        assert seen.screen._timer is timer and seen.screen._read_at == read_at
        assert asked == []


async def test_no_alert_and_nothing_selected_is_survived_by_every_key() -> None:
    async with opened(alerts.quiet(), size="80x24") as seen:
        for key in ("a", "u", "z", "Z", "s", "space", "enter", "down", "o", "slash", "escape", "escape"):
            await seen.press(key)
        await seen.until(lambda: "no alert has fired today" in shown(seen.app))
        assert seen.clerk.asked == [] and isinstance(seen.app.screen, AlertsScreen)


async def test_thousands_of_alerts_build_only_the_rows_in_sight() -> None:
    many = [replace(alerts.PRICE, id=100 + i, rule=f"rule {i}") for i in range(2000)]
    async with opened(alerts.of(alerts.live(), *many)) as seen:
        built: list[Alert] = []
        row = seen.screen._row
        seen.screen._row = lambda a: (built.append(a), row(a))[1]  # type: ignore[method-assign]
        changed = [replace(a, value=513.0) for a in many]
        seen.app.static.publish(alerts.of(alerts.live(), *changed))
        await seen.until(lambda: "513 ms" in shown(seen.app))
        assert 0 < len(built) <= 60
        await seen.press("end")
        await seen.until(lambda: "2000 of 2000" in shown(seen.app))
