"""Partial updates, drawn by a terminal emulator, leave exactly the picture that a full repaint would."""

import random

import pyte
import pytest
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate
from textual.strip import Strip

from tests.ui.drive import SIZES, app_of, strips, until
from tests.ui.fixtures import story
from widgets.line_widget import changed_spans
from widgets.sparse_update import SparseUpdate

STYLES = [
    Style(color="#ff6470", bgcolor="#0f1319", bold=True),
    Style(color="#d6dee9", bgcolor="#0f1319"),
    Style(color="#0f1319", bgcolor="#62b0ff", bold=True),
    Style(bgcolor="#222c3a"),
    Style(),
    Style(color="#7fcf93", underline=True),
    Style(color="#7fcf93", reverse=True, dim=True),
]
TEXTS = ["ok", "   ", "■ 1", "価格", "▁▂▃▄", "a\u0308b", "━━━╸──", " ", "⣿⣷"]


def line(rng: random.Random, width: int) -> Strip:
    segments = [Segment(rng.choice(TEXTS), rng.choice(STYLES)) for _ in range(12)]
    return Strip(segments).adjust_cell_length(width, STYLES[1])


def console() -> Console:
    return Console(color_system="truecolor", force_terminal=True, width=40)


def screen_of(data: list[str], width: int, height: int) -> list[list[object]]:
    screen = pyte.Screen(width, height)
    stream = pyte.Stream(screen)
    for each in data:
        stream.feed(each)
    # The foreground of a plain blank is never seen.
    return [
        [
            c if c.data != " " or c.reverse or c.underscore else c._replace(fg="", bold=False, italics=False)
            for c in (screen.buffer[y][x] for x in range(width))
        ]
        for y in range(height)
    ]


def update(lines: list[Strip], spans: list[tuple[int, int, int]], width: int) -> str:
    chops = [{0: strip} for strip in lines]
    plain = ChopsUpdate(chops, spans, [[width]] * len(lines))
    return SparseUpdate.of(plain).render_segments(console())


@pytest.mark.parametrize("seed", range(40))
def test_changed_cells_lead_to_the_same_picture_as_all_cells(seed: int) -> None:
    rng = random.Random(seed)
    width, height = 40, 5
    old = [line(rng, width) for _ in range(height)]
    new = [line(rng, width) if rng.random() < 0.7 else strip for strip in old]
    everything = [(y, 0, width) for y in range(height)]
    changed = [
        (y, start, end)
        for y, (before, after) in enumerate(zip(old, new, strict=True))
        for start, end in changed_spans(before, after)
    ]
    full = screen_of([update(old, everything, width), update(new, everything, width)], width, height)
    sparse = [update(old, everything, width)]
    if changed:
        sparse.append(update(new, changed, width))
    assert screen_of(sparse, width, height) == full


def test_two_cells_of_a_line_are_sent_as_two_cells() -> None:
    strip = Strip([Segment("latency  45 ms   errors 0.30 %", STYLES[1])])
    data = update([strip], [(0, 9, 11), (0, 24, 28)], 30)
    assert data == "\x1b[1;10H\x1b[38;2;214;222;233;48;2;15;19;25m45\x1b[1;25H0.30\x1b[0m"


def test_nothing_is_coloured_without_colours() -> None:
    plain = ChopsUpdate([{0: Strip([Segment("x", STYLES[0])])}], [(0, 0, 1)], [[1]])
    data = SparseUpdate.of(plain).render_segments(Console(color_system=None, force_terminal=True))
    assert "38;2" not in data and "x" in data


async def test_the_app_sends_few_bytes_for_one_changed_value() -> None:
    from dataclasses import replace

    app = app_of(story.live())
    async with app.run_test(size=SIZES["120x40"]) as pilot:
        await pilot.pause()
        sent: list[int] = []

        def measure(screen: object, renderable: object) -> None:
            if isinstance(renderable, ChopsUpdate):
                sent.append(len(SparseUpdate.of(renderable).render_segments(console()).encode()))

        app._display = measure  # type: ignore[method-assign]
        first, *others = story.live().health
        changed = replace(first, check=replace(first.check, latency_ms=47.0))
        app.static.publish(replace(story.live(), health=(changed, *others)))
        await until(
            pilot, lambda: any("47 ms" in "".join(s.text for s in row) for row in strips(app)) and sent
        )
        assert sum(sent) < 120
