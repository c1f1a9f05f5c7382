"""The pure parts of Alerts: filter, groups, rows, words about an alert, what is typed into a silence, bars."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.domain import matchers
from console.domain.alert import Alert, AlertState, Matcher, Phase
from console.domain.errors import Misuse
from console.domain.event import Severity
from screens import alert_filter, silence_text
from screens.alert_facts import chain_line, history_entries, rule_lines
from screens.alert_plot import alert_chart, window_index
from screens.alert_reading import fired_bars, fired_words
from screens.alert_rows import (
    COLUMNS,
    COLUMNS_COMPACT,
    FOLD,
    Scene,
    alert_entries,
    alert_row,
    limit_words,
    next_words,
    spec_of,
    title_of,
)
from screens.open_alerts import open_row
from screens.window import WINDOWS
from tests.ui.fixtures import alerts, story
from tests.ui.fixtures.alerts import APIS, EXPLAINED, LOST, MARKER, OPEN, PLATFORM, POOL, PRICE, RESOLVED
from tests.ui.fixtures.story import NOW
from themes.palette import DARK
from widgets.bars import Bar, Bars
from widgets.cells import Cells
from widgets.glyphs import UNICODE
from widgets.live_table import Group, Row
from widgets.look import Look

LOOK = Look(DARK, UNICODE)
SPECS = story.specs()


def text(cells: Cells) -> str:
    return "".join(segment.text for segment in cells)


def found(words: str) -> set[int]:
    wanted = alert_filter.terms(words)
    every = (*OPEN, *RESOLVED)
    return {a.id for a in every if alert_filter.matches(a, wanted, title_of(a, SPECS))}


# Filter


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        ("price", {1, 10, 11, 12} - {10, 11, 12}),
        ("PRICE feed", {1}),
        ("severity:critical", {1, 21}),
        ("state:acked", {4}),
        ("state:acknowledged", {4}),
        ("state:firing severity:warn", {2}),
        ("type:capacity", {5}),
        ("metric:latency !external", {1}),
        ("who:nora", {4}),
        ("who:tess", {6, 22}),
        ("external_apis latency", {4}),
        ("!state:resolved !state:inhibited", {1, 2, 3, 4, 5, 6}),
        ("probe:plat", {3}),
        ("state:", {a.id for a in (*OPEN, *RESOLVED)}),
        ("!", {a.id for a in (*OPEN, *RESOLVED)}),
        ("nosuchthing", set()),
    ],
)
def test_a_filter_finds(words: str, ids: set[int]) -> None:
    assert found(words) == ids


@given(st.text(max_size=40))
def test_any_text_is_a_filter(words: str) -> None:
    found(words)


# Rows


def entries(sort: str = "severity", words: str = "", **more: bool) -> list[str]:
    """Headings as they are, rows by id."""
    shown = alert_entries(
        alerts.live().alerts,
        lambda a: Row(str(a.id), ()),
        LOOK,
        SPECS,
        sort=sort,
        wanted=alert_filter.terms(words),
        **more,
    )
    return [e.title if isinstance(e, Group) else str(e.key) for e in shown]  # type: ignore[union-attr]


def test_the_list_is_grouped_by_state_and_what_is_inhibited_is_one_line() -> None:
    assert entries() == [
        *("firing 2", "1", "2", "stale 1", "3", "acked 1", "4", "pending 1", "5", "silenced 1", "6"),
        *("inhibited 3", "resolved today 4", "21", "20", "22", "23"),
    ]
    assert entries(unfolded=True)[11:15] == ["inhibited 3", "10", "11", "12"]


def test_without_room_there_are_no_headings_and_resolved_alerts_only_where_they_are_asked_for() -> None:
    assert entries(compact=True) == ["1", "2", "3", "4", "5", "6", "inhibited 3"]
    assert entries(compact=True, words="state:resolved") == ["21", "20", "22", "23"]
    only = alert_entries(
        [RESOLVED[0]], lambda a: Row(str(a.id), ()), LOOK, SPECS, sort="severity", compact=True
    )
    assert [e.key for e in only] == ["20"]  # type: ignore[union-attr]


def test_a_filter_looks_below_the_fold() -> None:
    assert entries(words="state:inhibited") == ["inhibited 3", "10", "11", "12"]
    assert FOLD not in entries(words="state:inhibited")


@pytest.mark.parametrize("alert", [*OPEN, *RESOLVED], ids=lambda a: a.rule)
@pytest.mark.parametrize("compact", [False, True])
@pytest.mark.parametrize("greyed", [False, True])
def test_a_row_has_a_cell_for_each_column(alert: Alert, compact: bool, greyed: bool) -> None:
    scene = Scene(LOOK, NOW, SPECS, greyed=greyed, compact=compact)
    row = alert_row(alert, scene)
    assert len(row.cells) == len(COLUMNS_COMPACT if compact else COLUMNS)
    roles = {s.style for cell in row.cells for s in cell}
    if greyed and alert.state is not AlertState.RESOLVED:
        assert not roles & {LOOK("crit"), LOOK("crit", bold=True), LOOK("warn"), LOOK("warn", bold=True)}


@pytest.mark.parametrize("alert", [*OPEN, *RESOLVED], ids=lambda a: a.rule)
@pytest.mark.parametrize("greyed", [False, True])
def test_health_writes_the_severity_as_the_list_does(alert: Alert, greyed: bool) -> None:
    scene = Scene(LOOK, NOW, SPECS, greyed=greyed)
    here, there = alert_row(alert, scene).cells[1], open_row(alert, scene).cells[1]
    assert here == there and text(here)
    if alert.state in (AlertState.SILENCED, AlertState.INHIBITED) and not greyed:
        assert {s.style for s in here} == {LOOK("muted")}


def test_next_says_what_comes_or_who_has_it() -> None:
    words = {a.rule: next_words(a, NOW) for a in (*OPEN, *RESOLVED)}
    assert words["Price Feed Slow"] == "not acked"
    assert words["collection:vulnerabilities_critical"] == "back 3x"
    assert words["probe:platform"] == "no data"
    assert words["threshold:external_apis_latency_ms"] == "nora.k, 02:59"
    assert words["Capacity Warning"] == "fires in 3m"
    assert words["Deployment Success"] == "until 03:30"
    assert words["High Order Latency"] == "by Price Feed Slow"
    assert words["threshold:redis_hit_pct"] == "at 02:12"
    assert next_words(POOL, NOW + timedelta(hours=1)) == "due now"
    far = replace(MARKER, silenced_until=NOW + timedelta(days=2))
    assert next_words(far, NOW) == "until 16 Mar"


def test_generated_rules_are_called_by_what_they_watch() -> None:
    assert title_of(APIS, SPECS) == "external_apis latency"
    assert title_of(LOST, SPECS) == "critical vulnerabilities not collected"
    assert title_of(PLATFORM, SPECS) == "platform probe"
    assert title_of(replace(APIS, rule="threshold:gone"), SPECS) == "gone"
    assert title_of(replace(APIS, rule="mine: own"), SPECS) == "mine: own"


def test_a_metric_that_the_catalogue_lost_is_written_in_the_alerts_unit() -> None:
    lost = replace(PRICE, metric="gone", unit="ms", limit=0.25, low=True, value=0.125)
    assert spec_of(lost, SPECS).unit == "ms"
    assert limit_words(lost, SPECS) == "< 0.25 ms"


# Words


def test_the_chain_of_states_fits_its_width_and_keeps_all_steps() -> None:
    acked = replace(PRICE, acknowledged_by="nora.k", acknowledged_at=NOW)
    line = "state  pending 02:53:05 → firing 02:55:05 → acked 03:12:47 nora.k"
    assert text(chain_line(acked, LOOK, NOW, 80)[0]) == line
    assert text(chain_line(acked, LOOK, NOW, 60)[0]) == line.removesuffix(" nora.k")
    assert text(chain_line(acked, LOOK, NOW, 50)[0]) == "state  pending 02:53 → firing 02:55 → acked 03:12"
    assert "resolved 02:12:00" in text(chain_line(RESOLVED[0], LOOK, NOW, 120)[0])
    assert text(chain_line(POOL, LOOK, NOW, 80)[0]) == "state  pending 03:11:40 → fires in 3m"
    assert "pending" not in text(chain_line(PLATFORM, LOOK, NOW, 80)[0])


def test_a_rule_names_its_duration_once() -> None:
    assert sum("for" in text(left) for left, _ in rule_lines(PRICE, LOOK, 100)) == 1
    assert text(rule_lines(replace(PRICE, condition="x > 1"), LOOK, 100)[0][0]) == "rule   x > 1 for 2m"


def test_history_says_who_did_what() -> None:
    rows = history_entries(alerts.HISTORY[1], SPECS, PRICE, LOOK, narrow=True)
    lines = [" ".join(text(cell) for cell in row.cells) for row in rows]  # type: ignore[union-attr]
    assert lines[1] == "03:01 ◉ acked nora.k, asking the provider, 541 ms"
    assert lines[2] == "02:55 ! firing over 500 ms for 2 min, 508 ms"


@pytest.mark.parametrize(
    ("minutes", "window"), [(1, "1h"), (45, "1h"), (55, "6h"), (290, "6h"), (600, "24h"), (9000, "24h")]
)
def test_the_plot_covers_what_came_before(minutes: int, window: str) -> None:
    alert = replace(PRICE, pending_at=NOW - timedelta(minutes=minutes))
    assert WINDOWS[window_index(alert, NOW)].name == window


def test_a_plot_holds_the_limit_and_marks_when_it_fired() -> None:
    series = story.trends()[PRICE.metric or ""]
    chart = alert_chart(PRICE, SPECS[PRICE.metric or ""], series, ticks=6, greyed=False)
    assert chart is not None and chart.limit == 500 and chart.y.low <= 500 <= chart.y.high
    assert [m.label for m in chart.markers] == ["fired"] and chart.limit_role == "crit"
    assert alert_chart(PRICE, SPECS[PRICE.metric or ""], None, ticks=6, greyed=False) is None


# Silences


@pytest.mark.parametrize(
    ("typed", "minutes"),
    [("30m", 30), ("2h", 120), ("1h30m", 90), (" 1d ", 1440), ("until 06:00", 167), ("03:00", 1427)],
)
def test_a_length_is_a_span_or_a_time(typed: str, minutes: int) -> None:
    length = silence_text.length(typed, NOW)
    assert round(length / timedelta(minutes=1)) == minutes


@pytest.mark.parametrize("typed", ["", "soon", "30", "until", "25:00", "-5m", "0m", "31d", "9" * 400 + "d"])
def test_what_is_no_length_is_said(typed: str) -> None:
    with pytest.raises(Misuse):
        silence_text.length(typed, NOW)


def test_matchers_are_written_and_read_back() -> None:
    wanted = (
        Matcher("rule", "=", 'a "quoted" \\ name'),
        Matcher("severity", "!=", "info"),
        Matcher("metric", "=~", "orders_.*"),
    )
    assert matchers.parsed(matchers.written(wanted)) == wanted
    assert matchers.parsed("severity=warning, type = CAPACITY") == (
        Matcher("severity", "=", "warning"),
        Matcher("type", "=", "CAPACITY"),
    )
    # What a command prints can be given to it again, and so can what a shell has left of it.
    assert [matchers.single(str(m)) for m in wanted] == list(wanted)
    assert matchers.single("rule=High Error Rate") == Matcher("rule", "=", "High Error Rate")


@given(st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=4))
def test_any_rules_can_be_silenced_by_their_names(rules: list[str]) -> None:
    wanted = matchers.parsed(matchers.written(silence_text.for_rules(rules)))
    assert wanted == silence_text.for_rules(rules)
    same = [replace(PRICE, rule=rule) for rule in rules]
    other = replace(PRICE, rule="".join(rules) + "?")
    assert silence_text.matching([*same, other], wanted) == same


@given(st.text(max_size=60))
def test_any_text_gives_matchers_or_one_clear_error(typed: str) -> None:
    try:
        assert matchers.parsed(typed)
    except Misuse as error:
        assert str(error) and "\n" not in str(error).strip()


def test_matchers_match_as_the_store_does() -> None:
    def ids(typed: str) -> set[int]:
        return {a.id for a in silence_text.matching(OPEN, matchers.parsed(typed))}

    assert ids('rule="Capacity Warning"') == {5}
    assert ids('rule=~"Capacity"') == set()
    assert ids('rule=~"Capacity.*|Price.*"') == {1, 5}
    assert ids("severity!=warning type!~DEPLOY.*") == {1}


def test_a_regular_expression_that_takes_for_ever_is_cut_off() -> None:
    slow = matchers.parsed(r'rule=~"(a|a)*b"')
    with pytest.raises(Misuse, match="takes too long"):
        silence_text.matching([replace(PRICE, rule="a" * 60)], slow)


@pytest.mark.parametrize("value", ["a{99999999999}", "(" * 1900, "(", "a**"])
def test_what_is_no_regular_expression_is_said(value: str) -> None:
    with pytest.raises(Misuse, match="rule: not a regular expression"):
        silence_text.matching([PRICE], [Matcher("rule", "=~", value)])


# Bars


def bars_of(*counts: tuple[tuple[str, int], ...], width: int = 60, height: int = 6) -> list[str]:
    class Drawn(Bars):
        @property
        def look(self) -> Look:
            return LOOK

    widget = Drawn(id="bars")
    widget._bars = [Bar(f"{i:02}", parts) for i, parts in enumerate(counts)]
    return [text(line) for line in widget.build(width, height)]


def test_one_critical_among_many_is_seen_and_the_largest_reaches_the_top() -> None:
    lines = bars_of((), (("crit", 1), ("warn", 49)), (("warn", 1),))
    assert lines[0].startswith("50 ")
    assert [line[5] for line in lines[:5]] == ["█"] * 5
    assert lines[4][3:8] == "· █ █" and lines[3][3:8] == "  █  "
    assert lines[5].strip() == "02"


def test_bars_say_it_when_there_is_nothing() -> None:
    assert any("nothing yet" in line for line in bars_of((), ()))


def test_fired_alerts_fall_into_their_hours() -> None:
    feed = alerts.feed(alerts.live())
    bars = fired_bars(alerts.FIRED, feed)
    assert len(bars) == 24 and bars[-1] == Bar("03", (("crit", 1), ("warn", 4)))
    assert bars[0].label == "04" and fired_words(bars) == "24 h: 3 crit, 19 warn"
    assert fired_words(fired_bars([], feed)) == ""


def test_severities_and_phases_have_words_for_all() -> None:
    from screens.alert_rows import SEVERITY_WORDS

    assert set(SEVERITY_WORDS) == set(Severity)
    kinds = {str(p) for p in Phase} | set(re.findall(r"`(\w+)`", alerts.AlertChange.__doc__ or "")) - {
        "kind",
        "value",
    }
    from screens.alert_facts import _KINDS

    assert kinds <= set(_KINDS)


def test_explained_alerts_are_quiet_and_say_by_what() -> None:
    assert {a.state for a in EXPLAINED} == {AlertState.INHIBITED}
