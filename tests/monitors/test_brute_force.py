"""The detector against a reference that looks at every window anew."""

import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.domain.finding import LISTED
from console.monitors.brute_force import Attack, Attempt, BruteForce, Rule

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
S = timedelta(seconds=1)
RULE = Rule()


def failures(*seconds: float, source: str = "203.0.113.7", first: int = 0, user: str = "") -> list[Attempt]:
    return [
        Attempt(NOON + t * S, str(first + n), source, True, user or f"u{n}") for n, t in enumerate(seconds)
    ]


def success(second: float, user: str, source: str = "203.0.113.7") -> Attempt:
    return Attempt(NOON + second * S, f"s{second}", source, False, user)


def found(attempts: Iterable[Attempt], now: float, rule: Rule = RULE) -> dict[str, Attack]:
    detector = BruteForce(rule, NOON - 3600 * S)
    detector.feed(attempts, NOON + now * S)
    return dict(detector.attacks())


# --- the reference ----------------------------------------------------------------------------------------------------


def reference(attempts: Iterable[Attempt], rule: Rule) -> dict[str, Attack]:
    """The newest attack of each source, from all attempts that count, each once: every window is counted anew."""
    out: dict[str, Attack] = {}
    ordered = sorted(set(attempts))
    for source in {a.source for a in ordered}:
        own = [a for a in ordered if a.source == source]
        counted: list[Attempt] = []
        users: list[str] = []
        affected: list[str] = []
        number = peak = 0
        first = crossed = last = None
        for place, attempt in enumerate(own):
            window = [a for a in own[: place + 1] if a.failed and attempt.at - a.at <= rule.window]
            over = last is None or attempt.at - last > rule.window + rule.again
            if not attempt.failed:
                if crossed is not None and not over and attempt.user and attempt.user not in affected:
                    affected.append(attempt.user)
                continue
            if last is not None and attempt.at - last <= rule.window:
                counted.append(attempt)
            elif len(window) >= rule.threshold:
                if over:
                    number, peak, counted, users, affected = number + 1, 0, [], [], []
                    first, crossed = window[0].at, attempt.at
                counted += window
            else:
                continue
            last = attempt.at
            peak = max(peak, len(window))
            users += [a.user for a in counted if a.user and a.user not in users]
        if first is not None and crossed is not None and last is not None:
            users = list(dict.fromkeys(a.user for a in counted if a.user))
            out[source] = Attack(
                number, first, crossed, last, len(counted), peak, tuple(users), False, tuple(affected)
            )
    return out


SMALL = Rule(threshold=4, window=30 * S, again=90 * S, overlap=12 * S)
"""Short enough that a sequence has everything: attacks, silence, attacks again, and attacks that are over."""


def play(dice: random.Random, rule: Rule) -> None:
    """One random sequence in batches, with late and doubled ones, looked at after each batch; and once in a while
    another detector goes on from what is settled."""
    detector = BruteForce(rule, NOON)
    came: set[Attempt] = set()
    now, held, number = NOON, [], 0
    for _ in range(dice.randint(1, 25)):
        now += dice.choice((1, 3, 10, 10, 40, 200)) * dice.random() * S
        for _ in range(dice.choice((0, 1, 2, 5, 9))):
            number += 1
            ago = dice.choice((0, 2, 11, 13)) * dice.random()
            # Whole seconds now and then, so that times are equal and windows exactly full.
            at = now - (round(ago) if dice.random() < 0.3 else ago) * S
            at = at.replace(microsecond=0) if dice.random() < 0.5 else at
            held.append(
                Attempt(
                    at,
                    str(number),
                    dice.choice("aab"),
                    dice.random() < 0.85,
                    dice.choice(("", "u1", "u2", "u3", "u4")),
                )
            )
        late = [a for a in held if dice.random() < 0.2]
        batch = [a for a in held if a not in late]
        held = late
        batch += dice.sample(sorted(came), min(len(came), dice.randint(0, 3)))
        dice.shuffle(batch)
        came |= {a for a in batch if a.at > detector.settled}
        detector.feed(batch, now)
        if dice.random() < 0.2:
            compare(detector, came, now, rule)
        if dice.random() < 0.3:
            detector.forget(lambda _: False)
        if dice.random() < 0.1:
            detector = handed_over(detector, came, rule)
    compare(detector, came, now, rule)


def compare(detector: BruteForce, came: set[Attempt], now: datetime, rule: Rule) -> None:
    expected, seen = (
        {
            source: replace(attack, number=0)
            for source, attack in attacks.items()
            if detector.settled - attack.last_at <= rule.window + rule.again
        }
        for attacks in (reference(came, rule), dict(detector.attacks()))
    )
    assert seen == expected
    for attack in seen.values():
        assert detector.attacking(attack, now) == (now - attack.last_at <= rule.window)


def handed_over(before: BruteForce, came: set[Attempt], rule: Rule) -> BruteForce:
    """Another one that knows what a store keeps, and reads the rest again."""
    known = {source: before.base(source) for source, _ in before.attacks()}
    after = BruteForce(rule, before.settled, known)
    rows = [a for a in came if a.at > before.settled - rule.window]
    after.warm(rows)
    after.feed(rows, before.settled)
    return after


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False))
def test_it_finds_what_a_look_at_every_window_finds(dice: random.Random) -> None:
    play(dice, SMALL)


@pytest.mark.parametrize("block", range(4))
def test_it_finds_so_in_three_thousand_sequences(block: int) -> None:
    for seed in range(block * 725, block * 725 + 725):
        play(random.Random(seed), SMALL)


# --- what the rule says, one by one -----------------------------------------------------------------------------------


def test_ten_within_a_window_are_an_attack_and_nine_are_none() -> None:
    assert found(failures(*range(0, 270, 30)), 300) == {}
    attack = found(failures(*range(0, 300, 30)), 300)["203.0.113.7"]
    assert (attack.count, attack.peak, attack.first_at, attack.attack_at, attack.last_at) == (
        10, 10, NOON, NOON + 270 * S, NOON + 270 * S,
    )  # fmt: skip
    assert attack.users == tuple(f"u{n}" for n in range(10))


def test_both_ends_of_a_window_belong_to_it() -> None:
    spread = [0.0] + [150.0] * 8
    assert found(failures(*spread, 300), 301) != {}
    assert found(failures(*spread, 300.000001), 301) == {}


def test_a_row_that_comes_twice_counts_once() -> None:
    nine = failures(*range(9))
    assert found([*nine, *nine], 300) == {}
    again = BruteForce(RULE, NOON - 3600 * S)
    for _ in range(3):
        again.feed(nine, NOON + 10 * S)
    assert list(again.attacks()) == []


def test_a_late_row_counts_until_it_is_later_than_the_overlap() -> None:
    rows = failures(*range(20))
    detector = BruteForce(RULE, NOON - 3600 * S)
    detector.feed(rows[:9] + rows[10:], NOON + 30 * S)
    assert dict(detector.attacks())["203.0.113.7"].count == 19
    detector.feed([rows[9]], NOON + 38 * S)
    assert dict(detector.attacks())["203.0.113.7"].count == 20
    assert detector.settled == NOON + 8 * S
    detector.feed(failures(7.5, first=100), NOON + 39 * S)
    assert dict(detector.attacks())["203.0.113.7"].count == 20


def test_after_silence_it_grows_on_within_an_hour_and_begins_anew_later() -> None:
    first = failures(*range(10))
    at = 9 + 300 + 3600
    soon = failures(*[at - 9 + n for n in range(10)], first=100)
    one = found([*first, *soon], at)["203.0.113.7"]
    assert (one.number, one.first_at, one.count) == (1, NOON, 20)
    late = failures(*[at - 8 + n for n in range(10)], first=100)
    two = found([*first, *late], at + 1)["203.0.113.7"]
    assert (two.number, two.first_at, two.count) == (2, NOON + (at - 8) * S, 10)


def test_a_mistake_in_the_silence_is_no_attack() -> None:
    quiet = found([*failures(*range(10)), *failures(1000, 2000, first=50)], 2001)["203.0.113.7"]
    assert (quiet.count, quiet.last_at) == (10, NOON + 9 * S)
    assert not BruteForce(RULE, NOON).attacking(quiet, NOON + 310 * S)


def test_affected_is_who_entered_after_the_attack_and_nobody_else() -> None:
    attempts = [
        *failures(*range(0, 100, 10), user="victim"),
        success(5, "early"),
        success(91, "later"),
        success(92, "later"),
        success(93, "elsewhere", source="203.0.113.8"),
        success(90 + 300 + 3600, "in time"),
        success(90 + 300 + 3601, "too late"),
    ]
    attack = found(attempts, 5000)["203.0.113.7"]
    assert attack.users == ("victim",)
    assert attack.affected == ("later", "in time")


def test_of_very_many_accounts_the_first_are_kept() -> None:
    attack = found(failures(*[n / 10 for n in range(LISTED + 50)]), 60)["203.0.113.7"]
    assert (attack.count, len(attack.users), attack.users_more) == (LISTED + 50, LISTED, True)
    exactly = found(failures(*[n / 10 for n in range(LISTED)], 59, first=0)[:LISTED], 60)["203.0.113.7"]
    assert (len(exactly.users), exactly.users_more) == (LISTED, False)


def test_what_is_held_does_not_grow_with_history() -> None:
    detector = BruteForce(SMALL, NOON - S)
    sizes = []
    for minute in range(200):
        rows = failures(*[minute * 60 + n for n in range(60)], first=minute * 60)
        rows += failures(
            *[minute * 60 + n for n in range(60)], source=f"s{minute}", first=10**6 + minute * 60
        )
        detector.feed(rows, NOON + (minute + 1) * 60 * S)
        list(detector.attacks())
        detector.forget(lambda _: False)
        sizes.append((detector.size, sum(f"s{n}" in detector for n in range(200))))
    assert max(sizes[5:]) <= max(sizes[:5])
    assert dict(detector.attacks())["203.0.113.7"].count == 12_000


def test_an_attack_keeps_its_number_when_the_one_before_is_forgotten() -> None:
    detector = BruteForce(SMALL, NOON)
    detector.feed(failures(*range(1, 11)), NOON + 20 * S)
    detector.feed([], NOON + 2000 * S)
    detector.feed(failures(*range(2001, 2011), first=100), NOON + 2011 * S)
    for _ in range(2):
        assert {s: (a.number, a.count) for s, a in detector.attacks()} == {"203.0.113.7": (2, 10)}
        detector.forget(lambda _: False)


def test_a_wanted_attack_is_not_forgotten() -> None:
    detector = BruteForce(SMALL, NOON)
    detector.feed(failures(*range(1, 11)), NOON + 20 * S)
    detector.feed([], NOON + 2000 * S)
    detector.forget(lambda source: source == "203.0.113.7")
    assert dict(detector.attacks())["203.0.113.7"].count == 10
    detector.forget(lambda _: False)
    assert "203.0.113.7" not in detector
