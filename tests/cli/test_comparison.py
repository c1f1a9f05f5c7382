"""How a release did beside what was before it, as commands print it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from console.cli import action_words as words
from console.domain.action import Action, ActionState, Proof
from console.domain.canary import Compared, Comparison

AT = datetime(2026, 3, 10, 3, 12, 4, tzinfo=UTC)
FOUND = Comparison(
    17_400,
    412,
    AT,
    AT + timedelta(minutes=5),
    (
        Compared("error_rate", "Error rate", "%", 0.13, 2.91, 1.4, 4.9, 1.0, bad=True),
        Compared("p95_execution_time", "Order latency, p95", "ms", 356.0, 371.4, -12.0, None, 178.0),
        Compared("orders_per_minute", "Orders per minute", "/min", 1160.0, 1154.25),
    ),
)


def test_it_is_a_small_table() -> None:
    assert list(words.proof_lines(Proof("worse", "it fails", comparison=FOUND))) == [
        "■ worse: it fails",
        "  17,400 orders before, 412 since 03:12:04; watched until 03:17:04",
        "                          before         now  change, 95 %  allowed",
        "  error rate              0.13 %      2.91 %  +1.4 to +4.9     +1.0  ■",
        "  order latency, p95      356 ms      371 ms      -12 to …     +178",
        "  orders per minute   1,160 /min  1,154 /min",
    ]


def test_it_is_in_the_json_with_its_times() -> None:
    action = Action(7, "deploy", "v2.9.0", {}, "a test", ActionState.DONE, "alice", AT)
    shown = json.loads(json.dumps(words.action_json(replace(action, proof=Proof(comparison=FOUND)))))
    found = shown["proof"]["comparison"]
    assert (found["since"], found["until"]) == ("2026-03-10T03:12:04.000Z", "2026-03-10T03:17:04.000Z")
    assert (found["of_now"], found["rows"][0]["name"], found["rows"][0]["bad"]) == (412, "error_rate", True)
