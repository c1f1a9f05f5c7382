from datetime import UTC, datetime

from console.domain.health import Check, Overall, Status, Verdict
from console.domain.verdict import overall

AT = datetime(2026, 3, 1, tzinfo=UTC)
NAMES = ("database", "cache", "external_apis", "edge_functions", "edge_functions/a", "websocket", "platform")


def checks(**bad: Status) -> list[Check]:
    return [Check(n, bad.get(n.replace("/", "_"), Status.OK), 1.0, "said so", AT) for n in NAMES]


def verdict(checks_: list[Check], **more: object) -> Verdict:
    given = {"error_rate_pct": 0.1, "critical": (), "warning": (), "stale": False} | more
    return overall(checks_, **given).verdict  # type: ignore[arg-type]


def test_all_well_is_healthy() -> None:
    assert verdict(checks()) is Verdict.HEALTHY


def test_old_data_is_unknown_whatever_it_says() -> None:
    assert verdict(checks(database=Status.DOWN), stale=True) is Verdict.UNKNOWN


def test_no_data_is_unknown() -> None:
    assert verdict([]) is Verdict.UNKNOWN


def test_the_database_down_is_down() -> None:
    assert verdict(checks(database=Status.DOWN)) is Verdict.DOWN


def test_half_of_the_components_down_is_down_and_the_sum_of_functions_is_no_component() -> None:
    bad = {"cache": Status.DOWN, "websocket": Status.DOWN, "edge_functions": Status.DOWN}
    assert verdict(checks(**bad)) is Verdict.DEGRADED
    assert verdict(checks(**bad, edge_functions_a=Status.DOWN)) is Verdict.DOWN


def test_an_error_rate_of_half_is_down() -> None:
    assert verdict(checks(), error_rate_pct=50.0) is Verdict.DOWN
    assert verdict(checks(), error_rate_pct=None) is Verdict.HEALTHY


def test_critical_goes_before_degraded() -> None:
    assert verdict(checks(cache=Status.DEGRADED), critical=["p95 512 ms"]) is Verdict.CRITICAL
    assert verdict(checks(cache=Status.DEGRADED)) is Verdict.DEGRADED
    assert verdict(checks(), warning=["cpu 81 %"]) is Verdict.DEGRADED


def test_the_reason_names_the_worst_component_first() -> None:
    found = overall(
        checks(cache=Status.DEGRADED, websocket=Status.DOWN),
        error_rate_pct=None,
        critical=(),
        warning=(),
        stale=False,
    )
    assert found.reason == "websocket down: said so and 1 more"


def test_what_people_do_is_critical_and_hides_nothing_of_the_platform() -> None:
    glass = {"people": ["alice broke the glass"]}
    given = {"error_rate_pct": 0.1, "critical": (), "warning": (), "stale": False} | glass
    assert overall(checks(), **given) == Overall(  # type: ignore[arg-type]
        Verdict.CRITICAL, "alice broke the glass; all 6 components answer"
    )
    found = overall(checks(cache=Status.DOWN), **given)  # type: ignore[arg-type]
    assert found.reason == "alice broke the glass; cache down: said so"
    assert verdict(checks(database=Status.DOWN), **glass) is Verdict.DOWN
    assert verdict(checks(), **glass | {"stale": True}) is Verdict.UNKNOWN
