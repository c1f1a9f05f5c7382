"""Row 12: attacks on a running platform, through public commands."""

from __future__ import annotations

from typing import Any

import httpx

from console.domain.format import iso
from tests.demo import Demo

WINDOW_S = 30
"""Five minutes, ten times as fast."""


def attacks(demo: Demo, *options: str) -> dict[str, dict[str, Any]]:
    """By address."""
    return {each["address"]: each for each in demo.json("security", "findings", *options)}


def refused(demo: Demo, address: str) -> dict[str, str | None]:
    """Of one path behind each layer: the code with which it refuses this address, None where it does not."""
    codes: dict[str, str | None] = {}
    with httpx.Client(
        base_url=demo.info["platform_url"], headers={"X-Forwarded-For": address}, trust_env=False
    ) as client:
        for layer, path in (("platform", "/auth/v1/user"), ("vercel", "/status")):
            answer = client.get(path)
            codes[layer] = answer.json()["error"]["code"] if answer.status_code == 403 else None
    return codes


async def test_a_brute_force_is_one_finding_whose_numbers_are_the_platforms(demo: Demo) -> None:
    before = attacks(demo, "--all").keys()
    assert demo.ask("drill", "brute-force", "--for", "60").returncode == 0
    address = demo.until(lambda: next(iter(attacks(demo).keys() - before), None))
    assert address.startswith("203.0.113.")
    assert f"tradex block-ip {address}" in demo.ask("security", "findings").stdout
    first = attacks(demo)[address]
    demo.until(lambda: attacks(demo)[address]["count"] > first["count"])
    assert demo.ask("drill", "--stop").returncode == 0
    platform = await demo.platform()
    try:
        rows = await platform.fetch(
            "SELECT created_at, (SELECT email FROM profiles WHERE profiles.id = user_id) AS email FROM auth_audit_log "
            "WHERE ip_address = $1::text::inet AND action = 'authentication_failure' ORDER BY created_at, id",
            address,
        )
    finally:
        await platform.close()
    found = demo.until(
        lambda: (one := attacks(demo, "--all")[address])["last_at"] == iso(rows[-1]["created_at"]) and one
    )
    assert (found["id"], found["severity"], found["affected"]) == (first["id"], "critical", [])
    times = [row["created_at"] for row in rows]
    assert found["count"] == len(rows)
    assert found["peak"] == max(
        sum((at - other).total_seconds() <= WINDOW_S for other in times[: place + 1])
        for place, at in enumerate(times)
    )
    assert found["users"] == list(dict.fromkeys(row["email"] for row in rows))
    assert (found["first_at"], found["attack_at"]) == (iso(times[0]), iso(times[9]))
    history = demo.json("security", "show", str(found["id"]))["history"]
    assert [change["state"] for change in history if change["state"] != "grown"] == ["opened"]


def test_an_attacker_is_really_kept_out_and_let_in_again(demo: Demo) -> None:
    before = attacks(demo, "--all").keys()
    assert demo.ask("drill", "brute-force", "--for", "120").returncode == 0
    address = demo.until(lambda: next(iter(attacks(demo).keys() - before), None))
    assert refused(demo, address) == {"platform": None, "vercel": None}
    wanted = ("block-ip", address, "--reason", "it guesses passwords")
    plan = demo.json(*wanted, "--dry-run")["plan"]
    assert [step["layer"] for step in plan["steps"]] == ["platform", "vercel"]
    assert int({fact["label"]: fact["value"] for fact in plan["facts"]}["failed log-ins in 24 h"]) >= 10
    assert refused(demo, address) == {"platform": None, "vercel": None}, "a plan changes nothing"

    block = demo.json(*wanted, "--yes")
    assert (block["state"], block["proof"]["verdict"]) == ("done", "proved"), block["proof"]
    assert refused(demo, address) == {"platform": "address_blocked", "vercel": "denied_by_firewall"}
    assert refused(demo, "203.0.113.1") == {"platform": None, "vercel": None}, "and nobody else"
    demo.until(lambda: attacks(demo)[address]["state"] == "blocked")

    assert demo.ask("drill", "--stop").returncode == 0
    undo = demo.json("actions", "undo", str(block["id"]), "--reason", "it was a drill", "--yes", "--no-wait")
    assert (undo["kind"], undo["undo_of"]) == ("unblock_ip", block["id"])
    demo.until(lambda: refused(demo, address) == {"platform": None, "vercel": None})

    assert demo.ask("audit", "verify").returncode == 0
    told = [e["state"] for e in demo.json("audit", "list", "--action", str(block["id"]))]
    assert told[::-1][:4] == ["requested", "planned", "confirmed", "started"]


def test_what_a_guard_forbids_is_refused_with_its_reason(demo: Demo) -> None:
    for address, reason in (("10.0.0.1", "private"), ("127.0.0.1", "loopback"), ("203.0.0.0/8", "/16")):
        done = demo.ask("block-ip", address, "--reason", "a test", "--yes")
        assert done.returncode == 4, done.stdout
        assert reason in done.stderr
    done = demo.ask("--as", "vera", "block-ip", "203.0.113.77", "--reason", "a test", "--yes")
    assert (done.returncode, "takes a responder" in done.stderr) == (4, True)
