"""Rules that come and go at random: the store against a model of a few lines."""

from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from console.domain.alert import Alert, Phase
from console.store import alerts
from tests.store.alerting import FLAP_S, Agent, after, opened, resolved, update
from tests.store.stores import Place

RULES = ("A", "B", "C")
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.sampled_from([1.0, 100.0, FLAP_S, FLAP_S + 1]),
            st.dictionaries(st.sampled_from(RULES), st.sampled_from(list(Phase)), min_size=1),
        ),
        st.sampled_from(RULES),
    ),
    max_size=25,
)


@dataclass
class Modelled:
    """One alert; `number` is its id once it has been seen."""

    phase: Phase
    flaps: int = 0
    acknowledged: bool = False
    resolved_at: float = 0.0
    number: int | None = None


class Model:
    """All alerts of one rule, oldest first; the last one may be open."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        self.alerts: list[Modelled] = []

    def become(self, wanted: Phase, at: float) -> dict[str, object] | None:
        """Go where the evaluation wants it; the change that says so, None where it has nothing to say."""
        last = self.alerts[-1] if self.alerts else None
        now = last.phase if last and last.phase is not Phase.RESOLVED else Phase.INACTIVE
        over = wanted in (Phase.INACTIVE, Phase.RESOLVED)
        if now is Phase.INACTIVE:
            if over:
                return None
            self.alerts.append(Modelled(wanted))
            self._revive(at)
            return opened(self.rule, wanted.value)
        assert last is not None
        if now is Phase.PENDING and over:
            self.alerts.pop()
            return {"op": "drop", "rule": self.rule}
        if over:
            last.phase, last.resolved_at = Phase.RESOLVED, at
            return resolved(self.rule)
        if now is Phase.PENDING and wanted is Phase.FIRING:
            last.phase = wanted
            self._revive(at)
            return update(self.rule, phase="firing")
        return update(self.rule, value=at)

    def _revive(self, at: float) -> None:
        if len(self.alerts) > 1 and self.alerts[-1].phase is Phase.FIRING:
            before = self.alerts[-2]
            if at - before.resolved_at <= FLAP_S:
                before.acknowledged |= self.alerts.pop().acknowledged
                before.phase, before.flaps = Phase.FIRING, before.flaps + 1

    def agrees(self, found: list[Alert]) -> None:
        assert len(found) == len(self.alerts)
        for alert, wanted in zip(sorted(found, key=lambda a: a.id), self.alerts, strict=True):
            wanted.number = wanted.number or alert.id
            assert (alert.id, alert.phase, alert.flaps, alert.acknowledged_by is not None) == (
                *(wanted.number, wanted.phase, wanted.flaps, wanted.acknowledged),
            )


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_whatever_happens_the_store_and_the_model_agree(place: Place, steps: list) -> None:
    await place.owner("DELETE FROM console.alert")
    await place.owner("UPDATE console.alert_cursor SET at = NULL")
    await place.owner("UPDATE console.lease SET holder = NULL")
    models = {rule: Model(rule) for rule in RULES}
    at = 0.0
    async with place.leader() as (store, lease), place.open("alice") as alice:
        agent = Agent(store, lease)
        for step in steps:
            if isinstance(step, str):
                last = models[step].alerts[-1] if models[step].alerts else None
                if last and last.phase is not Phase.RESOLVED:
                    assert last.number
                    await alerts.acknowledge(alice, [last.number])
                    last.acknowledged = True
            else:
                at += step[0]
                changes = [models[rule].become(wanted, at) for rule, wanted in step[1].items()]
                assert await agent.at(at, *(c for c in changes if c))
            found = await alerts.current(store, resolved_since=after(0))
            for rule, model in models.items():
                model.agrees([a for a in found if a.rule == rule])
