"""Rows 3 and 4: a good release, a bad one that is taken back by itself, and the way back, through public commands."""

from __future__ import annotations

import subprocess
from functools import partial
from typing import Any

import httpx

from tests.demo import Demo


def version(demo: Demo) -> str:
    """What the platform says it runs."""
    return httpx.get(f"{demo.info['platform_url']}/health", trust_env=False).json()["version"]


def asked(demo: Demo, *args: str) -> subprocess.CompletedProcess[str]:
    return demo.ask(*args, "--reason", "the story of three releases", "--yes", "--typed", "sandbox")


async def orders_flow(demo: Demo) -> bool:
    """Hardly any order of the last five seconds failed, by the platform's own table; the bad release fails most."""
    platform = await demo.platform()
    try:
        return await platform.fetchval(
            "SELECT count(*) FILTER (WHERE status = 'executed') > 9 * count(*) FILTER (WHERE status = 'failed') "
            "FROM orders WHERE created_at > now() - interval '5 seconds'"
        )
    finally:
        await platform.close()


async def test_the_story_of_three_releases(demo: Demo, wait_for: Any) -> None:
    first: list[dict[str, Any]] = demo.until(lambda: demo.json("releases"))
    assert [(r["version"], r["state"]) for r in first] == [("v2.8.1", "live")]
    coming = {c["version"]: c for c in demo.until(lambda: demo.json("releases", "coming"))}
    assert {"v2.9.0", "v2.10.0"} <= coming.keys() and "v2.8.1" not in coming
    good = asked(demo, "deploy", "v2.9.0")
    assert good.returncode == 0, good.stdout + good.stderr
    assert version(demo) == "2.9.0"
    demo.until(lambda: "v2.9.0" not in {c["version"] for c in demo.json("releases", "coming")})
    bad = asked(demo, "deploy", "v2.10.0")
    assert bad.returncode == 1
    assert (
        "taken back: give everybody the frontend from before, deploy the functions as they were" in bad.stdout
    )
    assert version(demo) == "2.9.0"
    await wait_for(partial(orders_flow, demo))
    story = demo.json("releases")
    assert [(r["version"], r["state"]) for r in story] == [
        ("v2.10.0", "failed"), ("v2.9.0", "live"), ("v2.8.1", "good"),
    ]  # fmt: skip
    assert "error rate" in story[0]["words"] and "before" in story[0]["words"]
    back = asked(demo, "rollback")
    assert back.returncode == 0, back.stdout + back.stderr
    assert version(demo) == "2.8.1"
    assert demo.json("releases")[0]["state"] == "live"
    assert demo.ask("audit", "verify").returncode == 0
