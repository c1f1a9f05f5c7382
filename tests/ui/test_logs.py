"""The log screen: it follows, stands still, filters, counts, opens; and shows what it can't show."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Input

from console.domain.errors import StoreAway
from console.domain.log import LogLine, LogSource
from console.domain.text import printable
from console.static_feed import StaticFeed
from screens import log_reading
from screens import logs as log_screen
from screens.help import HelpScreen
from screens.log_detail import LogDetail
from screens.logs import LogScreen
from tests.ui.drive import SIZES, QuietApp, rows, shown, until
from tests.ui.fixtures import story
from tests.ui.test_hostile_text import HOSTILE, assert_clean
from widgets.live_table import LiveTable
from widgets.log_view import LogView

SOURCES = (
    LogSource("functions", "edge functions"),
    LogSource("auth", "sign-in", "no source: the database has no auth_logs"),
    LogSource("orders", "order errors"),
)
USER = "6f1c2a34-5b6d-4e7f-8a90-0b1c2d3e4f50"
_STORY = (
    ("functions", "info", "execute-order", "order executed: buy {q} AAPL in {ms} ms"),
    ("functions", "info", "execute-order", "order executed: sell {q} EURUSD in {ms} ms"),
    ("functions", "debug", "get-stock-price", "price of NVDA from cache"),
    ("functions", "warning", "get-stock-price", "timeout provider-2 after {ms} ms, provider-1 answers"),
    ("functions", "error", "execute-order", "order failed: buy {q} TSLA, venue timeout"),
    ("orders", "error", "TSLA", "order failed: venue timeout, buy {q} TSLA"),
    ("functions", "info", "risk-monitoring", "margin level of {q}0 accounts checked in {ms} ms"),
)


def line(i: int, **more: str) -> LogLine:
    """The i-th line of the story, counted from 1; a line each 400 ms."""
    source, level, origin, text = _STORY[(i * i + i // 3) % len(_STORY)]
    fields = {
        "source": source,
        "level": level,
        "origin": origin,
        "user": USER,
        "request": f"req-{i // 3:08x}",
    }
    fields |= {"text": text.format(q=i % 9 + 1, ms=150 + i * 37 % 300)} | more
    return LogLine(i, story.NOW - timedelta(milliseconds=400 * (240 - i)), **fields)


def lines(first: int, last: int) -> list[LogLine]:
    return [line(i) for i in range(first, last + 1)]


class LogFeed(StaticFeed):
    """One that can be away, and pages backwards too."""

    def __init__(self, found: Sequence[LogLine], sources: Sequence[LogSource] = SOURCES) -> None:
        super().__init__(story.live(), now=story.NOW, lines=found, sources=sources)
        self.fails = ""

    async def log_sources(self) -> Sequence[LogSource]:
        if self.fails:
            raise StoreAway(self.fails)
        return self.sources

    async def logs(self, *, before: int | None = None, **more: Any) -> Sequence[LogLine]:
        if self.fails:
            raise StoreAway(self.fails)
        if before is not None:
            return [x for x in self.lines if x.id < before][-more["limit"] :]
        return await super().logs(**more)

    def write(self, *new: LogLine) -> None:
        self.lines.extend(new)
        self.hint("log")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_screen, "_REST_S", 0.0)
    monkeypatch.setattr(log_screen, "_TYPING_S", 0.0)


class Scene:
    """The screen in front, and what drives it."""

    def __init__(self, app: QuietApp, pilot: Pilot[None], feed: LogFeed) -> None:
        self.app, self.pilot, self.feed = app, pilot, feed

    @property
    def screen(self) -> LogScreen:
        return next(s for s in self.app._screen_stacks["health"] if isinstance(s, LogScreen))

    @property
    def view(self) -> LogView:
        return self.screen.query_one(LogView)

    @property
    def state(self) -> str:
        """The last words of the head."""
        return rows(self.app)[2].split("  ")[-1].strip(" ●◇")

    async def until(self, condition: Callable[[], object], what: str = "the condition") -> None:
        await until(self.pilot, condition, what)

    async def sees(self, text: str) -> None:
        await self.until(lambda: text in shown(self.app), text)

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    def text_rows(self) -> list[str]:
        """The rows inside the panel."""
        region = self.view.content_region
        return [row[region.x : region.right].rstrip() for row in rows(self.app)[region.y : region.bottom]]


@asynccontextmanager
async def logs_of(
    found: Sequence[LogLine], *, size: str = "120x40", sources: Sequence[LogSource] = SOURCES
) -> AsyncIterator[Scene]:
    feed = LogFeed(found, sources)
    app = QuietApp(feed)
    async with app.run_test(size=SIZES[size]) as pilot:
        app.push_screen(LogScreen(number=1))
        scene = Scene(app, pilot, feed)
        await until(
            pilot,
            lambda: any(isinstance(s, LogScreen) and len(s.lines) == len(found) for s in app.screen_stack),
        )
        await pilot.pause()
        yield scene


async def test_it_follows_what_comes() -> None:
    async with logs_of(lines(1, 100)) as scene:
        assert scene.state == "following"
        assert scene.text_rows()[-1].endswith(line(100).text)
        scene.feed.write(line(101, text="a new one"))
        await scene.sees("a new one")
        assert scene.text_rows()[-1].endswith("a new one")
        assert len(scene.screen.lines) == 101


@pytest.mark.parametrize("keys", [("space",), ("up",), ("pageup",), ("home",)])
async def test_it_stands_still_until_told_to_follow_again(keys: tuple[str, ...]) -> None:
    async with logs_of(lines(1, 100)) as scene:
        await scene.press(*keys)
        before = scene.text_rows()
        assert scene.state.startswith("paused")
        scene.feed.write(*lines(101, 140))
        await scene.until(lambda: len(scene.screen.lines) == 140)
        await scene.until(lambda: "newer" in scene.state)
        assert scene.text_rows() == before
        await scene.press("f")
        assert scene.state == "following"
        assert scene.text_rows()[-1].endswith(line(140).text)
        await scene.press("home", "end")
        assert scene.state == "following"


async def test_the_oldest_are_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_reading, "KEPT", 120)
    monkeypatch.setattr(log_reading, "PAGE", 10)
    async with logs_of(lines(1, 100)) as scene:
        scene.feed.write(*lines(101, 170))
        await scene.sees("50 left out")
        assert len(scene.screen.lines) == 120 and scene.screen.lines.first_id == 51
        # So many at once that reading on would only show what is over.
        scene.feed.write(*lines(171, 700))
        await scene.sees("580 left out")
        assert scene.text_rows()[-1].endswith(line(700).text)
        assert scene.screen.lines.first_id == 581


async def test_whoever_reads_loses_nothing_to_what_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_reading, "KEPT", 120)
    monkeypatch.setattr(log_reading, "PAGE", 10)
    async with logs_of(lines(1, 100)) as scene:
        await scene.press("home")
        before = scene.text_rows()
        scene.feed.write(*lines(101, 900))
        room = len(before)
        await scene.until(lambda: scene.state == f"paused, {900 - room} newer")
        assert len(scene.screen.lines) <= 120
        assert scene.text_rows() == before
        await scene.press("f")
        await scene.until(lambda: scene.text_rows()[-1].endswith(line(900).text))
        assert scene.state == "following"
        await scene.until(lambda: len(scene.screen.lines) == 120, "older ones are read again")
        assert [x.id for x in scene.screen.lines.shown] == list(range(781, 901))


async def test_the_cursor_stays_on_its_line_when_the_filter_changes() -> None:
    async with logs_of(lines(1, 100)) as scene:
        await scene.press("pageup", "pageup", "down", "down", "down")
        selected = scene.view.selected
        assert isinstance(selected, LogLine)
        await scene.press("slash", *selected.text[:12], "enter")
        assert scene.view.selected == selected
        await scene.press("escape")
        assert scene.view.selected == selected
        assert any(text.startswith("▌") for text in scene.text_rows())


async def test_the_filter_is_a_regular_expression_without_regard_to_case() -> None:
    async with logs_of(lines(1, 100)) as scene:
        await scene.press("slash", *"VENUE|provider-2", "enter")
        wanted = [x for x in lines(1, 100) if "venue" in x.text or "provider-2" in x.text]
        assert list(scene.screen.lines.shown) == wanted
        head = rows(scene.app)[2]
        assert "/VENUE|provider-2/" in head
        assert f"{len(wanted)} lines, {100 - len(wanted)} hidden" in head
        scene.feed.write(line(101, text="Venue reset"), line(102, text="nothing"))
        await scene.sees("Venue reset")
        assert "nothing" not in shown(scene.app)
        await scene.press("escape")
        await scene.sees("nothing")


async def test_an_invalid_filter_is_told_and_the_old_one_stays() -> None:
    async with logs_of(lines(1, 50)) as scene:
        await scene.press("slash", *"venue", "enter", "slash", *"(")
        await scene.sees(
            "not a regular expression: missing ), unterminated subpattern at character 6; /venue/ stays"
        )
        assert all("venue" in x.text for x in scene.screen.lines.shown)
        await scene.press("enter")
        assert scene.screen.query_one(Input).has_focus, "there is something to mend"
        await scene.press(*"|x)")
        await scene.sees("/venue(|x)/")
        assert "not a regular" not in shown(scene.app)
        await scene.press("escape")
        assert "/venue/" in shown(scene.app), "escape leaves it as it was before"
        assert scene.view.has_focus and not scene.screen.query_one(Input).has_focus


async def test_a_pattern_that_would_take_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_reading, "_PATIENCE_S", 0.1)
    slow = line(3, text="a" * 60 + "!")
    async with logs_of([*lines(1, 2), slow]) as scene:
        await scene.press("slash", *"(a+)+", "dollar_sign")
        await scene.sees("takes too long; the one before it stays")
        await scene.press("escape", "slash", *"(b+)+", "dollar_sign", "enter")
        await scene.until(lambda: not scene.screen.lines.shown)
        scene.feed.write(line(4, text="b" * 60 + "!"))
        await scene.sees("took too long on a line and was taken away")
        assert len(scene.screen.lines.shown) == 4


async def test_s_and_e_choose_the_log_and_the_errors() -> None:
    async with logs_of(lines(1, 100)) as scene:
        await scene.press("s")
        assert {x.source for x in scene.screen.lines.shown} == {"functions"}
        await scene.press("s")
        assert not scene.screen.lines.shown and "no line passes the filter" in shown(scene.app)
        await scene.press("s")
        assert {x.source for x in scene.screen.lines.shown} == {"orders"}
        await scene.press("s", "e")
        assert {x.level for x in scene.screen.lines.shown} == {"error"}
        assert "errors only" in shown(scene.app)
        await scene.press("e")
        assert len(scene.screen.lines.shown) == 100


async def test_equal_lines_are_counted_and_opened() -> None:
    found = [
        line(i, source="functions", level="warning", origin="f", text=f"timeout provider-2 after {i} ms")
        for i in range(1, 313)
    ]
    found += [
        line(i, text=f"other {i}", source="auth", origin=f"10.0.0.{i % 200}", level="info")
        for i in range(313, 317)
    ]
    async with logs_of(found) as scene:
        await scene.press("g")
        await scene.sees("312 x")
        first = scene.text_rows()[0]
        assert "03:13:15" in first and "warning" in first and "timeout provider-2 after 312 ms" in first
        assert "4 x" in scene.text_rows()[1] and "(several)" in scene.text_rows()[1]
        scene.feed.write(
            line(317, source="functions", level="warning", origin="f", text="timeout provider-2 after 9 ms")
        )
        await scene.sees("313 x")
        await scene.press("enter")
        await scene.sees("─ timeout provider-2 after # ms ─")
        assert len(scene.screen.lines.shown) == 313
        await scene.press("escape")
        await scene.sees("Equal lines")
        await scene.press("escape")
        await scene.sees("Logs")
        assert len(scene.screen.lines.shown) == 317


async def test_enter_opens_the_whole_line_and_its_request_and_escape_comes_back() -> None:
    text = "failed: " + "very long " * 40 + "␊  at execute (index.ts:42)␊  at main"
    asked = line(50, text=text, level="error", request="req-x")
    async with logs_of([*lines(1, 49), asked, line(51, request="req-x", text="and then this")]) as scene:
        await scene.press("up", "enter")
        await scene.until(lambda: isinstance(scene.app.screen, LogDetail))
        await scene.sees("and then this")
        page = shown(scene.app)
        assert "  at execute (index.ts:42)" in page and USER in page and "req-x" in page
        assert "2026-03-14T03:11:31.000Z" in page
        await scene.press("escape")
        assert scene.view.selected == asked
        await scene.press("escape")
        await scene.until(lambda: not isinstance(scene.app.screen, LogScreen))


async def test_a_log_without_a_source_says_why() -> None:
    async with logs_of(lines(1, 5)) as scene:
        await scene.sees("auth: no source: the database has no auth_logs")


async def test_a_store_that_is_away_is_told_and_what_was_read_stays() -> None:
    async with logs_of(lines(1, 5)) as scene:
        scene.feed.fails = "the store does not answer"
        scene.feed.hint("log")
        await scene.sees("the log could not be read: the store does not answer")
        assert line(5).text in shown(scene.app) and scene.state == "not live"
        scene.feed.fails = ""
        scene.feed.write(line(6, text="there again"))
        await scene.sees("there again")
        assert "could not be read" not in shown(scene.app)


async def test_older_lines_are_read_backwards_up_to_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_reading, "PAGE", 20)
    async with logs_of(lines(1, 130)) as scene:
        await scene.press("home")
        assert scene.view.selected == line(1)
        scene.feed.write(*lines(131, 230))
        await scene.until(lambda: len(scene.screen.lines) == 230, "several pages forwards")


async def test_nothing_is_read_while_another_screen_is_in_front() -> None:
    async with logs_of(lines(1, 10)) as scene:
        scene.app.go(2)
        await scene.pilot.pause()
        scene.feed.write(line(11))
        await scene.pilot.pause()
        assert len(scene.screen.lines) == 10
        scene.app.switch_mode("health")
        await scene.until(lambda: len(scene.screen.lines) == 11)


async def test_one_new_line_repaints_what_moved_and_an_equal_hint_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Only hints are heard.
    monkeypatch.setattr(log_screen, "_POLL_SECONDS", 10_000)
    async with logs_of(lines(1, 100)) as scene:
        read: list[int] = []
        logs = scene.feed.logs

        async def spy(**more: Any) -> Sequence[LogLine]:
            found = await logs(**more)
            read.append(len(found))
            return found

        scene.feed.logs = spy  # type: ignore[method-assign]
        await scene.until(lambda: not scene.screen._newest.busy)
        before = scene.view.lines_refreshed
        scene.feed.hint("log")
        await scene.until(lambda: read and not scene.screen._newest.busy, "the hint was read")
        assert scene.view.lines_refreshed == before
        texts = scene.text_rows()
        scene.feed.write(line(101))
        await scene.until(lambda: scene.text_rows()[-1].endswith(line(101).text))
        moved = sum(old != new for old, new in zip(texts, scene.text_rows(), strict=True))
        # All went up by one; the cursor stays on the last.
        assert [text[1:] for text in scene.text_rows()[:-1]] == [text[1:] for text in texts[1:]]
        assert scene.view.lines_refreshed - before == moved > 0
        await scene.press("space")
        before = scene.view.lines_refreshed
        scene.feed.write(line(102))
        await scene.until(lambda: len(scene.screen.lines) == 102)
        assert scene.view.lines_refreshed == before, "it stands still"


async def test_one_new_line_below_the_last_repaints_nothing_else() -> None:
    async with logs_of(lines(1, 10)) as scene:
        before = scene.view.lines_refreshed
        scene.feed.write(line(11))
        await scene.sees(line(11).text)
        # The new one, and the cursor that was on the one before.
        assert scene.view.lines_refreshed - before <= 2


async def test_the_keys_that_only_logs_have_are_named_where_there_is_little_room() -> None:
    async with logs_of(lines(1, 10), size="80x24") as scene:
        keys = rows(scene.app)[-1]
        for hint in ("space pause", "/ filter", "g group", "s source", "f follow", "? help", "q quit"):
            assert hint in keys


@pytest.mark.parametrize("size", ["80x24", "120x40"])
async def test_the_filter_says_what_it_takes_and_that_enter_keeps_it(size: str) -> None:
    async with logs_of(lines(1, 10), size=size) as scene:
        assert "keep" not in rows(scene.app)[-1]
        await scene.press("slash")
        await scene.sees("regular expression")
        assert "⏎ keep  esc back" in rows(scene.app)[-1]


async def test_one_line_is_counted_as_one() -> None:
    async with logs_of([line(1, request="req-x")]) as scene:
        await scene.sees("1 line ")
        await scene.press("up", "enter")
        await scene.until(lambda: isinstance(scene.app.screen, LogDetail))
        table = scene.app.screen.query_one("#request", LiveTable)
        await scene.until(lambda: table.border_subtitle == "1 line", "the count")


async def test_what_is_pasted_into_the_filter_is_made_visible() -> None:
    async with logs_of(lines(1, 10)) as scene:
        await scene.press("slash")
        scene.app.post_message(events.Paste("a\x1b]52;c;x\x07\u202eb"))
        field = scene.screen.query_one(Input)
        await scene.until(lambda: field.value == "a␛]52;c;x␇\ufffdb", "the paste")
        await scene.pilot.pause()
        assert_clean(scene.app, SIZES["120x40"])


async def test_help_names_its_keys() -> None:
    async with logs_of(lines(1, 10)) as scene:
        await scene.press("question_mark")
        await scene.until(lambda: isinstance(scene.app.screen, HelpScreen))
        page = shown(scene.app)
        assert " Logs: keys " in page
        for word in ("follow", "pause", "filter", "source", "errors", "group", "newest", "oldest"):
            assert word in page


@pytest.mark.parametrize("size", ["80x24", "120x40"])
async def test_hostile_lines(size: str) -> None:
    safe = [printable(text) for text in HOSTILE]
    found = [
        line(i, text=f"{text} {i}", origin=text, user=text, request=text)
        for i, text in enumerate((text for text in safe for _ in range(2)), 1)
    ]
    bad = [LogSource(text, text, text) for text in safe]
    # What came past every other guard.
    found += [line(90 + i, text=text, origin=text, level=text) for i, text in enumerate(HOSTILE)]
    async with logs_of(found, size=size, sources=bad) as scene:
        assert_clean(scene.app, SIZES[size])
        await scene.press("g")
        await scene.sees("Equal lines")
        assert_clean(scene.app, SIZES[size])
        await scene.press("enter")
        assert_clean(scene.app, SIZES[size])
        whole = replace(found[1], text=" ".join(safe), user="".join(safe), origin=safe[0])
        scene.app.push_screen(LogDetail(whole, number=1))
        await scene.until(lambda: isinstance(scene.app.screen, LogDetail) and scene.app.screen.focused)
        assert_clean(scene.app, SIZES[size])


@pytest.mark.parametrize("size", ["80x24", "120x40"])
async def test_ascii_and_resizes(size: str) -> None:
    app = QuietApp(LogFeed(lines(1, 100)), ascii=True)
    async with app.run_test(size=SIZES[size]) as pilot:
        app.push_screen(LogScreen(number=1))
        await until(pilot, lambda: "venue timeout" in shown(app))
        for to in ((20, 5), (61, 16), SIZES[size]):
            await pilot.resize_terminal(*to)
            await pilot.pause()
        for keys in ([], ["g"], ["g", "enter"], ["escape", "slash"]):
            await pilot.press(*keys)
            await pilot.pause()
            assert all(row.isascii() for row in rows(app))


# Pictures


async def _open(pilot: Pilot[None], *keys: str) -> None:
    app = pilot.app
    app.push_screen(LogScreen(number=1))
    await until(pilot, lambda: isinstance(app.screen, LogScreen) and len(app.screen.lines) == 240)
    await pilot.press(*keys)
    for _ in range(5):
        await pilot.pause()
    await asyncio.sleep(0)


@pytest.mark.parametrize("size", ["80x24", "120x40"])
@pytest.mark.parametrize(
    ("name", "keys"),
    [("live", ()), ("grouped", ("slash", *"order|timeout", "enter", "g")), ("line", ("up", "enter"))],
)
def test_picture(snap_compare: Callable[..., bool], name: str, keys: tuple[str, ...], size: str) -> None:
    app = QuietApp(LogFeed(lines(1, 240)))
    assert snap_compare(app, run_before=lambda pilot: _open(pilot, *keys), terminal_size=SIZES[size])
