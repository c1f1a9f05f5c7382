"""The specification's runbooks and checklists, item by item: each line names one of its items, the text that stands for
it here, and what the console does about it."""

from datetime import timedelta

import pytest

from console.domain.book import BLANKS, PARTS, Checklist, Runbook, Step, Template
from tests.runbooks.words import SHELF

CONNECTIVITY = "database_connectivity"
NO_VULNERABILITY = "vulnerabilities_critical == 0 and vulnerabilities_high == 0"
MINUTE = timedelta(minutes=1)
ORDERS, BREACH = "order-execution-failure", "security-breach"

# Of which runbook and part; the specification's item; words of the text here; what the step does.
STEPS = [
    (ORDERS, "immediate", "check system health dashboard", "platform's health", ("screen", 1)),
    (ORDERS, "immediate", "verify database connectivity", "database can be reached", ("check", CONNECTIVITY)),
    (ORDERS, "immediate", "check Edge Function logs", "functions' logs", None),
    (ORDERS, "immediate", "review recent deployments", "latest deployments", ("screen", 7)),
    (ORDERS, "investigation", "analyze error logs for patterns", "in common", ("screen", 4)),
    (ORDERS, "investigation", "database query performance", "database's queries", ("metric", "database_query_time")),
    (ORDERS, "investigation", "external API availability", "outside providers", ("metric", "external_apis_latency_ms")),
    (ORDERS, "investigation", "review user feedback", "what customers report", None),
    (ORDERS, "resolution", "database issue: failover", "let the replica serve", ("action", "failover")),
    (ORDERS, "resolution", "Edge Function issue: rollback", "go back to the release", ("action", "rollback")),
    (ORDERS, "resolution", "external API: backup provider", "from another one", ("action", "switch_provider")),
    (ORDERS, "resolution", "clear cache if needed", "clear it", ("action", "clear_cache")),
    (BREACH, "immediate", "block suspicious IPs", "Block the addresses", ("action", "block_ip")),
    (BREACH, "immediate", "suspend affected accounts", "Suspend the accounts", ("action", "suspend_account")),
    (BREACH, "immediate", "enable enhanced monitoring", "Log in more detail", ("action", "enhanced_monitoring_on")),
    (BREACH, "immediate", "notify security team", "Tell the security team", None),
    (BREACH, "investigation", "analyze access logs", "access logs", ("screen", 8)),
    (BREACH, "investigation", "review user activity patterns", "what they usually do", None),
    (BREACH, "investigation", "check for data exfiltration", "data that has left", None),
    (BREACH, "investigation", "verify system integrity", "nothing was changed", ("check", "db.rls")),
    (BREACH, "resolution", "additional security measures", "Tighten the limits", ("action", "security_protocols_on")),
    (BREACH, "resolution", "reset affected user passwords", "new password", ("action", "reset_password")),
    (BREACH, "resolution", "update security policies", "change the policies", None),
    (BREACH, "resolution", "conduct security review", "Review what this showed", None),
]  # fmt: skip
# Words of a symptom, and rules and metrics of which one must show it; none where only people can.
SYMPTOMS = [
    (
        *(ORDERS, "error rate > 5 % for 2+ minutes", "More than 5 % of orders fail, for two minutes"),
        {"Order Execution Failure", "High Error Rate", "error_rate"},
    ),
    (ORDERS, "user complaints about order failures", "Customers report", set()),
    (
        *(ORDERS, "high latency in order processing", "far longer than usual"),
        {"High Order Latency", "avg_execution_time"},
    ),
    (
        *(BREACH, "unusual access patterns", "Access that does not fit"),
        {"Security Breach Detection", "active_threats"},
    ),
    (BREACH, "failed authentication spikes", "more log-ins fail", {"Security Breach Detection"}),
    (
        *(BREACH, "suspicious trading activity", "Orders that no person would place"),
        {"open_warning_findings"},
    ),
]
LADDERS = {
    ORDERS: [("Technical team", 0, 5), ("Engineering manager", 5, 15), ("CTO", 15, 30)],
    BREACH: [("Security team", 0, None), ("Management", 5, 10), ("Legal and compliance", 10, 30)],
}
LISTS = {
    "daily-health-checks": [
        ("review system health dashboard", "platform's health", ("evidence", "health")),
        ("check overnight alerts", "alerts of the night", ("evidence", "alerts")),
        ("verify backup completion", "backup was made", ("check", "db.backups")),
        ("review performance trends", "trends of the main figures", ("evidence", "trends")),
    ],
    "weekly-maintenance": [
        ("update security patches", "security updates", None),
        ("review and rotate logs", "the logs, and rotate", None),
        ("performance optimization review", "could be faster", ("metric", "p95_execution_time")),
        ("security vulnerability scan", "known vulnerabilities", ("holds", NO_VULNERABILITY)),
    ],
    "monthly-reviews": [
        ("capacity planning review", "room that is left", ("metric", "cpu_usage")),
        ("security audit", "Audit security", ("screen", 8)),
        ("performance benchmarking", "how fast the platform is", ("metric", "performance_score")),
        ("disaster recovery test", "recovery from a disaster", None),
    ],
}  # fmt: skip


def runbook(name: str) -> Runbook:
    return next(book for book in SHELF.books if isinstance(book, Runbook) and book.name == name)


def checklist(name: str) -> Checklist:
    return next(book for book in SHELF.books if isinstance(book, Checklist) and book.name == name)


def does(step: Step) -> tuple[str, object] | None:
    done = [
        (what, getattr(step, what)) for what in ("action", "check", "screen", "metric", "holds", "evidence")
    ]
    return next(((what, value) for what, value in done if value), None)


def test_all_that_ships_is_good() -> None:
    assert SHELF.broken == ()
    assert len([book for book in SHELF.books if isinstance(book, Runbook)]) == 5
    assert [b.name for b in SHELF.books if isinstance(b, Checklist)] == [
        *("daily-health-checks", "night-hand-over", "weekly-maintenance", "monthly-reviews"),
    ]


def test_every_specified_step_is_there_in_its_order() -> None:
    for name in (ORDERS, BREACH):
        for part in PARTS:
            wanted = [(words, done) for book, where, _, words, done in STEPS if (book, where) == (name, part)]
            steps = [step for step in runbook(name).steps if step.part == part]
            assert len(wanted) == 4
            for (words, done), step in zip(wanted, steps, strict=False):
                assert (words in step.text, does(step)) == (True, done), step.text


@pytest.mark.parametrize(("name", "item", "words", "shown"), SYMPTOMS)
def test_every_specified_symptom_is_there_and_linked(
    name: str, item: str, words: str, shown: set[str]
) -> None:
    (found,) = [each for each in runbook(name).symptoms if words in each.text]
    assert shown <= {*found.rules, *found.metrics}, item


def test_the_ladders_are_the_specified_ones() -> None:
    for name, wanted in LADDERS.items():
        told = [(r.who, r.after / MINUTE, r.deadline and r.deadline / MINUTE) for r in runbook(name).ladder]
        assert told == wanted


def test_the_rules_that_open_incidents_lead_to_their_runbook() -> None:
    for rule, metric in (
        ("Order Execution Failure", "error_rate"),
        ("Database Connection Failure", "database_status"),
        ("High Error Rate", "error_rate"),
        ("High Order Latency", "avg_execution_time"),
    ):
        assert runbook(ORDERS).shows(rule, metric)
        assert not runbook(BREACH).shows(rule, metric)
    assert runbook(BREACH).shows("Security Breach Detection", None)
    assert not runbook(ORDERS).shows("Security Breach Detection", None)


def test_every_specified_item_of_the_checklists_is_there() -> None:
    for name, wanted in LISTS.items():
        items = checklist(name).items
        assert len(items) == len(wanted) == 4
        for (item, words, done), step in zip(wanted, items, strict=True):
            assert (words in step.text, does(step)) == (True, done), item


def test_checklists_come_back_as_specified() -> None:
    assert [(checklist(n).rhythm, checklist(n).rule, checklist(n).at) for n in LISTS] == [
        ("daily", "FREQ=DAILY", "09:00"),
        ("weekly", "FREQ=WEEKLY;BYDAY=MO", "11:00"),
        ("monthly", "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1", "14:00"),
    ]


def test_what_a_step_starts_is_asked_for_with_what_this_installation_has() -> None:
    runbooks = [book for book in SHELF.books if isinstance(book, Runbook)]
    assert sum(bool(step.action) for book in runbooks for step in book.steps) >= 10
    assert not any(step.params for book in runbooks for step in book.steps)


def test_every_runbook_says_in_words_for_customers_what_they_notice() -> None:
    for book in SHELF.books:
        if isinstance(book, Runbook):
            assert book.customers and not set(book.customers) & set("0123456789%"), book.name


def test_there_is_a_template_for_everybody_at_each_stage() -> None:
    templates = [book for book in SHELF.books if isinstance(book, Template)]
    assert [(each.audience, each.kind) for each in templates] == [
        *(("internal", "initial"), ("internal", "update"), ("internal", "final")),
        *(("customer", "initial"), ("customer", "update"), ("customer", "final")),
    ]
    assert all(bool(each.again) == (each.kind != "final") for each in templates)
    assert all("{{ next_update }}" not in each.text for each in templates if each.kind == "final")
    used = {name for name in BLANKS for each in templates if f"{{{{ {name} }}}}" in each.text}
    assert used == set(BLANKS)
