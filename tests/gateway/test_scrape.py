"""The metrics text: what is read, and what is said of text that is none."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.domain.errors import SourceFailed
from console.gateway.http import Http
from console.gateway.scrape import Scrape, parse
from tests.gateway import servers

TEXT = """# HELP node_cpu_seconds_total Seconds.
# TYPE node_cpu_seconds_total counter
node_cpu_seconds_total{cpu="0",mode="idle"} 100.5
node_cpu_seconds_total{cpu="0",mode="user"} 20
http_requests_total{code="200",path="/api/a"} 5
http_requests_total{code="503",path="/api/a"} 1 1700000000000
odd{kind="nan"} NaN
odd{kind="inf"} +Inf
no_labels 1e3
"""


def test_samples_by_name_and_labels() -> None:
    samples = parse(TEXT)
    assert len(samples) == 7
    assert [s.value for s in samples.find("node_cpu_seconds_total", {"mode": "idle"})] == [100.5]
    assert [s.value for s in samples.find("http_requests_total", {"code": "~5.."})] == [1]
    assert [s.value for s in samples.find("http_requests_total", {"path": "~/(api|rest)/.*"})] == [5, 1]
    assert samples.find("no_labels", {"code": "200"}) == []
    assert samples.find("absent", {}) == []


def test_nan_and_infinity_are_samples() -> None:
    samples = parse(TEXT)
    assert math.isnan(samples.find("odd", {"kind": "nan"})[0].value)
    assert samples.find("odd", {"kind": "inf"})[0].value == math.inf


@pytest.mark.parametrize(
    ("bad", "number"),
    [
        ('a{b="c"', 2),
        ("a one", 2),
        ("<html>", 2),
        ("a{b=c} 1", 2),
        ("\x1b]52;c;A\x07 x y", 2),
    ],
)
def test_the_first_bad_line_is_named(bad: str, number: int) -> None:
    with pytest.raises(SourceFailed) as caught:
        parse(f"good 1\n{bad}\nalso_good 2\n")
    assert str(caught.value).startswith(f"line {number} is no metric")
    assert "\x1b" not in str(caught.value)


LINE = st.one_of(
    st.text(max_size=60),
    st.builds(lambda n, v: f"{n} {v}", st.from_regex(r"[a-z_]{1,12}", fullmatch=True), st.floats()),
    st.builds(lambda v: f'x{{a="{v}"}} 1', st.text(max_size=20)),
)


@given(st.lists(LINE, max_size=12).map("\n".join))
def test_any_text_is_samples_or_a_reason(text: str) -> None:
    try:
        samples = parse(text)
    except SourceFailed as error:
        assert str(error).isprintable() or "\ufffd" in str(error)
        return
    for sample in samples.find("x", {}):
        assert all(ord(c) >= 32 for pair in sample.labels for part in pair for c in part)


async def test_over_http() -> None:
    answers: dict[str, bytes | servers.Handler] = {
        "/metrics": servers.reply(TEXT.encode()),
        "/broken": servers.reply(b"no", status="500 No"),
        "/huge": servers.endless,
    }
    async with servers.http(answers) as (base, _):
        http = Http()
        assert len(await Scrape(http, f"{base}/metrics").samples()) == 7
        with pytest.raises(SourceFailed, match="HTTP 500"):
            await Scrape(http, f"{base}/broken").samples()
        with pytest.raises(SourceFailed, match="cut off"):
            await Scrape(http, f"{base}/huge").samples()
        with pytest.raises(SourceFailed, match="metrics_url is not set"):
            await Scrape(http, None).samples()
        await http.close()
