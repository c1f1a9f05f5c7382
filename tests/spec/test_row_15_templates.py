"""Row 15, its templates: updates for stakeholders, filled in, recorded and promised again; on a running platform,
through public commands."""

from __future__ import annotations

from itertools import product

from tests.demo import Demo

AUDIENCES, KINDS = ("internal", "customer"), ("initial", "update", "final")


async def test_an_update_of_every_kind_is_written_read_first_and_recorded(demo: Demo) -> None:
    title = "Prices lag {{ prices }} [see](https://x.example)"
    made = demo.json("incident", "open", title, "--level", "2", "--runbook", "order-execution-failure")
    name = made["name"]
    assert demo.ask("incident", "role", name, "commander").returncode == 0
    texts = {}
    for audience, kind in product(AUDIENCES, KINDS):
        draft = demo.ask("incident", "update", name, f"{audience}-{kind}", "--dry-run")
        assert draft.returncode == 0, draft.stderr
        assert demo.json("incident", "show", name)["updates"] == [], "a preview records nothing"
        texts[audience, kind] = draft.stdout
    internal = texts["internal", "initial"]
    assert name in internal and title in internal, "what a person wrote is not filled in a second time"
    assert demo.info["person"] in internal
    said = ("--set", "done=nothing yet", "--set", "impact=few see it")
    recorded = demo.ask("incident", "update", name, "internal-initial", "--yes", *said)
    assert recorded.returncode == 0, recorded.stderr
    store = await demo.store()
    try:
        (kept,) = await store.fetch(
            "SELECT u.template, u.audience, u.kind, e.body, i.next_update_at > e.at AS promised "
            "FROM console.incident_update AS u JOIN console.event AS e ON e.id = u.event_id "
            "JOIN console.incident AS i ON i.id = u.incident_id WHERE u.incident_id = $1",
            made["id"],
        )
    finally:
        await store.close()
    assert tuple(kept)[:3] == ("internal-initial", "internal", "initial")
    assert title in kept["body"] and kept["promised"]
    assert title in demo.ask("incident", "export", name).stdout
    assert demo.ask("incident", "close", name, "--resolution", "it was the provider").returncode == 0
