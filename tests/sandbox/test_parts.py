"""The parts that need no process: limits, market, people, baseline."""

import ipaddress
import random
from pathlib import Path
from statistics import fmean, quantiles

import pytest

from console.sandbox import baseline, market, people, traffic
from console.sandbox.firewall import Firewall
from console.sandbox.kept import Kept
from console.sandbox.limits import LIMITS, BlockList, RateLimiter, plain_address


@pytest.mark.parametrize("family", sorted(LIMITS))
def test_a_bucket_gives_its_burst_and_then_its_rate(family: str) -> None:
    limiter, limit = RateLimiter(), LIMITS[family]
    given = [limiter.take(family, "a", 0.0) for _ in range(int(limit.burst) + 5)]
    assert given[: int(limit.burst)] == [0.0] * int(limit.burst) and all(
        w > 0 for w in given[int(limit.burst) :]
    )
    assert limiter.take(family, "b", 0.0) == 0
    assert limiter.take(family, "a", 1 / limit.per_second + 0.001) == 0
    assert limiter.take(family, "a", 1000.0) == 0


def test_a_block_list_knows_networks_of_both_families() -> None:
    blocked = BlockList()
    assert not blocked.refuses("203.0.113.7")
    blocked.replace([ipaddress.ip_network("203.0.113.0/28"), ipaddress.ip_network("2001:db8:1::/64")])
    assert blocked.refuses("203.0.113.7") and blocked.refuses("2001:db8:1::99")
    assert not blocked.refuses("203.0.113.70") and not blocked.refuses("2001:db8:2::1")
    blocked.replace([])
    assert not blocked.refuses("203.0.113.7")


@pytest.mark.parametrize(
    ("text", "plain"),
    [(" 203.0.113.7 ", "203.0.113.7"), ("::ffff:203.0.113.7", "203.0.113.7"), ("2001:DB8::0:1", "2001:db8::1"),
     ("1.2.3", None), ("", None), ("localhost", None)],
)  # fmt: skip
def test_addresses_have_one_form(text: str, plain: str | None) -> None:
    assert plain_address(text) == plain


def test_the_venue_is_below_its_thresholds_at_rest_and_above_in_the_drill() -> None:
    dice = random.Random(7)
    times = sorted(market.venue_ms(dice.random()) for _ in range(20_000))
    cuts = quantiles(times, n=100)
    assert 170 < fmean(times) < 190 and 300 < cuts[94] < 350 and cuts[98] < 470
    assert sum(t > 495 for t in times) / len(times) < 0.002
    assert cuts[94] * 3 > 500


def test_people_are_distinct_and_come_from_documentation_addresses() -> None:
    everybody = people.everybody()
    documented = [ipaddress.ip_network(n) for n in ("198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")]
    assert len({p.id for p in everybody}) == len({p.email for p in everybody}) == people.POPULATION
    for person in everybody:
        address = ipaddress.ip_address(person.address)
        assert any(address.version == n.version and address in n for n in documented)
    assert len({p.address for p in everybody}) > 700
    attackers = [f"203.0.113.{n}" for n in range(200, 256)]
    assert not {p.address for p in everybody} & set(attackers)


@pytest.mark.parametrize("rate", [1, 20, 60, 127])
def test_no_rate_makes_ordinary_people_look_rapid(rate: float) -> None:
    """50 orders in an hour that runs ten times as fast (360 s) is what a detector calls rapid."""
    assert rate * 360 / traffic.traders(rate) < 40
    assert traffic.traders(rate) <= people.POPULATION - people.RESERVED


def test_the_host_is_calm_without_a_drill() -> None:
    moments = range(1_750_000_000, 1_750_000_000 + 26 * 3600, 30)
    assert all(20 < baseline.cpu_pct(t) < 70 for t in moments)
    assert all(50 < baseline.memory_pct(t) < 80 for t in moments)
    assert all(30 < baseline.disk_pct(t) < 40 for t in moments)


def test_prices_stay_near_their_base() -> None:
    for symbol in market.SYMBOLS:
        assert all(
            abs(market.price(symbol, t) / symbol.base_price - 1) < 0.011 for t in range(0, 90_000, 977)
        )


def test_a_pause_that_is_there_already_writes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    firewall = Firewall(Kept(str(file)))
    assert firewall.pause(False) is False and not file.exists()
    assert firewall.pause(True) is True and file.stat().st_mode & 0o777 == 0o600
    assert Firewall(Kept(str(file))).paused
