"""The language of conditions: what it means, and what is said about what it does not."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.domain.duration import parse as duration
from console.domain.duration import written as written_duration
from console.rules.condition import (
    All,
    Any,
    Arithmetic,
    Comparator,
    Comparison,
    DayBefore,
    Not,
    Number,
    Reading,
    Scaled,
    Text,
    metrics,
    written,
)
from console.rules.parser import Slip, parse
from tests.unit.rules.world import SPECS, ours, random_condition

A, B = (
    Comparison(Reading("a"), Comparator.OVER, Number(1)),
    Comparison(Reading("b"), Comparator.UNDER, Number(2)),
)
C = Comparison(Reading("c"), Comparator.EQUAL, Number(3))


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a > 1", A),
        ("1 < a", A),
        ("((a > 1))", A),
        ("a>1 and b<2", All((A, B))),
        ("a > 1 or b < 2 AND c == 3", Any((A, All((B, C))))),
        ("(a > 1 Or b < 2) and c == 3", All((Any((A, B)), C))),
        ("not a > 1 and NOT NOT b < 2", All((Not(A), Not(Not(B))))),
        ("not (a > 1 or b < 2)", Not(Any((A, B)))),
        ("a\n  >\t1", A),
        ("state == 'down'", Comparison(Reading("state"), Comparator.EQUAL, Text("down"))),
        ('"it\'s" != state', Comparison(Reading("state"), Comparator.DIFFERENT, Text("it's"))),
        (
            "a + b * 2 > c",
            Comparison(
                Arithmetic("+", Reading("a"), Arithmetic("*", Reading("b"), Number(2))),
                Comparator.OVER,
                Reading("c"),
            ),
        ),
        (
            "a - b - c > -1.5e1",
            Comparison(
                Arithmetic("-", Arithmetic("-", Reading("a"), Reading("b")), Reading("c")),
                Comparator.OVER,
                Number(-15),
            ),
        ),
        (
            "(a + b) / 2 >= 3 * 4",
            Comparison(
                Arithmetic("/", Arithmetic("+", Reading("a"), Reading("b")), Number(2)),
                Comparator.AT_LEAST,
                Number(12),
            ),
        ),
    ],
)
def test_structure(text: str, tree: object) -> None:
    assert parse(text, SPECS).condition == tree


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("rate > 5%", Number(5, "%")),
        ("rate > 5", Number(5, "%")),
        ("share > 5 %", Number(0.05)),
        ("score < 90%", Number(90)),
        ("latency > 400ms", Number(400, "ms")),
        ("latency > 0.4 s", Number(400, "ms")),
        ("uptime < 500MS", Number(0.5, "s")),
        ("uptime > 500", Number(500, "s")),
        ("volume > 5", Number(5)),
        ("latency > uptime", Scaled(Reading("uptime"), 1000)),
        ("score > previous_day + 5%", Arithmetic("+", DayBefore("score"), Number(5))),
        ("latency > previous_day * 120%", Arithmetic("*", DayBefore("latency"), Number(1.2))),
        ("rate > previous_day + 50% / 10", Arithmetic("+", DayBefore("rate"), Number(5, "%"))),
    ],
)
def test_units(text: str, right: object) -> None:
    found = parse(text, SPECS).condition
    assert isinstance(found, Comparison)
    assert found.right == right


def test_a_quotient_of_one_unit_has_none() -> None:
    parse("latency / uptime > 2 and rate / 5% > 1.2", SPECS)


def test_a_product_of_two_units_is_compared_with_bare_numbers() -> None:
    parse("rate * latency > 7", SPECS)
    with pytest.raises(Slip, match="product of two units"):
        parse("rate * latency > 7%", SPECS)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2 minutes", 120), ("2m", 120), ("1h30m", 5400), ("1h 30m", 5400), ("90s", 90), ("1 hour", 3600),
        ("3 Secs", 3), ("1.5h", 5400), ("2 mins", 120), ("1d", 86400), ("2 days 1 hr 3 min 4 sec", 176584),
    ],
)  # fmt: skip
def test_durations(text: str, seconds: float) -> None:
    found = parse(f"a > 1 for {text}", SPECS).for_
    assert found is not None
    assert found.total_seconds() == seconds
    assert duration(written_duration(found)) == found


def test_both_durations_in_either_order() -> None:
    one, other = (
        parse(text, SPECS) for text in ("a > 1 for 2m keep_firing_for 1h", "a > 1 KEEP_FIRING_FOR 1h FOR 2m")
    )
    assert one == other
    assert (str(one.for_), str(one.keep_firing_for)) == ("0:02:00", "1:00:00")
    assert parse("a > 1", SPECS).for_ is None


@pytest.mark.parametrize(
    "text", ["", "2", "m", "30m1h", "1m1m", "2ms", "-1m", "367d", "1e3s", "٣m", "1ſ", "9" * 99 + "d"]
)
def test_what_is_no_duration(text: str) -> None:
    assert duration(text) is None


# In each text the part that must be pointed at stands in [brackets].
SLIPS = [
    ("rate > [5ms]", "5ms (a time) can't be compared with rate (in %); did you mean 5%?"),
    ("latency > [5%]", "5% (a percentage) can't be compared with latency (in ms); did you mean 5ms?"),
    ("a > [5%]", "expected a bare number: did you mean 5?"),
    ("rate > [latency]", "latency (in ms) can't be compared with rate (in %)"),
    ("latency > previous_day + [20%]", "did you mean * 1.2?"),
    ("rate + [5ms] > 3", "5ms (a time) can't be added to rate (in %)"),
    ("[rat] > 5%", "no such metric: rat; did you mean rate?"),
    ("rate > 5% and [xyzzy] > 3", "no such metric: xyzzy; known: a, b, c"),
    ("state == [down]", "a text stands in quotes: 'down'"),
    ("state [>] 'down'", "state is a text: expected == or !="),
    ("state == [5]", "state is a text: expected one in quotes, such as 'down'"),
    ("rate == ['high']", "rate is a number: expected one to compare it with, such as 5%"),
    ("state == ['']", "expected a text that is not empty"),
    ("state == [deployed]", "expected a text in quotes"),
    ("[state] + 1 > 3", "state is a text: expected a number"),
    ("[rate]", "expected a comparison, such as rate > 5%"),
    ("[state] and a > 1", "expected a comparison, such as state != 'up'"),
    ("a > 1 and [5 > 3]", "expected a metric on one side of the comparison"),
    ("1 < a [<] 5", "one comparison at a time: write a > 1 and a < 5"),
    ("[(a > 5)] > 3", "expected a number or a metric to compare, not a condition"),
    ("[(a > 5)] + 3 > 2", "expected a number or a metric to calculate with, not a condition"),
    ("[previous_day] > 5", "expected one metric there, such as performance_score > previous_day + 5%"),
    ("a + b > [previous_day]", "expected one metric there"),
    ("a / [0] > 3", "expected something else than zero to divide by"),
    ("a > [1e999]", "expected a number of ordinary size"),
    ("a [=] 5", "there is no = here; did you mean ==?"),
    ("a [=>] 5", "did you mean >=?"),
    ("a [<>] 5", "did you mean !=?"),
    ("a [≥] 5", "did you mean >=?"),
    ("a > 5 [&&] b > 3", "did you mean and?"),
    ("a > 5 [||] b > 3", "did you mean or?"),
    ("a > 5 [fro] 2m", "did you mean for?"),
    ("a > 5 [nad] b > 3", "did you mean and?"),
    ("a > 5 [MB]", "no such unit: MB; expected %, ms or s"),
    ("rate > 5[min]", "no such unit: min"),
    ("a [5]", "expected a comparison (> >= < <= == !=)"),
    ("a > [$]5", "expected a metric, a number or a parenthesis, not $"),
    ("a >[]", "expected a metric, a number or a parenthesis, not the end"),
    ("[]", "expected a metric, a number or a parenthesis, not the end"),
    ("a > (5[]", "expected a closing parenthesis, not the end"),
    ("a > 5[)]", "no parenthesis is open here"),
    ("[and] a > 5", "expected a metric, a number or a parenthesis, not and"),
    ("[for] 2m", "for: expected a metric or a number before it"),
    ("state == ['down]", "this quote is not closed"),
    ("state == [‘]down’", "expected plain quotes"),
    ("a > 5 for[]", "expected a duration such as 2m, 90s or 1h30m, not the end"),
    ("a > 5 for [2]", "expected a duration such as 2m, 90s or 1h30m, not 2"),
    ("a > 5 for [2ms]", "expected a duration such as 2m, 90s or 1h30m, not 2ms"),
    ("a > 5 for [2] parsecs", "expected a duration such as 2m, 90s or 1h30m"),
    ("a > 5 for [400d]", "at most 366 days"),
    ("a > 5 for 2m [for] 3m", "for is there twice"),
    ("a > 5 for 2m [or] b > 3", "for and keep_firing_for come last, after the whole condition"),
    ("(a > 5 [for] 2m) or b > 3", "it holds for the whole condition and comes last, outside of parentheses"),
]


@pytest.mark.parametrize(("marked", "problem"), SLIPS)
def test_what_is_wrong_is_pointed_at(marked: str, problem: str) -> None:
    text = marked.replace("[", "").replace("]", "")
    start, end = marked.index("["), marked.index("]") - 1
    with pytest.raises(Slip) as caught:
        parse(text, SPECS)
    slip = caught.value
    assert problem in slip.problem
    assert (slip.start, slip.end) == (start, max(end, start + 1))
    place, line, carets = str(slip).split("\n")
    assert place.startswith(f"column {start + 1}: ")
    assert line == f"    {text}"
    assert carets == " " * (4 + start) + "^" * max(end - start, 1)


def test_states_of_probes_are_known() -> None:
    specs = {"state": SPECS["state"].__class__("state", "State", "state", "g", "probe", "")}
    with pytest.raises(Slip, match="never 'donw'; did you mean down"):
        parse("state == 'donw'", specs)


@pytest.mark.parametrize(
    "text", ["(" * 400 + "a > 1" + ")" * 400, "not " * 200 + "a > 1", "a" + " + a" * 300 + " > 1"]
)
def test_what_is_nested_too_deep_or_too_long_is_refused(text: str) -> None:
    with pytest.raises(Slip, match="at most"):
        parse(text, SPECS)


@settings(deadline=None)
@given(st.integers())
def test_what_is_written_is_read_back(seed: int) -> None:
    first = parse(ours(random_condition(random.Random(seed), day=True, deep=3)), SPECS).condition
    assert parse(written(first), SPECS).condition == first
    assert metrics(first) <= set(SPECS)


@settings(deadline=None)
@given(st.text(alphabet="ab>=<!()+-*/'\"5% msfornt\n\x00ſ", max_size=40) | st.text(max_size=30))
def test_any_text_is_a_condition_or_a_slip_inside_it(text: str) -> None:
    try:
        parse(text, SPECS)
    except Slip as slip:
        assert 0 <= slip.start <= len(text)
        assert len(str(slip).split("\n")) == 3
