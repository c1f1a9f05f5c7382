"""Names from outside can't steer the terminal, run actions, crash a screen or shift its columns."""

import re
from dataclasses import replace

import pytest
from rich.cells import cell_len

from console.domain.event import Event, Severity
from console.domain.health import Overall, Verdict
from console.domain.metric import Level
from console.domain.snapshot import AgentState, Link, Metrics, Snapshot
from screens.base import ConsoleScreen
from screens.component_detail import ComponentDetail
from screens.metric_detail import MetricDetail
from tests.ui.drive import SIZES, QuietApp, app_of, rows, shown, strips, until
from tests.ui.fixtures import actions, story

OSC52 = "\x1b]52;c;cm0gLXJmIH4=\x07"
HOSTILE = (
    f"a{OSC52}b",
    "c1 \x9b31m \x85 \x9d52;c;x\x9c",
    "[@click=app.quit]click me[/]",
    "[/] [bold red]x[/bold] [",
    "\u202egnol\u202c \u2066x\u2069",
    "Überwachung fünf größe",
    "価格フィード 遅延",
    "🚀 launch 👩‍💻 e\u0301 a\u0308",
    "\r\n\tline\x00\x7f",
)
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def hostile(text: str) -> Snapshot:
    """The story with `text` in every field that reaches a screen."""
    base = story.live()
    specs = {
        name: replace(spec, title=f"{text} {i}", help=text, source=f"{text}\n{text}", group=text)
        for i, (name, spec) in enumerate(base.metrics.specs.items())
    }
    values = {
        name: replace(v, reason=text) if v.value is None else replace(v, level=Level.CRITICAL)
        for name, v in base.metrics.values.items()
    }
    values["error_rate"] = replace(values["error_rate"], value=text, level=None)
    return replace(
        base,
        link=Link(text, text, text, text, True, 10.0, None, None),
        agent=AgentState(text, 1, story.NOW, 5.0, (text,)),
        overall=Overall(Verdict.CRITICAL, text),
        health=tuple(
            replace(h, check=replace(h.check, component=f"edge_functions/{text}{i}", detail=text))
            for i, h in enumerate(base.health)
        ),
        metrics=Metrics(base.metrics.at, specs, values),
        events=tuple(replace(e, subject=text, text=text, kind=text, actor=text) for e in base.events),
    )


def assert_clean(app: object, size: tuple[int, int]) -> None:
    for row in strips(app):  # type: ignore[arg-type]
        text = "".join(s.text for s in row if not s.control)
        assert not CONTROL.search(text), repr(text)
        assert cell_len(text) == size[0], repr(text)
        for segment in row:
            assert not (segment.style and segment.style.meta.get("@click")), "data became a link"


@pytest.mark.parametrize("size", ["80x24", "120x40", "160x50"])
async def test_every_field_of_both_screens(size: str) -> None:
    app = app_of(hostile(HOSTILE[0]))
    async with app.run_test(size=SIZES[size]) as pilot:
        for text in HOSTILE:
            app.static.publish(hostile(text))
            await pilot.press("1")
            await until(pilot, lambda: "1 Health" in shown(app) and app.screen.number == 1)  # type: ignore[attr-defined]
            await pilot.pause()
            assert_clean(app, SIZES[size])
            await pilot.press("2")
            await until(pilot, lambda: app.screen.number == 2)  # type: ignore[attr-defined]
            await pilot.pause()
            assert_clean(app, SIZES[size])
        assert app.is_running


@pytest.mark.parametrize("texts", [HOSTILE[:5], HOSTILE[5:]])
async def test_details_lists_and_help(texts: tuple[str, ...]) -> None:
    size = SIZES["120x40"]
    app = app_of(hostile(texts[0]))
    async with app.run_test(size=size) as pilot:
        for text in texts:
            app.static.publish(hostile(text))
            await pilot.press("1", "enter")
            await until(pilot, lambda: isinstance(app.screen, ComponentDetail))
            await pilot.pause()
            assert_clean(app, size)
            await pilot.press("1")
            app.push_screen(MetricDetail("user_satisfaction", number=1))
            await until(pilot, lambda: isinstance(app.screen, MetricDetail))
            await pilot.pause()
            assert_clean(app, size)
            await pilot.press("1", "2", "slash")
            await pilot.pause()
            assert_clean(app, size)
            await pilot.press("escape", "question_mark")
            await pilot.pause()
            assert_clean(app, size)
            await pilot.press("escape")


async def test_a_reason_for_being_away() -> None:
    base = story.live()
    app = app_of(base)
    async with app.run_test(size=SIZES["80x24"]) as pilot:
        for text in HOSTILE:
            app.static.publish(replace(base, link=replace(base.link, away=text, away_since=story.NOW)))
            await pilot.pause()
            assert_clean(app, SIZES["80x24"])


async def test_the_commands() -> None:
    base = actions.emergency()
    app = QuietApp(actions.feed(base))
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        for text in HOSTILE:
            kinds = tuple(replace(kind, title=text, command=text) for kind in base.kinds)
            freezes = tuple(replace(each, reason=text, author=text) for each in base.freezes)
            app.static.publish(replace(base, kinds=kinds, freezes=freezes))
            await pilot.press("colon", *"end the freeze")
            await until(pilot, lambda: "let changes be made again" in shown(app))
            await pilot.pause()
            assert_clean(app, SIZES["120x40"])
            await pilot.press("escape")
            await until(pilot, lambda: isinstance(app.screen, ConsoleScreen))


async def test_columns_stay_aligned() -> None:
    """The column after a hostile one begins where it does for a plain name."""
    base = story.live()
    plain = replace(
        base,
        health=tuple(
            replace(h, check=replace(h.check, component=f"edge_functions/n{i}"))
            for i, h in enumerate(base.health)
        ),
    )
    app = app_of(plain)
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        expected = _column_of(rows(app), " ms ")
        for text in HOSTILE:
            app.static.publish(hostile(text))
            await pilot.pause()
            assert _column_of(rows(app), " ms ") == expected, repr(text)


def _column_of(lines: list[str], mark: str) -> set[int]:
    table = lines[next(i for i, line in enumerate(lines) if "Components" in line) :]
    found = [line for line in table[2:12] if mark in line and "●" in line]
    assert found
    return {cell_len(line[: line.index(mark)]) for line in found}


def test_an_event_of_an_unknown_kind_is_shown() -> None:
    from screens.timeline import event_entries
    from themes.palette import DARK
    from widgets.glyphs import UNICODE
    from widgets.look import Look

    event = Event(1, story.NOW, "new-kind", Severity.INFO, "x", "[/]", "y")
    (row,) = event_entries([event], Look(DARK, UNICODE))
    built = row.build()  # type: ignore[union-attr]
    assert "".join(s.text for cells in built.cells for s in cells).endswith("[/]")
