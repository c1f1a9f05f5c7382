"""The pure parts of the widgets: axes, charts, cells, wrapping, percentiles."""

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from console.domain.health import CheckPoint, Status
from screens.component_detail import buckets, percentile, status_changes
from screens.components import status_roles
from themes.palette import ANSI, DARK, HIGH_CONTRAST, LIGHT, PALETTES, ROLES
from widgets import plot
from widgets.cells import cut, fit, measure, piece, spread
from widgets.charts import area, beyond_roles, meter, resample, resample_worst, spark
from widgets.glyphs import ASCII, UNICODE, wants_ascii
from widgets.line_widget import changed_spans
from widgets.look import Look
from widgets.plot import Chart, Curve, Marker
from widgets.scale import axis, log_axis
from widgets.text_panel import wrapped
from widgets.times import span_words, time_axis

LOOK = Look(DARK, UNICODE)
DOTS = Segment("…")
NOON = datetime(2026, 3, 14, 12, tzinfo=UTC)
numbers = st.floats(allow_nan=True, allow_infinity=True) | st.none()
sane = st.floats(min_value=0, max_value=1e9) | st.none()


def text_of(segments: object) -> str:
    return "".join(s.text for s in segments)  # type: ignore[attr-defined]


# Axes


@given(st.lists(sane, max_size=50), st.none() | st.floats(min_value=0.001, max_value=1e6), st.integers(2, 8))
def test_an_axis_holds_its_values_and_the_limit(
    values: list[float | None], limit: float | None, ticks: int
) -> None:
    found = axis(values, limit=limit, ticks=ticks)
    known = [v for v in values if v is not None]
    assert found.low < found.high
    assert all(found.low <= v <= found.high for v in known)
    assert limit is None or found.low <= limit <= found.high
    assert list(found.ticks) == sorted(set(found.ticks))
    assert found.ticks[0] == found.low and found.ticks[-1] == found.high


def test_an_axis_stays_put_while_the_data_moves_a_little() -> None:
    assert axis([170, 356, 478], limit=500, ticks=6, zoom=0.2) == axis(
        [165, 361, 470], limit=500, ticks=6, zoom=0.2
    )


def test_an_axis_of_shares_ends_at_100() -> None:
    assert axis([98.0, 99.9], limit=99.9, ceiling=100, decimals=2).high == 100


def test_a_log_axis_ticks_at_1_2_5() -> None:
    assert log_axis([170, 900], limit=500).ticks == (100.0, 200.0, 500.0, 1000.0)
    assert log_axis([0, -1, None]).low > 0


def test_labels_are_short() -> None:
    found = axis([0, 12_000_000], ticks=4)
    assert all(len(found.label(t)) <= 5 for t in found.ticks)


@pytest.mark.parametrize(("seconds", "words"), [(0, "0s"), (45, "45s"), (570, "9m 30s"), (7500, "2h 5m")])
def test_spans_in_words(seconds: float, words: str) -> None:
    assert span_words(seconds) == words


def test_a_time_axis_has_both_edges() -> None:
    line = time_axis(NOON, NOON + timedelta(hours=1), 60)
    assert len(line) == 60 and line.startswith("12:00") and line.endswith("13:00")
    assert time_axis(NOON, NOON + timedelta(minutes=2), 30).endswith("12:02:00")
    assert time_axis(NOON, NOON + timedelta(days=7), 60).startswith("14 Mar")


# Charts


@given(st.lists(numbers, max_size=300), st.integers(0, 120))
def test_resampling_keeps_the_count_and_invents_nothing(values: list[float | None], count: int) -> None:
    columns = resample(values, count)
    assert len(columns) == count
    known = [v for v in values if v is not None and math.isfinite(v)]
    for column in columns:
        assert column is None or not known or min(known) * 1.001 - 1e-6 <= column or column <= max(known)


@given(st.lists(numbers, max_size=100), st.integers(1, 40), st.integers(1, 8))
def test_an_area_fills_its_rectangle_exactly(values: list[float | None], width: int, height: int) -> None:
    rows = area(values, width, height, LOOK, low=0, high=100)
    assert len(rows) == height and all(measure(row) == width for row in rows)


@given(st.floats(allow_nan=True, allow_infinity=True) | st.none(), st.integers(0, 40))
def test_a_meter_is_as_wide_as_asked(fraction: float | None, width: int) -> None:
    assert measure(meter(fraction, width, LOOK)) == width


def test_a_meter_moves_in_half_cells() -> None:
    assert text_of(meter(0.45, 10, LOOK)) == "━━━━╸─────"
    assert text_of(meter(0.45, 10, Look(DARK, ASCII))) == "====-....."


def test_a_spark_is_never_full_height_and_colours_only_what_is_asked() -> None:
    row = spark([0, 50, 100, 1000], 4, LOOK, top=100, roles=[None, None, "crit", "crit"])
    assert text_of(row) == "▁▅▇▇"
    assert [s.style for s in row] == [LOOK("s1"), LOOK("crit")]


def test_a_gap_stays_a_gap() -> None:
    assert text_of(spark([1, None, 1], 3, LOOK, top=2)) == "▅ ▅"


def test_the_worst_status_of_a_column_wins() -> None:
    ok, down = Status.OK, Status.DOWN
    assert status_roles([ok, ok, down, ok, None, Status.DEGRADED], 3) == [None, "crit", "warn"]


# Plots


def _chart(values: tuple[float | None, ...], **more: object) -> Chart:
    y = axis(values, limit=more.get("limit"), ticks=6)  # type: ignore[arg-type]
    return Chart((Curve("s2", values, over=True),), NOON, NOON + timedelta(hours=1), y, **more)  # type: ignore[arg-type]


def test_a_plot_survives_nan_and_infinity() -> None:
    values = (1.0, float("nan"), 3.0, float("inf"), None, -float("inf"), 2.0)
    rows = plot.draw(_chart(values), 60, 10, UNICODE)
    assert len(rows) == 10 and all(len(row) == 60 for row in rows)


def test_the_limit_is_a_row_with_its_value_and_the_part_over_it_is_in_its_colour() -> None:
    values = tuple(float(v) for v in (*range(100, 600, 10), *range(600, 100, -10)))
    rows = plot.draw(_chart(values, limit=500.0), 80, 16, UNICODE)
    limit = next(row for row in rows if "".join(c for c, _ in row).startswith("500"))
    assert ("╌", "crit") in limit
    at = rows.index(limit)
    over = {role for row in rows[:at] for char, role in row[6:] if 0x2800 < ord(char) < 0x2900}
    under = {role for row in rows[at + 1 : -1] for char, role in row[6:] if 0x2800 < ord(char) < 0x2900}
    assert over == {"crit"} and under == {"s2"}


def test_markers_stand_where_their_moment_is() -> None:
    marker = Marker(NOON + timedelta(minutes=30), "v2.14.4")
    rows = plot.draw(_chart((1.0, 1.0), markers=(marker,)), 66, 10, UNICODE)
    columns = {x for row in rows for x, (char, _) in enumerate(row) if char == "┊"}
    assert len(columns) == 1 and 34 <= columns.pop() <= 38
    assert "v2.14.4" in "".join(c for c, _ in rows[0])


def _marked(minute: float, values: tuple[float, ...], *more: Marker) -> str:
    """The row of the labels, where one of several marks stands."""
    marker = Marker(NOON + timedelta(minutes=minute), "detected")
    rows = plot.draw(_chart(values, markers=(marker, *more)), 66, 10, UNICODE)
    return "".join(char for char, _ in rows[0])


def test_a_label_that_the_edge_would_cut_stands_left_of_its_marker() -> None:
    flat = (1.0, 1.0)
    assert _marked(30, flat).partition("┊")[2].startswith("detected")
    assert _marked(58, flat).partition("┊")[0].endswith("detected")
    assert _marked(58, flat, Marker(NOON + timedelta(minutes=57), "v2")).count("┊") == 2


def test_a_label_without_room_on_either_side_is_cut_by_the_edge() -> None:
    close = _marked(58, (1.0, 1.0), Marker(NOON + timedelta(minutes=55), "v2"))
    assert "detected" not in close and close.rpartition("┊")[2].startswith("d")
    # What is beyond the axis runs along its edge, where the label would stand left of its marker.
    curve = Curve("s2", (*(0.0,) * 55, *(100.0,) * 3, 0.0, 0.0))
    marker = Marker(NOON + timedelta(minutes=59), "detected")
    chart = Chart((curve,), NOON, NOON + timedelta(hours=1), axis((0.0, 10.0)), markers=(marker,))
    assert "det" not in "".join(char for char, _ in plot.draw(chart, 66, 10, UNICODE)[0])


def test_a_log_plot_leaves_out_what_has_no_logarithm() -> None:
    values = (0.0, -5.0, 10.0, 1000.0)
    chart = Chart((Curve("s2", values),), NOON, NOON + timedelta(hours=1), log_axis(values), log=True)
    rows = plot.draw(chart, 60, 12, UNICODE)
    assert "1000" in "".join(c for c, _ in rows[0])


@pytest.mark.parametrize("height", range(4, 20))
@pytest.mark.parametrize("top", [3.0, 14.0, 90.0, 480.0, 1990.0])
def test_the_ticks_of_an_axis_have_equal_steps_however_many_have_room(top: float, height: int) -> None:
    chart = _chart((0.0, top))
    rows = plot.draw(chart, 60, height, UNICODE)
    firsts = ("".join(c for c, _ in row).split()[:1] for row in rows[-2::-1])
    shown = [float(word) for words in firsts for word in words if word.replace(".", "").isdigit()]
    steps = {round(b - a, 6) for a, b in pairwise(shown)}
    assert len(shown) >= 2 and len(steps) == 1, shown
    assert shown[0] == chart.y.low and shown[-1] > chart.y.high / 2


def test_a_plot_in_ascii() -> None:
    rows = plot.draw(_chart((1.0, 5.0, 2.0), limit=4.0), 60, 10, ASCII)
    assert all("".join(c for c, _ in row).isascii() for row in rows)


# Cells


@given(st.text(max_size=40), st.integers(0, 30))
def test_fitting_gives_exactly_the_width(text: str, width: int) -> None:
    assert measure(fit([piece(text)], width, DOTS)) == width
    assert measure(cut([piece(text)], width, DOTS)) <= width


@given(st.text(max_size=60))
def test_no_piece_holds_a_control_character(text: str) -> None:
    shown = piece(text).text
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in shown)


def test_a_wide_character_is_never_halved() -> None:
    assert text_of(cut([piece("価格")], 3, DOTS)) == "価…"
    assert text_of(cut([piece("価格価")], 4, DOTS)) == "価 …"


def test_spread_cuts_the_left_end_first() -> None:
    line = spread([piece("a long reason")], [piece("● 5")], 12, DOTS)
    assert text_of(line) == "a long … ● 5"


@given(st.text(max_size=200), st.integers(4, 40))
def test_wrapping_stays_within_the_width(text: str, width: int) -> None:
    assert all(cell_len(line) <= width for line in wrapped(text, width))


def test_wrapping_keeps_indentation_and_lines() -> None:
    assert wrapped("SELECT 1\n  FROM a", 20) == ["SELECT 1", "  FROM a"]


def test_changed_spans_are_the_cells_that_differ() -> None:
    plain = Style()
    old = Strip([Segment("cpu   45 %          end", plain)])
    assert changed_spans(old, Strip([Segment("cpu   46 %          end", plain)])) == [(7, 8)]
    assert changed_spans(old, Strip([Segment("mem   46 %          enD", plain)])) == [(0, 8), (22, 23)]
    red = Style(color="red")
    assert changed_spans(old, Strip([Segment("cpu", red), Segment("   45 %          end", plain)])) == [
        (0, 3)
    ]


# Palettes and glyphs


@pytest.mark.parametrize("palette", [DARK, LIGHT, HIGH_CONTRAST])
@pytest.mark.parametrize(
    "role", ["text", "muted", "faint", "accent", "ok", "warn", "crit", "info", "ack", "pending"]
)
def test_text_and_states_are_readable(palette: object, role: str) -> None:
    """WCAG contrast of 4.5:1 against the background; 4.3 for labels."""
    lightness = [_luminance(palette[r]) for r in (role, "surface")]  # type: ignore[index]
    contrast = (max(lightness) + 0.05) / (min(lightness) + 0.05)
    assert contrast >= (4.3 if role == "faint" else 4.5)


def _luminance(color: str) -> float:
    channels = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    r, g, b = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def test_every_palette_has_every_role() -> None:
    assert all(set(p.colors) == ROLES for p in PALETTES.values())
    assert not any(c.startswith("#") for c in ANSI.colors.values())


def test_every_glyph_is_one_cell() -> None:
    for glyphs in (UNICODE, ASCII):
        assert all(cell_len(g) == 1 for g in glyphs.table.values())
        assert len(glyphs.blocks) == 7
    assert all(g.isascii() for g in ASCII.table.values())


@pytest.mark.parametrize(
    ("environ", "ascii"),
    [
        ({"TRADEX_ASCII": "1", "LANG": "C.UTF-8"}, True),
        ({"TRADEX_ASCII": "0", "LANG": "C"}, False),
        ({"LANG": "en_GB.UTF-8"}, False),
        ({"LANG": "de_DE.ISO-8859-1"}, True),
        ({"LC_ALL": "POSIX", "LANG": "C.UTF-8"}, True),
        ({"LANG": "C"}, True),
    ],
)
def test_ascii_is_chosen_by_the_variable_or_the_locale(environ: dict[str, str], ascii: bool) -> None:
    assert wants_ascii(environ) is ascii


# Component details


def test_percentiles_by_nearest_rank() -> None:
    values = [float(v) for v in range(1, 101)]
    assert [percentile(values, s) for s in (0.5, 0.95, 0.99, 1.0)] == [50, 95, 99, 100]
    assert percentile([7.0], 0.5) == 7


def test_changes_of_status_pass_over_gaps() -> None:
    statuses = [Status.OK, None, Status.OK, Status.DOWN, None, Status.OK]
    points = [CheckPoint(NOON + timedelta(seconds=i), s, None) for i, s in enumerate(statuses)]
    assert [(c[0].second, c[1], c[2]) for c in status_changes(points)] == [
        (5, Status.DOWN, Status.OK),
        (3, Status.OK, Status.DOWN),
    ]


def test_check_points_are_gathered_by_time_not_by_number() -> None:
    """Half an hour with a check every 30 s, then one every 2 s: both halves take half of the plot."""
    end = NOON + timedelta(hours=1)
    slow = [CheckPoint(NOON + timedelta(seconds=30 * i), Status.OK, 10.0) for i in range(60)]
    fast = [CheckPoint(NOON + timedelta(minutes=30, seconds=2 * i), Status.DOWN, None) for i in range(900)]
    means, worst = buckets([*slow, *fast], end, 12)
    assert means == [10.0] * 6 + [None] * 6
    assert worst == [Status.OK] * 6 + [Status.DOWN] * 6


def test_a_short_peak_over_the_limit_is_not_averaged_away() -> None:
    values = [10.0] * 9 + [90.0]
    assert resample_worst(values, 2, 50.0) == [10.0, 90.0]
    assert resample_worst(values, 2, None) == [10.0, 26.0]
    assert resample_worst([99.0, 80.0], 1, 95.0, floor=True) == [80.0]
    assert beyond_roles([10.0, 90.0, None], 50.0, "crit") == [None, "crit", None]
