"""Whether a step has happened, whether an action has worked, and whether the platform got worse since."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from console.actions.kind import Kind, Run, StepDef
from console.domain.action import Fact, Proof
from console.domain.errors import Refused, SourceFailed, Unknown
from console.domain.format import reading
from console.domain.metric import Level, MetricSpec
from console.store import ticks
from console.store.pool import Store

_TIMEOUT_S = 8.0
_OLDEST = timedelta(minutes=2)
GETS_WORSE: Mapping[str, Callable[[MetricSpec, float, float], bool]] = {
    "error_rate": lambda _, was, is_: is_ >= 2 * was + 1.0,
    # Of fewer orders than these half may be missing by chance.
    "orders_per_minute": lambda _, was, is_: was >= 20 and is_ < was / 2,
    "p95_execution_time": lambda spec, was, is_: is_ > 2 * was and spec.level(is_) in _BAD,
}
"""From which values, before and now, a metric is clearly worse."""
_BAD = (Level.WARNING, Level.CRITICAL)
# Something that was sent may still be on its way: its probe is asked more than once.
_LOOKS_S = (0.0, 0.5, 1.0, 2.0)


async def happened(run: Run, step: StepDef, before: str, *, patient: bool) -> bool | None:
    """What its probe says; None when nobody can tell. With `patient` a no is heard several times."""
    if step.probe is None:
        return None
    found: bool | None = None
    for pause in _LOOKS_S:
        await asyncio.sleep(pause)
        try:
            async with asyncio.timeout(step.timeout_s):
                found = await step.probe(run, before)
        except (SourceFailed, Refused, Unknown, TimeoutError):
            found = None
        if found or (found is False and not patient):
            return found
    return found


async def proof_of(kind: Kind, run: Run) -> Proof:
    """What the platform shows; where it can't be asked, that."""
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            return await kind.prove(run)
    except (SourceFailed, Refused) as error:
        return Proof("unproved", f"the platform can't be asked: {error}")
    except TimeoutError:
        return Proof("unproved", f"the platform gave no answer within {_TIMEOUT_S:g} s")


async def worse(store: Store, names: Sequence[str], begun: datetime) -> tuple[tuple[Fact, ...], str]:
    """Those of these metrics that did not get clearly worse, before and now; and those that did, in words."""
    if not names:
        return (), ""
    before, now = await ticks.before(store, begun, _OLDEST), await ticks.latest(store)
    facts: list[Fact] = []
    reasons: list[str] = []
    for name in names:
        old, new, spec = before.values.get(name), now.values.get(name), now.specs.get(name)
        if old is None or new is None or spec is None:
            continue
        was, is_ = old.value, new.value
        if not isinstance(was, float | int) or not isinstance(is_, float | int):
            continue
        words = f"{reading(spec, was)} before, {reading(spec, is_)} now"
        if GETS_WORSE[name](spec, was, is_):
            reasons.append(f"{spec.title.lower()} {words}")
        else:
            facts.append(Fact(spec.title.lower(), words, "ok"))
    return tuple(facts), ", ".join(reasons)
