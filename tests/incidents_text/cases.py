"""An incident as it may be, and text that nobody should be able to do harm with."""

from dataclasses import replace
from datetime import datetime, timedelta

from console.domain.action import Action, ActionState, Fact, Proof
from console.domain.alert import Alert, Phase
from console.domain.book import Done, Mark, Marked, Step
from console.domain.event import Event, Severity
from console.domain.incident import Attached, Entry, FollowUp, Incident, Role, Update
from console.domain.metric import MetricSpec, Series
from tests.store.stores import NOON

HOSTILE = (
    "# heading",
    "{{ title }}",
    "a\n# heading\r\n- list\n\n---\n```",
    "\x1b]52;c;aGk=\x07\x1b[2J[@click=app.quit]x[/]\u202e",
    "---",
    "1. first",
    "> quote",
    "| a | b |",
    "a \\| b | c \\\\| d",
    "```sh",
    "<script>",
    "[x]: http://e.example",
    "x" * 10_000,
)
RATE = MetricSpec("error_rate", "Error rate", "%", "orders", "sql", "", decimals=2, warning=1, critical=5)


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


ALERT = Alert(
    *(7, "High Error Rate", "ERROR_RATE", Severity.WARNING, "investigate_errors", Phase.RESOLVED),
    *("error_rate > 5%", "Error rate is 8.00 %, over 5 %", at(-2), at(30)),
    metric="error_rate",
    unit="%",
    limit=5.0,
    value=0.4,
    peak=12.34,
    peak_at=at(6),
    fired_at=at(0),
    resolved_at=at(25),
)
STEPS = (
    Marked(1, Step("Look at the orders"), Mark(Done.DONE, "alice", at(2), "all of one symbol")),
    Marked(2, Step("Call the provider"), Mark(Done.SKIPPED, "bob", at(3), "they called us")),
    Marked(3, Step("Fail over"), Mark(Done.DONE, "alice", at(10), action_id=31)),
    Marked(4, Step("Tell everybody")),
)
CLOSED = Incident(
    *(12, "Orders fail", 1, at(1), "a1", at(0)),
    acknowledged_at=at(1.5),
    acknowledged_by="alice",
    mitigated_at=at(12),
    mitigated_by="bob",
    closed_at=at(40),
    closed_by="bob",
    resolution="The provider sent prices of yesterday.\n\n- switched over\n- switched back",
    roles={Role.COMMANDER: "bob", Role.TECHNICAL: "alice"},
    alerts=(7,),
    runbooks=(Attached(1, "order-execution-failure", "Order Execution Failure", STEPS),),
    follow_ups=(
        FollowUp(1, "Check prices for their age", "alice", "bob", at(39)),
        FollowUp(2, "Thank the provider", "", "bob", at(39)),
        FollowUp(3, "Lower the limit", "bob", "bob", at(39), "bob", at(39.5)),
    ),
    updates=(Update(1, "customer-final", "customer", "final", "All is **well** again.", "vera", at(41)),),
)
BARE = Incident(13, "Something is odd", 3, at(1), "alice", at(1))
FAILOVER = Action(
    *(31, "failover", "replica", {}, "it is the primary", ActionState.DONE, "alice", at(8)),
    words="failed over",
    confirmed_at=at(9),
    proof=Proof("proved", "it got better", (Fact("error rate", "12.10 % before, 0.40 % after"),)),
)
ENTRIES = (
    Entry(Event(1, at(-10), "deployment", Severity.INFO, "v2", "v2 is live", "bob")),
    Entry(Event(2, at(0), "alert", Severity.WARNING, "High Error Rate", "High Error Rate fires", "a1")),
    Entry(
        Event(3, at(4), "note", Severity.INFO, "INC-12", "It is EURUSD alone", "alice"),
        12,
        "It is EURUSD alone\n\n```\n12:04 stale price\n",
    ),
    Entry(
        Event(4, at(12), "incident", Severity.OK, "INC-12", "bob says that the harm has stopped", "bob"), 12
    ),
)


def series(*values: float | None, start: datetime = NOON, step_s: float = 60) -> Series:
    return Series(start, step_s, values)


def hostile(text: str) -> Incident:
    """An incident with this text everywhere."""
    note = Mark(Done.DONE, text, at(2), text)
    book = Attached(1, text, text, (Marked(1, Step(text), note), Marked(2, Step(text))))
    return replace(
        CLOSED,
        title=text,
        opened_by=text,
        closed_by=text,
        acknowledged_by=text,
        resolution=text,
        roles={Role.COMMANDER: text},
        runbooks=(book,),
        follow_ups=(FollowUp(1, text, text, text, at(3)),),
        updates=(Update(1, text, text, text, text, text, at(4)),),
    )
