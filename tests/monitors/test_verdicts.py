"""What answers say about a component."""

import json
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.domain.health import Status
from console.gateway.http import Response
from console.monitors import verdicts
from console.monitors.verdicts import Outcome

OK = Outcome(Status.OK, 10.0, "answers")
DOWN = Outcome(Status.DOWN, None, "timed out after 10 s")


def answer(status: int, body: Any = b"", ms: float = 10.0) -> Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, raw, {}, ms)


@pytest.mark.parametrize(
    ("status", "verdict", "said"),
    [
        (200, Status.OK, "answers"),
        (204, Status.OK, "answers"),
        (400, Status.OK, "refuses the test body"),
        (422, Status.OK, "refuses the test body"),
        (429, Status.OK, "HTTP 429"),
        (401, Status.DOWN, "unauthorized"),
        (404, Status.DOWN, "not found"),
        (403, Status.DEGRADED, "HTTP 403"),
        (302, Status.DEGRADED, "HTTP 302"),
        (500, Status.DOWN, "HTTP 500"),
        (503, Status.DOWN, "HTTP 503"),
    ],
)
def test_functions_by_their_status(status: int, verdict: Status, said: str) -> None:
    outcome = verdicts.function(answer(status))
    assert outcome.status is verdict and said in outcome.detail and outcome.latency_ms == 10.0


def test_the_message_of_the_error_shape_is_shown() -> None:
    body = {"error": {"code": "maintenance", "message": "back at 04:00"}}
    assert verdicts.function(answer(503, body)).detail == "HTTP 503: back at 04:00"


def test_slow_is_degraded_and_bad_stays_bad() -> None:
    assert verdicts.slow(Outcome(Status.OK, 201, "x"), 200) == Outcome(
        Status.DEGRADED, 201, "slow: over 200 ms, x"
    )
    assert verdicts.slow(Outcome(Status.OK, 200, "x"), 200).status is Status.OK
    assert verdicts.slow(DOWN, 200) is DOWN


class TestSumOfFunctions:
    def test_all_good(self) -> None:
        found = verdicts.functions({"a": OK, "b": Outcome(Status.OK, 30, "answers")}, OK, "health-check")
        assert found == Outcome(Status.OK, 30, "3 of 3 answer, slowest b")

    def test_one_bad_is_degraded(self) -> None:
        found = verdicts.functions({"a": OK, "b": DOWN}, OK, "health-check")
        assert found == Outcome(Status.DEGRADED, 10, "b timed out after 10 s")

    def test_the_health_function_decides(self) -> None:
        assert verdicts.functions({"a": OK, "b": OK}, DOWN, "health-check").status is Status.DOWN

    def test_all_down_is_down(self) -> None:
        assert verdicts.functions({"a": DOWN, "b": DOWN}, OK, "health-check").status is Status.DOWN

    def test_a_slow_one_is_degraded(self) -> None:
        slow = Outcome(Status.DEGRADED, 1500, "slow: over 1000 ms, answers")
        assert verdicts.functions({"a": slow}, OK, "health-check") == Outcome(
            Status.DEGRADED, 1500, "a slow: over 1000 ms, answers"
        )

    def test_nothing_known_yet(self) -> None:
        assert verdicts.functions({}, None, "health-check").status is Status.UNKNOWN
        unknown = Outcome(Status.UNKNOWN, None, "not answered yet")
        assert verdicts.functions({"a": unknown}, unknown, "h").status is Status.UNKNOWN


class TestProviders:
    def test_all_good(self) -> None:
        found = verdicts.providers({"a": answer(200), "b": answer(204, ms=40)}, 500)
        assert found == Outcome(Status.OK, 40, "2 of 2 answer: a, b")

    def test_one_fails_or_is_slow(self) -> None:
        found = verdicts.providers(
            {"a": answer(200), "b": "connection refused", "c": answer(200, ms=600)}, 500
        )
        assert found == Outcome(Status.DEGRADED, 600, "b connection refused, c slow (600 ms)")

    def test_all_fail(self) -> None:
        found = verdicts.providers({"a": answer(503), "b": "timed out after 3 s"}, 500)
        assert found == Outcome(Status.DOWN, 10, "a HTTP 503, b timed out after 3 s")

    def test_many_are_counted(self) -> None:
        found = verdicts.providers({f"p{n}": "no" for n in range(9)}, 500)
        assert found.detail == "p0 no, p1 no, p2 no and 6 more"


def report(**checks: str) -> dict[str, Any]:
    return {
        "status": "ok",
        "uptime": 7200,
        "version": "2.14.3",
        "checks": {n: {"status": s, "latency": 3, "details": f"{n} says {s}"} for n, s in checks.items()},
    }


class TestPlatform:
    GOOD: ClassVar = {
        "database": "ok",
        "redis": "ok",
        "external_apis": "ok",
        "edge_functions": "ok",
        "websocket": "ok",
    }

    def test_good(self) -> None:
        found = verdicts.platform(answer(200, report(**self.GOOD)))
        assert found == Outcome(Status.OK, 10, "release 2.14.3, up 2h")

    def test_a_failing_check_is_named(self) -> None:
        found = verdicts.platform(answer(503, report(**self.GOOD | {"redis": "error"})))
        assert found == Outcome(Status.DEGRADED, 10, "redis: redis says error")

    def test_without_its_database_it_is_down(self) -> None:
        assert (
            verdicts.platform(answer(503, report(**self.GOOD | {"database": "error"}))).status is Status.DOWN
        )

    def test_half_of_the_checks(self) -> None:
        half = self.GOOD | {"redis": "error", "websocket": "error", "external_apis": "error"}
        assert verdicts.platform(answer(503, report(**half))).status is Status.DOWN

    @pytest.mark.parametrize(
        ("status", "body", "said"),
        [
            (200, b"<html>", "not JSON"),
            (503, b"<html>", "HTTP 503, not JSON"),
            (200, {"status": "ok"}, "no health report"),
            (200, {"checks": {"a": 3}}, "no health report"),
            (200, [1, 2], "no health report"),
            (503, {"error": {"message": "maintenance"}}, "HTTP 503: maintenance"),
            (500, report(a="ok"), "HTTP 500"),
            (404, b"", "HTTP 404"),
        ],
    )
    def test_other_answers_are_down_with_the_reason(self, status: int, body: Any, said: str) -> None:
        found = verdicts.platform(answer(status, body))
        assert found.status is Status.DOWN and said in found.detail

    def test_503_with_all_checks_ok_is_odd(self) -> None:
        assert verdicts.platform(answer(503, report(**self.GOOD))).status is Status.DEGRADED

    VALUE = st.none() | st.floats() | st.text(max_size=9) | st.lists(st.integers(), max_size=2)
    SHAPE = st.fixed_dictionaries(
        {},
        optional={
            "uptime": VALUE,
            "version": VALUE,
            "checks": VALUE
            | st.dictionaries(
                st.text(max_size=5),
                VALUE | st.fixed_dictionaries({"status": VALUE, "details": VALUE}),
                max_size=3,
            ),
        },
    )

    @given(SHAPE | VALUE, st.sampled_from([200, 503]))
    def test_any_answer_gives_a_verdict(self, body: Any, status: int) -> None:
        found = verdicts.platform(answer(status, body))
        assert not any(ord(c) < 32 for c in found.detail)


def test_what_the_cache_says_of_itself() -> None:
    assert verdicts.cache_detail(
        {"keyspace_hits": "987", "keyspace_misses": "13", "used_memory": "1200000"}
    ) == ("hit 98.7 %, 1.2 MB")
    assert verdicts.cache_detail({"keyspace_hits": "0", "keyspace_misses": "0"}) == "answers PING"
    assert verdicts.cache_detail({"used_memory": "nan"}) == "answers PING"
