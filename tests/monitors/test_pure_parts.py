"""Counters, readings and jobs that outlive a tick: the parts without a platform."""

import asyncio
import contextlib
import math
from decimal import Decimal
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.domain.errors import SourceFailed
from console.gateway.scrape import Sample
from console.monitors.counters import Counter
from console.monitors.reading import number, pointer
from console.monitors.running import Running


def sample(value: float, **labels: str) -> Sample:
    return Sample("n", tuple(sorted(labels.items())), value)


class TestCounter:
    def test_it_needs_two_scrapes(self) -> None:
        counter = Counter(None)
        counter.update(0, [sample(10)])
        assert counter.increase() is None and counter.rate() is None
        counter.update(4, [sample(30)])
        assert (counter.increase(), counter.rate()) == (20, 5)

    def test_without_a_window_only_the_last_two_count(self) -> None:
        counter = Counter(None)
        for at, value in ((0, 0), (2, 100), (4, 104)):
            counter.update(at, [sample(value)])
        assert counter.increase() == 4

    def test_with_a_window_older_steps_leave(self) -> None:
        counter = Counter(10)
        for at in range(0, 40, 2):
            counter.update(at, [sample(at * at)])
        assert counter.increase() == 38**2 - 28**2
        assert counter.rate() == (38**2 - 28**2) / 10

    def test_a_restart_is_no_fall(self) -> None:
        counter = Counter(100)
        for at, value in ((0, 1000), (1, 1010), (2, 3), (3, 5)):
            counter.update(at, [sample(value)])
        assert counter.increase() == 10 + 3 + 2

    def test_series_that_come_late_or_stay_away_for_a_while(self) -> None:
        counter = Counter(100)
        counter.update(0, [sample(5, code="200")])
        counter.update(1, [sample(6, code="200"), sample(2, code="500")])
        counter.update(2, [sample(7, code="200")])
        counter.update(3, [sample(8, code="200"), sample(3, code="500")])
        assert counter.increase() == 3 + 3

    @pytest.mark.parametrize("odd", [math.nan, math.inf])
    def test_what_is_not_finite_is_refused(self, odd: float) -> None:
        with pytest.raises(SourceFailed, match="n is"):
            Counter(None).update(0, [sample(odd)])

    @given(st.lists(st.integers(0, 1000), min_size=2, max_size=30))
    def test_a_rising_counter_gives_the_difference(self, steps: list[int]) -> None:
        counter, total = Counter(1e9), 0
        for at, step in enumerate(steps):
            total += step
            counter.update(at, [sample(total)])
        assert counter.increase() == sum(steps[1:])


class TestNumber:
    def test_numbers_and_null(self) -> None:
        assert number(3, "x") == 3.0
        assert number(Decimal("1.5"), "x") == 1.5
        assert number(None, "x") is None

    @pytest.mark.parametrize(
        ("value", "said"),
        [
            (math.nan, "x is not a number (NaN)"),
            (math.inf, "x is infinite"),
            (10**400, "x is infinite"),
            ("45ms", "x is no number"),
            (True, "x is no number"),
            ([], "x is no number"),
        ],
    )
    def test_everything_else_has_a_reason(self, value: object, said: str) -> None:
        with pytest.raises(SourceFailed) as caught:
            number(value, "x")
        assert str(caught.value) == said


class TestPointer:
    DOCUMENT: ClassVar = {"a": {"b/c": [10, {"d~e": 20}]}, "": 3}

    @pytest.mark.parametrize(
        ("path", "found"),
        [("/a/b~1c/0", 10), ("/a/b~1c/1/d~0e", 20), ("/", 3), ("/a/b~1c", [10, {"d~e": 20}])],
    )
    def test_it_leads_to_a_place(self, path: str, found: object) -> None:
        assert pointer(self.DOCUMENT, path) == found

    @pytest.mark.parametrize("path", ["/b", "/a/b~1c/2", "/a/b~1c/-1", "/a/b~1c/0/x", "/a/b~1c/²"])
    def test_or_nowhere(self, path: str) -> None:
        with pytest.raises(SourceFailed, match="nothing at"):
            pointer(self.DOCUMENT, path)

    JSON = st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=10,
    )

    @given(JSON, st.text(alphabet="/~01ab²", max_size=10))
    def test_any_document_and_path_give_something_or_a_reason(self, document: object, path: str) -> None:
        with contextlib.suppress(SourceFailed):
            number(pointer(document, "/" + path), path)


class TestRunning:
    async def test_one_that_waits_is_not_started_again_and_holds_nobody_up(self) -> None:
        running: Running[str, int] = Running()
        started: list[str] = []
        gate = asyncio.Event()

        async def slow() -> int:
            started.append("slow")
            await gate.wait()
            return 1

        async def quick() -> int:
            started.append("quick")
            return 2

        assert await running.run({"slow": slow, "quick": quick}, 0.02) == {"quick": 2}
        assert "slow" in running and "quick" not in running
        assert await running.run({"slow": slow, "quick": quick}, 0.02) == {"quick": 2}
        gate.set()
        assert await running.run({"slow": slow}, None) == {"slow": 1}
        assert started == ["slow", "quick", "quick"]

    async def test_cancelling_the_caller_cancels_the_jobs(self) -> None:
        running: Running[str, None] = Running()
        begun, ended = asyncio.Event(), asyncio.Event()

        async def job() -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        caller = asyncio.create_task(running.run({"job": job}, None))
        await begun.wait()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        await asyncio.wait_for(ended.wait(), 5)
