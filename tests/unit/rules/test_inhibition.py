"""Which alert explains which."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.domain.event import Severity
from console.rules import alerting_file
from console.rules.inhibition import Firing, Inhibition, Term, inhibited, inhibitor

CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO
SHIPPED = alerting_file.load().inhibitions


def firing(
    rule: str, severity: Severity = WARNING, *metrics: str, type: str = "CUSTOM", origin: str = ""
) -> Firing:
    return Firing(rule, type, severity, frozenset(metrics), origin)


def term(**patterns: str) -> Term:
    return Term(tuple((label, (pattern,)) for label, pattern in patterns.items()))


def by(*alerts: Firing, using: tuple[Inhibition, ...] = SHIPPED) -> dict[str, str]:
    found = dict(inhibited(alerts, alerts, using))
    assert found == {a.rule: one for a in alerts if (one := inhibitor(a, alerts, using))}
    return found


DATABASE = firing("Database Connection Failure", CRITICAL, "database_status", type="DATABASE_FAILURE")
PROBE = firing("probe:database", CRITICAL, "database_status", type="PROBE_FAILURE", origin="probe:database")
ORDERS = firing("Order Execution Failure", CRITICAL, "error_rate", origin="sql:orders")
ERRORS = firing("High Error Rate", WARNING, "error_rate", origin="sql:orders")
SLOW = firing("High Order Latency", WARNING, "avg_execution_time", origin="sql:orders")
POOL = firing(
    "threshold:connection_pool_pct",
    WARNING,
    "connection_pool_pct",
    type="PERFORMANCE_THRESHOLD",
    origin="sql:server",
)
ASKED = firing("collection:error_rate", WARNING, "error_rate", type="COLLECTION_FAILURE", origin="sql:orders")
CPU = firing("threshold:cpu_usage", WARNING, "cpu_usage", type="PERFORMANCE_THRESHOLD", origin="scrape")


def test_a_database_that_is_down_explains_what_depends_on_it() -> None:
    assert by(DATABASE, PROBE, ORDERS, ERRORS, SLOW, POOL, ASKED, CPU) == {
        a.rule: DATABASE.rule for a in (PROBE, ORDERS, ERRORS, SLOW, POOL, ASKED)
    }


def test_its_probe_explains_it_as_well() -> None:
    assert by(PROBE, ORDERS, POOL, CPU) == {ORDERS.rule: PROBE.rule, POOL.rule: PROBE.rule}


def test_a_database_that_is_degraded_explains_nothing() -> None:
    assert (
        by(firing("probe:database", WARNING, "database_status", origin="probe:database"), ORDERS, POOL) == {}
    )


def test_a_platform_that_is_down_explains_what_is_not_collected_from_it() -> None:
    down = firing("probe:platform", CRITICAL, "platform_status", type="PROBE_FAILURE")
    scraped = firing("collection:cpu_usage", type="COLLECTION_FAILURE", origin="scrape")
    asked = firing("collection:uptime_s", type="COLLECTION_FAILURE", origin="http:/health")
    assert by(down, scraped, asked, ASKED, CPU) == {scraped.rule: down.rule, asked.rule: down.rule}


@pytest.mark.parametrize(
    ("named", "generated", "held"),
    [
        (WARNING, WARNING, True),
        (CRITICAL, WARNING, True),
        (WARNING, CRITICAL, False),
        (INFO, WARNING, False),
    ],
)
def test_a_named_rule_holds_a_threshold_on_its_metric_back(
    named: Severity, generated: Severity, held: bool
) -> None:
    capacity = firing("Capacity Warning", named, "cpu_usage", "memory_usage")
    threshold = firing("threshold:cpu_usage", generated, "cpu_usage")
    other = firing("threshold:disk_usage", generated, "disk_usage")
    assert by(capacity, threshold, other) == ({threshold.rule: capacity.rule} if held else {})


def test_one_threshold_does_not_hold_another_back() -> None:
    assert by(firing("threshold:a", CRITICAL, "a"), firing("probe:a", WARNING, "a")) == {}


def test_of_collections_that_fail_for_one_reason_the_first_stands() -> None:
    orders = [firing(f"collection:{n}", origin="sql:orders") for n in ("b", "a", "c")]
    other = firing("collection:d", origin="sql:server")
    derived = [
        firing(f"collection:{n}", origin=origin)
        for n, origin in (("e", "derived"), ("f", "derived"), ("g", ""), ("h", ""))
    ]
    assert by(*orders, other, *derived) == {"collection:b": "collection:a", "collection:c": "collection:a"}


def test_what_is_pending_explains_nothing_and_is_explained() -> None:
    assert inhibitor(ORDERS, [DATABASE], SHIPPED) == DATABASE.rule
    assert inhibitor(DATABASE, [ORDERS], SHIPPED) is None
    assert inhibitor(ORDERS, [], SHIPPED) is None


def test_nothing_inhibits_itself() -> None:
    everything = Inhibition("x", (term(rule="*"),), (term(rule="*"),))
    assert by(ORDERS, using=(everything,)) == {}


def test_in_a_circle_nothing_quietens_what_is_worse() -> None:
    circle = (
        Inhibition("1", (term(rule="a"),), (term(rule="b"),)),
        Inhibition("2", (term(rule="b"),), (term(rule="c"),)),
        Inhibition("3", (term(rule="c"),), (term(rule="a"),)),
    )
    alerts = (firing("a"), firing("b", CRITICAL), firing("c"))
    assert by(*alerts, using=circle) == {"c": "b"}
    both = (*circle[:1], Inhibition("4", (term(rule="b"),), (term(rule="a"),)))
    assert by(firing("a"), firing("b"), using=both) == {"b": "a"}


def test_all_labels_of_a_term_must_match_each_by_any_pattern() -> None:
    two = Term(
        (("rule", ("x*", "y")), ("origin", ("sql:*",)), ("severity", ("warning",)), ("metric", ("b",)))
    )
    assert two.matches(firing("xy", WARNING, "a", "b", origin="sql:orders"))
    assert not two.matches(firing("xy", WARNING, "a", origin="sql:orders"))
    assert not two.matches(firing("xy", CRITICAL, "b", origin="sql:orders"))
    assert not two.matches(firing("z", WARNING, "b", origin="sql:orders"))
    assert not two.matches(firing("y", WARNING, "b", origin="scrape"))


NAMES = ("a", "b", "c", "d", "threshold:m", "probe:m", "collection:a", "collection:b")


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(NAMES), st.sampled_from([CRITICAL, WARNING, INFO])),
        unique_by=lambda p: p[0],
        min_size=1,
    ),
    st.lists(st.tuples(st.sampled_from([*NAMES, "*"]), st.sampled_from([*NAMES, "*"])), max_size=12),
)
def test_behind_every_quiet_alert_stands_one_that_is_not(
    alerts: list[tuple[str, Severity]], pairs: list[tuple[str, str]]
) -> None:
    found = [firing(name, severity, "m", origin="sql:x") for name, severity in alerts]
    rules = tuple(Inhibition("", (term(rule=source),), (term(rule=target),)) for source, target in pairs)
    quiet = inhibited(found, found, rules)
    for name in quiet:
        chain = [name]
        while chain[-1] in quiet:
            chain.append(quiet[chain[-1]])
            assert len(chain) == len(set(chain)), "a circle"
        assert chain[-1] in {a.rule for a in found}
    assert set(quiet.values()) <= {a.rule for a in found}
    for permuted in itertools.islice(itertools.permutations(found), 6):
        assert inhibited(permuted, permuted, rules) == quiet, "the order in which they come decides nothing"
