"""What goes wrong in one duty of an agent takes neither the others nor the watch with it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from console.agent import _duty
from console.domain.errors import Fenced, StoreRefused
from tests.agent.conftest import Watch


async def test_a_duty_begins_again_whatever_ended_it_until_the_lease_is_lost() -> None:
    ends: list[Exception] = [ValueError("nobody thought of it"), StoreRefused("no"), Fenced("over")]
    begun = 0

    async def work() -> None:
        nonlocal begun
        begun += 1
        raise ends.pop(0)

    async with asyncio.timeout(20):
        with pytest.raises(Fenced):
            await _duty("work", work)
    assert begun == 3


def test_ticks_go_on_while_nothing_is_evaluated_and_consoles_say_so(
    watch: Watch, wait_until: Callable[..., Any]
) -> None:
    write = "console.write_alerts(bigint, timestamptz, jsonb)"
    late = "SELECT at < clock_timestamp() - interval '2 s' AS late FROM console.alert_cursor"
    newest = "SELECT max(at) > clock_timestamp() - interval '2 s' AS fresh FROM console.tick"
    watch.agent("a1")
    wait_until(lambda: watch.sql("SELECT at FROM console.alert_cursor WHERE at IS NOT NULL"), 30)
    watch.sql(f"REVOKE EXECUTE ON FUNCTION {write} FROM console_agent")
    wait_until(lambda: watch.sql(late)[0]["late"] and watch.sql(newest)[0]["fresh"], 30)
    assert watch.leader() == "a1"
    watch.sql(f"GRANT EXECUTE ON FUNCTION {write} TO console_agent")
    wait_until(lambda: not watch.sql(late)[0]["late"], 30)
    assert watch.agents[0].process.poll() is None
