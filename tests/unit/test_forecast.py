"""How far a deployment is, and when it will be over: from its steps and from how they went before."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.domain.action import Action, ActionState, Plan, PlannedStep, Proof, Step, StepState
from console.domain.canary import Compared, Comparison
from console.domain.forecast import WATCH, Forecast, Usual, forecast

START = datetime(2026, 3, 14, 3, 5, tzinfo=UTC)
ACTION = Action(
    40, "deploy", "v2.11.0", {}, "", ActionState.RUNNING, "ops_rw", START, started_at=START, step=1, steps=3
)
DONE, RUNNING, PENDING = StepState.DONE, StepState.RUNNING, StepState.PENDING


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def step(seq: int, state: StepState, start: float | None = None, end: float | None = None) -> Step:
    name = "abcdef"[seq - 1]
    return Step(
        seq,
        name,
        f"step {name}",
        "",
        state,
        started_at=None if start is None else at(start),
        ended_at=None if end is None else at(end),
    )


def usually(**seconds: tuple[float, float]) -> dict[str, Usual]:
    return {
        {"watch": WATCH}.get(name, name): Usual(timedelta(seconds=begins), timedelta(seconds=takes))
        for name, (begins, takes) in seconds.items()
    }


STEPS = (step(1, DONE, 0, 60), step(2, RUNNING, 60), step(3, PENDING))
USUAL = usually(a=(0, 30), b=(30, 100), c=(130, 40))


def spans(found: Forecast) -> list[tuple[float, float] | None]:
    return [
        None
        if row.start is None or row.end is None
        else ((row.start - START).total_seconds(), (row.end - START).total_seconds())
        for row in found.rows
    ]


def test_what_is_to_come_stands_behind_what_runs_for_as_long_as_it_took_before() -> None:
    found = forecast(ACTION, STEPS, USUAL, at(110))
    assert spans(found) == [(0, 60), (60, 160), (160, 200)]
    assert (found.step, found.steps, found.name) == (2, 3, "step b")
    # 60 done, half of 100: of 200.
    assert found.percent == 55
    assert found.eta == at(200) and found.left == timedelta(seconds=90)
    assert found.elapsed == timedelta(seconds=110)


def test_one_that_takes_longer_than_ever_ends_now_at_the_earliest() -> None:
    found = forecast(ACTION, STEPS, USUAL, at(400))
    assert spans(found) == [(0, 60), (60, 400), (400, 440)]
    assert found.eta == at(440) and found.percent < 99


def test_without_a_past_nothing_is_foretold() -> None:
    found = forecast(ACTION, STEPS, {}, at(110))
    assert spans(found) == [(0, 60), None, None]
    assert found.eta is None and found.left is None
    # One of three is over.
    assert found.percent == 33
    partly = forecast(ACTION, STEPS, usually(b=(30, 100)), at(110))
    assert spans(partly) == [(0, 60), (60, 160), None]
    assert partly.eta is None and partly.percent == 33


def test_after_one_without_a_past_nobody_knows_when_the_next_begins() -> None:
    found = forecast(ACTION, STEPS, usually(c=(130, 40)), at(110))
    assert spans(found) == [(0, 60), None, None]


def test_before_the_steps_are_read_those_that_are_over_are_counted() -> None:
    assert forecast(ACTION, (), USUAL, at(10)).percent == 33
    assert forecast(replace(ACTION, steps=0), (), USUAL, at(10)).percent == 0


def test_steps_that_ran_side_by_side_are_expected_to_do_so_again() -> None:
    """`b` and `c` overlapped in the past: `c` does not wait for `b`, `d` waits for both."""
    usual = usually(a=(0, 10), b=(10, 100), c=(12, 80), d=(115, 20))
    steps = (step(1, DONE, 0, 10), step(2, RUNNING, 10), step(3, PENDING), step(4, PENDING))
    assert spans(forecast(ACTION, steps, usual, at(20))) == [(0, 10), (10, 110), (20, 100), (110, 130)]
    both = (steps[0], steps[1], step(3, RUNNING, 12), steps[3])
    assert spans(forecast(ACTION, both, usual, at(20))) == [(0, 10), (10, 110), (12, 92), (110, 130)]


def test_the_watching_is_foretold_then_known_and_counts() -> None:
    usual = USUAL | usually(watch=(170, 300))
    found = forecast(ACTION, STEPS, usual, at(110))
    assert spans(found)[-1] == (200, 500) and found.eta == at(500)
    assert (found.step, found.steps) == (2, 3) and found.percent == 22

    steps = (STEPS[0], step(2, DONE, 60, 160), step(3, DONE, 160, 200))
    watching = replace(ACTION, state=ActionState.VERIFYING)
    assert spans(forecast(watching, steps, usual, at(210)))[-1] == (200, 500)
    seen = replace(watching, proof=Proof(comparison=Comparison(10, 5, at(200), at(400))))
    found = forecast(seen, steps, usual, at(300))
    assert spans(found)[-1] == (200, 400) and found.eta == at(400) and found.percent == 75
    assert (found.step, found.name) == (0, "watch")


def test_what_went_back_comes_after_a_watching_that_failed() -> None:
    bad = Compared("error_rate", "error rate", "%", 0.0, 2.0, 1.2, 3.0, 1.0, bad=True)
    ended = replace(
        ACTION,
        plan=Plan("", (PlannedStep("a", "step a"), PlannedStep("b", "step b"))),
        state=ActionState.FAILED,
        ended_at=at(290),
        proof=Proof("worse", comparison=Comparison(10, 5, at(200), at(400), (bad,))),
    )
    # The second one ran after the release had taken over, the third one was not planned.
    steps = (step(1, DONE, 0, 200), step(2, DONE, 201, 210), step(3, DONE, 260, 280))
    found = forecast(ended, steps, USUAL, at(9000))
    assert [row.title for row in found.rows] == ["step a", "step b", "watch", "step c"]
    assert spans(found)[2] == (200, 260) and found.rows[2].state is StepState.FAILED
    assert found.elapsed == timedelta(seconds=290) and found.eta is None


def test_as_long_as_no_step_is_read_there_is_no_row() -> None:
    seen = Comparison(10, 5, at(200), at(400))
    assert not forecast(replace(ACTION, proof=Proof(comparison=seen)), (), USUAL, at(210)).rows


@pytest.mark.parametrize("state", [ActionState.INTERRUPTED, ActionState.DONE])
def test_what_waits_or_is_over_has_no_end_to_come(state: ActionState) -> None:
    assert forecast(replace(ACTION, state=state), STEPS, USUAL, at(110)).eta is None


def test_one_that_is_done_is_done_whole() -> None:
    steps = (step(1, DONE, 0, 60), step(2, StepState.SKIPPED), step(3, DONE, 60, 61))
    done = replace(ACTION, state=ActionState.DONE, ended_at=at(70))
    assert forecast(done, steps, {}, at(100)).percent == 100


def test_what_goes_back_has_no_end_to_come_and_what_will_not_run_is_not_foretold() -> None:
    planned = Plan("", tuple(PlannedStep(name, f"step {name}") for name in "abc"))
    back = (step(1, DONE, 0, 60), step(2, StepState.FAILED, 60, 70), step(3, PENDING), step(4, RUNNING, 71))
    for state in (ActionState.RUNNING, ActionState.VERIFYING):
        found = forecast(
            replace(ACTION, plan=planned, state=state), back, USUAL | usually(watch=(170, 300)), at(80)
        )
        assert [row.title for row in found.rows] == ["step a", "step b", "step c", "step d"]
        assert (found.percent, found.eta, found.left, found.step) == (None, None, None, 0)
        assert found.name == "step d" and spans(found)[2] is None
        assert [row.never for row in found.rows] == [False, False, True, False]
    # Over, it has none that wait either.
    ended = replace(ACTION, plan=planned, state=ActionState.FAILED, ended_at=at(90))
    assert forecast(ended, back[:3], {}, at(9000)).rows[2].never
    assert not forecast(replace(ACTION, plan=planned), back[:3], USUAL, at(75)).rows[2].never


SECONDS = st.integers(1, 300)


@given(
    taken=st.lists(SECONDS, min_size=1, max_size=5),
    before=st.lists(st.none() | SECONDS, min_size=5, max_size=5),
    watch=st.none() | SECONDS,
    watched=SECONDS,
)
def test_the_percent_never_falls(
    taken: list[int], before: list[int | None], watch: int | None, watched: int
) -> None:
    """Whatever is known of the past, and however long it takes now."""
    usual = usually(**{"abcde"[i]: (0, s) for i, s in enumerate(before) if s is not None})
    usual |= usually(watch=(0, watch)) if watch is not None else {}
    ends = [sum(taken[: i + 1]) for i in range(len(taken))]
    seen: list[int] = []
    for second in range(0, ends[-1] + watched, 3):
        running = next((i for i, end in enumerate(ends) if second < end), None)
        steps = [
            step(i + 1, DONE, end - taken[i], end)
            if second >= end
            else step(i + 1, RUNNING, end - taken[i])
            if i == running
            else step(i + 1, PENDING)
            for i, end in enumerate(ends)
        ]
        action = replace(ACTION, step=running or 0, steps=len(steps))
        if running is None:
            proof = Proof(comparison=Comparison(10, 5, at(ends[-1]), at(ends[-1] + watched)))
            # It is known a moment later until when it is watched.
            action = replace(
                action, state=ActionState.VERIFYING, proof=proof if second > ends[-1] + 5 else None
            )
        percent = forecast(action, steps, usual, at(second)).percent
        assert percent is not None
        seen.append(percent)
    assert seen == sorted(seen) and seen[-1] <= 99
