"""Log lines on a screen: what says the same is equal, counts add up, what is kept is bounded."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.domain.errors import Misuse
from console.domain.log import LEVELS, LogLine
from console.domain.log_lines import LogFilter, LogLines, grouped, key_of, pattern, template

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)

texts = st.sampled_from(
    ["timeout provider-1", "timeout provider-2", "took 5 ms", "took 6 ms", "", "x 10.0.0.1", "x 10.0.0.2"]
) | st.text(max_size=20)
made = st.builds(
    lambda second, source, level, origin, text: LogLine(
        0, NOON + timedelta(seconds=second), source, level, origin, text
    ),
    st.integers(0, 100),
    st.sampled_from(["functions", "auth", "orders"]),
    st.sampled_from(LEVELS),
    st.sampled_from(["a", "b", "10.0.0.1", "10.0.0.2"]),
    texts,
)


def numbered(lines: Sequence[LogLine], first: int = 1) -> list[LogLine]:
    return [
        LogLine(i, line.at, line.source, line.level, line.origin, line.text)
        for i, line in enumerate(lines, first)
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("took 1,234.5 ms", "took 7 ms"),
        ("took 12ms", "took 9ms"),
        ("drift -3 s", "drift +12.25 s"),
        (
            "order 6f1c2a34-5b6d-4e7f-8a90-0b1c2d3e4f50 done",
            "order 00000000-0000-0000-0000-000000000000 done",
        ),
        ("from 10.0.0.7", "from 192.168.100.200"),
        ("from 10.0.0.7:443", "from 10.0.0.8:80"),
        ("from fe80::1", "from 2001:db8:0:1::17"),
        ("sign-in of ann@example.com", "sign-in of bob.b+x@mail.example.org"),
        ("request req-8f3a2bc1d", "request req-00000000f"),
        ("user_123456 left", "user_998877 left"),
        ("at 03:12:47", "at 23:59:01"),
        ("rate 99.5%", "rate 1%"),
        ("flags 0xff", "flags 0x1A2B"),
        ("1e-5 off", "3E+10 off"),
    ],
)
def test_what_differs_in_numbers_ids_and_addresses_says_the_same(one: str, other: str) -> None:
    assert template(one) == template(other) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("timeout provider-1", "timeout provider-2"),
        ("p95 over limit", "p99 over limit"),
        ("release v1.2.3", "release v1.2.4"),
        ("buy 5 AAPL", "buy 5 MSFT"),
        ("deadbeef", "feedface"),
    ],
)
def test_a_number_that_belongs_to_a_name_tells_lines_apart(one: str, other: str) -> None:
    assert template(one) != template(other)


@given(st.text(max_size=200))
def test_any_text_has_a_template_that_stays_as_it_is(text: str) -> None:
    once = template(text)
    assert len(once) <= max(len(text), 1)
    assert template(once) == once


@given(st.lists(made, max_size=60))
def test_counts_add_up_and_each_line_is_in_its_group(lines: list[LogLine]) -> None:
    groups = grouped(lines)
    assert sum(group.count for group in groups) == len(lines)
    assert len({group.key for group in groups}) == len(groups)
    for group in groups:
        mine = [line for line in lines if key_of(line) == group.key]
        assert len(mine) == group.count
        assert group.newest.at == max(line.at for line in mine)
        assert group.newest in mine
        assert [line for line in lines if LogFilter(group=group.key).passes(line)] == mine
    assert [g.count for g in groups] == sorted((g.count for g in groups), reverse=True)


def test_lines_that_come_from_several_addresses_say_the_same() -> None:
    lines = [LogLine(i, NOON, "auth", "info", f"10.0.0.{i}", "log-in") for i in range(1, 4)]
    (group,) = grouped(lines)
    assert (group.count, group.key.origin) == (3, "#")


filters = st.builds(
    LogFilter,
    st.none() | st.sampled_from(["functions", "auth"]),
    st.sampled_from(LEVELS),
    st.none() | st.sampled_from(["provider|ms$", "^a$", r"\d"]).map(pattern),
)
steps = st.lists(
    st.tuples(st.just("append"), st.lists(made, max_size=30))
    | st.tuples(st.just("prepend"), st.lists(made, max_size=30))
    | st.tuples(st.just("choose"), filters),
    max_size=12,
)


@given(steps)
def test_what_is_shown_is_what_a_naive_list_would_show(done: list[tuple[str, object]]) -> None:
    kept, naive, dropped, wanted = LogLines(most=40), [], 0, LogFilter()
    newest, oldest = 1000, 1000
    for what, value in done:
        if what == "append":
            lines = numbered(value, newest)  # type: ignore[arg-type]
            newest += len(lines)
            kept.append(lines)
            naive += lines
            over = max(len(naive) - 40, 0)
            dropped += over
            naive = naive[over:]
        elif what == "prepend":
            oldest -= len(value)  # type: ignore[arg-type]
            lines = numbered(value, oldest)  # type: ignore[arg-type]
            kept.prepend(lines)
            back = min(40, len(naive) + len(lines)) - len(naive)
            naive = [*lines, *naive][-40:]
            dropped -= min(dropped, back)
        else:
            wanted = value  # type: ignore[assignment]
            kept.choose(wanted)
        assert list(kept.shown) == [line for line in naive if wanted.passes(line)]
        assert (len(kept), kept.dropped) == (len(naive), dropped)
        assert kept.hidden == len(kept) - len(kept.shown)


def test_lines_that_are_here_already_are_passed_over() -> None:
    kept = LogLines()
    line = LogLine(5, NOON, "auth", "info", "", "x")
    kept.append([line])
    kept.append([line])
    assert not kept.prepend([line])
    assert len(kept) == 1 and (kept.first_id, kept.last_id) == (5, 5)


def test_the_pattern_is_looked_for_in_text_origin_user_and_request() -> None:
    line = LogLine(1, NOON, "auth", "info", "10.0.0.7", "Refused", "user-1", "req-2")
    for wanted in ("refuSED", r"^10\.0", "^user-1$", "req"):
        assert LogFilter(pattern=pattern(wanted)).passes(line)
    for wanted in ("auth", "info", "Refused10"):
        assert not LogFilter(pattern=pattern(wanted)).passes(line)


@given(st.text(max_size=30))
def test_any_pattern_is_one_or_is_refused_with_a_reason(text: str) -> None:
    try:
        found = pattern(text)
    except Misuse as error:
        assert str(error).isprintable()
        with pytest.raises((re.error, OverflowError)):
            re.compile(text)
    else:
        assert (found is None) == (text == "")


def test_a_doubtful_pattern_warns_nobody(recwarn: pytest.WarningsRecorder) -> None:
    assert pattern("[[a-z]--") is not None
    assert not recwarn.list


def test_a_pattern_that_is_too_long_is_refused() -> None:
    with pytest.raises(Misuse, match="at most 500"):
        pattern("x" * 501)
