"""From an alert to what is behind it: sections, the samples of a row, one order and its log lines, and back."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from textual.pilot import Pilot

from console.domain.alert import Alert, Phase
from console.domain.diagnosis import Diagnosis, Sample, Section
from console.domain.errors import StoreAway
from console.domain.log import LogLine
from console.domain.snapshot import AgentState
from console.static_feed import StaticFeed
from screens.diagnosis import DiagnosisScreen, absence
from screens.log_detail import LogDetail
from screens.sample_detail import SampleScreen
from tests.ui.drive import SIZES, QuietApp, rows, shown, strips, until
from tests.ui.fixtures import diagnoses as story
from tests.ui.fixtures.diagnoses import ERRORS, FOUND_ERRORS, FOUND_SLOW, NOW, SLOW
from tests.ui.test_hostile_text import assert_clean
from widgets.live_table import LiveTable
from widgets.text_panel import TextPanel


async def opened(pilot: Pilot[None], alert: Alert = ERRORS, text: str = "asked 4s ago") -> DiagnosisScreen:
    screen = DiagnosisScreen(alert)
    pilot.app.push_screen(screen)
    await until(pilot, lambda: pilot.app.screen is screen and text in shown(pilot.app), text)  # type: ignore[arg-type]
    await pilot.pause()
    return screen


def table(app: QuietApp, name: str) -> LiveTable:
    return app.screen.query_one(f"#{name}", LiveTable)


PICTURES: dict[str, tuple[Alert, Sequence[str]]] = {
    "errors": (ERRORS, []),
    "performance": (SLOW, []),
    "narrowed": (ERRORS, ["down", "enter"]),
    "sample": (ERRORS, ["down", "enter", "enter"]),
    "none": (replace(ERRORS, id=99), []),
}


@pytest.mark.parametrize("size", ["80x24", "120x40"])
@pytest.mark.parametrize("name", PICTURES)
def test_picture(snap_compare: Callable[..., bool], name: str, size: str) -> None:
    alert, keys = PICTURES[name]

    async def before(pilot: Pilot[None]) -> None:
        await opened(pilot, alert, "no diagnosis yet" if name == "none" else "asked 4s ago")
        for key in keys:
            await pilot.press(key)
            await pilot.pause()

    assert snap_compare(QuietApp(story.feed()), run_before=before, terminal_size=SIZES[size])


def test_wide_picture(snap_compare: Callable[..., bool]) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await opened(pilot)
        await pilot.press("tab", "tab", "tab", "tab", "down")
        await pilot.pause()

    assert snap_compare(QuietApp(story.feed()), run_before=before, terminal_size=SIZES["160x50"])


def test_picture_in_ascii_with_16_colours(snap_compare: Callable[..., bool]) -> None:
    async def before(pilot: Pilot[None]) -> None:
        await opened(pilot)

    app = QuietApp(story.feed(), theme="16-colours", ascii=True)
    assert snap_compare(app, run_before=before, terminal_size=SIZES["120x40"])


async def test_enter_leads_to_the_samples_of_a_row_to_one_sample_and_to_a_line_and_escape_back() -> None:
    app = QuietApp(story.feed())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        screen = await opened(pilot)
        assert app.focused is table(app, "section-0")
        await pilot.press("down", "enter")
        await until(pilot, lambda: "reason = venue connection reset" in shown(app))
        samples = table(app, "samples")
        assert app.focused is samples and len(samples.keys) == 8 and "8 of 40, esc shows all" in shown(app)
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(app.screen, SampleScreen))
        wanted = [s for s in FOUND_ERRORS.samples if s.field("reason") == "venue connection reset"][1]
        assert app.screen.sample == wanted  # type: ignore[attr-defined]
        await until(pilot, lambda: f"Order {wanted.field('id')}" in shown(app))
        for _, value in wanted.fields:
            assert value in shown(app)
        assert all(line.text in shown(app) for line in wanted.log)
        await pilot.press("down")
        await until(
            pilot,
            lambda: f"request {wanted.log[1].request}" in " ".join(shown(app).split()).replace("│ │ ", ""),
        )
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, LogDetail))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, SampleScreen))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is screen)
        assert len(table(app, "samples").keys) == 8
        await pilot.press("escape")
        await until(pilot, lambda: "40 samples" in shown(app))
        assert (
            app.focused is table(app, "section-0")
            and table(app, "section-0").selected == "venue connection reset"
        )
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is not screen)


async def test_a_function_leads_to_the_samples_whose_logs_it_wrote() -> None:
    app = QuietApp(story.feed())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await opened(pilot)
        await pilot.press("tab", "tab", "end", "enter")
        await until(pilot, lambda: "function = get-stock-price" in shown(app))
        by = [s for s in FOUND_ERRORS.samples if any(line.origin == "get-stock-price" for line in s.log)]
        assert len(table(app, "samples").keys) == len(by) == 32


async def test_a_row_that_is_not_about_samples_leads_to_all_of_them() -> None:
    app = QuietApp(story.feed())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await opened(pilot, SLOW)
        # The queries have no rows; the hours are after the symbols.
        await pilot.press("tab", "tab", "tab", "enter")
        await until(pilot, lambda: app.focused is table(app, "samples"))
        assert len(table(app, "samples").keys) == 30


async def test_a_row_without_samples_says_so_and_keeps_the_focus() -> None:
    app = QuietApp(story.feed())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await opened(pilot)
        await pilot.press("end", "enter")
        await until(pilot, lambda: "none of the 40 samples" in shown(app))
        assert app.focused is table(app, "section-0")
        await pilot.press("escape")
        await until(pilot, lambda: "40 samples ─" in shown(app) and "none of" not in shown(app))


async def test_a_newer_diagnosis_comes_in_by_itself_and_cursor_and_narrowing_stay() -> None:
    feed = story.feed()
    app = QuietApp(feed)
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await opened(pilot)
        await pilot.press("down", "enter")
        await until(pilot, lambda: "8 of 40" in shown(app))
        first = FOUND_ERRORS.sections[0]
        newer = replace(
            FOUND_ERRORS,
            at=NOW + timedelta(seconds=11),
            sections=(
                replace(first, rows=(first.rows[1], first.rows[0], *first.rows[2:])),
                *FOUND_ERRORS.sections[1:],
            ),
            samples=FOUND_ERRORS.samples[:20],
        )
        feed._now = NOW + timedelta(seconds=12)
        feed.diagnoses[ERRORS.id] = newer
        feed.hint("diagnosis")
        await until(pilot, lambda: "asked 1s ago" in shown(app))
        assert table(app, "section-0").selected == "venue connection reset"
        assert table(app, "section-0").keys[0] == "venue connection reset"
        assert "4 of 20, esc shows all" in shown(app)


async def test_a_newer_diagnosis_that_comes_while_a_sample_is_in_front_is_there_on_the_way_back() -> None:
    feed = story.feed()
    app = QuietApp(feed)
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        screen = await opened(pilot)
        await pilot.press("end", "tab", "tab", "tab", "tab", "enter")
        await until(pilot, lambda: isinstance(app.screen, SampleScreen) and app.screen.focused)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, LogDetail))
        first = FOUND_ERRORS.sections[0]
        newer = replace(
            FOUND_ERRORS, sections=(replace(first, title="Newer", rows=first.rows[:1]),), samples=()
        )
        feed.diagnoses[ERRORS.id] = newer
        feed.hint("diagnosis")
        await until(pilot, lambda: screen._found is newer)
        await pilot.press("escape", "escape")
        await until(pilot, lambda: app.screen is screen and "Newer" in shown(app))
        assert table(app, "section-0").keys == ["venue timeout"]
        assert table(app, "samples").keys == [] and not table(app, "section-1").display
        # What an earlier drawing was chosen from.
        screen.on_live_table_chosen(LiveTable.Chosen(table(app, "section-3"), "venue timeout"))
        table(app, "section-0").focus()
        await pilot.press("enter")
        assert app.is_running and app.screen is screen


async def test_the_age_grows_and_is_marked_when_nobody_asks_any_more() -> None:
    feed = story.feed()
    app = QuietApp(feed)
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await opened(pilot)
        before = {w.id: w.lines_refreshed for w in app.screen.query(LiveTable)}
        base = story.live()
        fresh = replace(base.metrics, at=NOW + timedelta(seconds=49))
        feed.publish(replace(base, metrics=fresh), now=NOW + timedelta(seconds=50))
        app._second()
        await until(pilot, lambda: "asked 54s ago" in shown(app))
        assert {w.id: w.lines_refreshed for w in app.screen.query(LiveTable)} == before
        style = next(s.style for strip in strips(app) for s in strip if "asked 54s" in s.text)
        assert style is not None and style.bold


async def test_none_yet_then_the_first_one_comes() -> None:
    feed = story.feed(None, FOUND_SLOW)
    app = QuietApp(feed)
    async with app.run_test(size=SIZES["80x24"]) as pilot:
        await opened(pilot, ERRORS, "no diagnosis yet: the agent asks the platform while the alert fires")
        feed.diagnoses[ERRORS.id] = FOUND_ERRORS
        feed.hint("diagnosis")
        await until(pilot, lambda: "venue timeout" in shown(app) and app.focused is not None)
        assert app.focused is table(app, "section-0")
        assert not app.screen.query_one("#absence", TextPanel).display


@pytest.mark.parametrize(
    ("change", "leader", "words"),
    [
        ({}, "a1", "no diagnosis yet: the agent asks the platform while the alert fires"),
        ({}, None, "no diagnosis yet: no agent leads"),
        (
            {"phase": Phase.PENDING},
            "a1",
            "no diagnosis yet: the agent asks the platform when the alert fires",
        ),
        ({"phase": Phase.RESOLVED}, "a1", "no diagnosis: none was made while the alert fired"),
        ({"action": "notify_team"}, "a1", "nothing more is asked about this alert"),
    ],
)
def test_why_there_is_none(change: dict[str, object], leader: str | None, words: str) -> None:
    snapshot = replace(story.live(), agent=AgentState(leader))
    assert absence(replace(ERRORS, **change), snapshot).startswith(words)  # type: ignore[arg-type]


class Away(StaticFeed):
    """A store that can be lost."""

    error: StoreAway | None = None

    async def diagnosis(self, alert_id: int) -> Diagnosis | None:
        if self.error is not None:
            raise self.error
        return await super().diagnosis(alert_id)


async def test_a_store_that_is_away_is_told_and_what_was_read_stays() -> None:
    feed = Away(story.live(), now=NOW, diagnoses={ERRORS.id: FOUND_ERRORS})
    feed.error = StoreAway("connection refused")
    app = QuietApp(feed)
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await opened(pilot, ERRORS, "the diagnosis could not be read: connection refused")
        feed.error = None
        feed.hint("diagnosis")
        await until(pilot, lambda: "venue timeout" in shown(app))
        feed.error = StoreAway("connection refused")
        await pilot.press("r")
        await until(pilot, lambda: "not read since" in shown(app))
        assert "venue timeout" in shown(app)
        feed.error = None
        base = story.live()
        app.static.publish(replace(base, link=replace(base.link, store="elsewhere")))
        await until(pilot, lambda: "asked 4s ago" in shown(app))


@pytest.mark.parametrize("size", SIZES)
async def test_reasons_are_readable_at_every_size(size: str) -> None:
    reason = "permission denied for table orders, which the reader of this installation may not see"
    empty = replace(
        FOUND_ERRORS,
        sections=tuple(replace(s, rows=(), reason=reason, more=False) for s in FOUND_ERRORS.sections),
        samples=(),
        samples_reason="timed out after 3 s",
    )
    app = QuietApp(story.feed(None, empty))
    async with app.run_test(size=SIZES[size]) as pilot:
        await opened(pilot)
        text = shown(app)
        for word in (*reason.split(), "timed out after 3 s"):
            assert word in text
        await pilot.press("enter")
        assert app.screen.is_current


async def test_three_sections_or_eight_fit_and_all_can_be_reached() -> None:
    first = FOUND_ERRORS.sections[0]
    for count in (0, 3, 8):
        many = replace(FOUND_ERRORS, sections=tuple(replace(first, title=f"Table {i}") for i in range(count)))
        app = QuietApp(story.feed(None, many))
        async with app.run_test(size=SIZES["80x24"]) as pilot:
            await opened(pilot)
            for i in range(count):
                assert app.focused is table(app, f"section-{i}")
                await until(pilot, lambda app=app, i=i: f"Table {i}" in shown(app))
                await pilot.press("tab")
            table(app, "samples").focus()
            await pilot.pause()
            assert "Failed orders" in shown(app)


NASTY = "\x1b]52;c;x\x07[/] [@click=app.quit]x[/] \u202e価格"


@pytest.mark.parametrize("size", SIZES)
async def test_hostile_text_reaches_no_terminal_and_moves_no_column(size: str) -> None:
    section = Section(NASTY, (NASTY, "n"), ((NASTY, 1.0), (NASTY * 9, None)), ("", NASTY[:3]), bar="n")
    sample = Sample(
        ((NASTY, NASTY), ("at", NASTY), ("id", NASTY)),
        (LogLine(0, NOW, NASTY, NASTY, NASTY, NASTY, NASTY, NASTY),),
    )
    found = Diagnosis(
        ERRORS.id, NASTY, story.AT, story.START, (section,) * 3, (sample,) * 3, NASTY, NASTY, NASTY, NASTY
    )
    app = QuietApp(story.feed(None, found))
    async with app.run_test(size=SIZES[size]) as pilot:
        await opened(pilot, replace(ERRORS, rule=NASTY, summary=NASTY))
        assert_clean(app, SIZES[size])
        await pilot.press("enter")
        await pilot.pause()
        assert_clean(app, SIZES[size])
        table(app, "samples").focus()
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, SampleScreen))
        await pilot.pause()
        assert_clean(app, SIZES[size])


async def test_resize_to_20x5_and_back() -> None:
    app = QuietApp(story.feed())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await opened(pilot)
        before = rows(app)
        for size in ((20, 5), (1, 1), (60, 15), (300, 90), SIZES["80x24"], SIZES["120x40"]):
            await pilot.resize_terminal(*size)
            await pilot.pause()
        await until(pilot, lambda: rows(app) == before, "the screen as before")


async def test_ascii_means_ascii() -> None:
    app = QuietApp(story.feed(), ascii=True)
    async with app.run_test(size=SIZES["160x50"]) as pilot:
        await opened(pilot)
        for keys in ([], ["enter"], ["enter"]):
            await pilot.press(*keys)
            await pilot.pause()
            assert shown(app).isascii(), shown(app)
