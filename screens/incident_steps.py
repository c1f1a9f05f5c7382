"""What `x` does about a step: starts its action (with its plan, as everywhere), checks, goes to its screen, shows its
metric."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from console.domain import format as fmt
from console.domain.action import Action
from console.domain.book import Done, Marked
from console.domain.errors import TradexError
from console.domain.incident import Attached, Incident
from screens.action_asking import begin
from screens.aim import Aim, address_in

if TYPE_CHECKING:
    from screens.incident_acting import IncidentActing

_CHECK_AFTER = timedelta(minutes=10)


def aim_of(screen: IncidentActing, incident: Incident) -> Aim:
    """What an action of this incident is filled in with: the address and the account that its alerts are about, else
    those of the attack that nothing contains."""
    snapshot = screen.snapshot
    reason, cause = f"{incident.name}: {incident.title}", f"incident {incident.id}"
    texts = [
        *(alert.summary for alert in snapshot.alerts if alert.id in incident.alerts),
        *(pin.text for pin in incident.pins),
        incident.title,
    ]
    address = next((found for text in texts if (found := address_in(text))), "")
    attacks = [finding for finding in snapshot.findings if finding.counts]
    finding = next((f for f in attacks if f.source == address), None)
    if finding is None and not address and len(attacks) == 1:
        # Of several nobody can say which one is meant.
        finding = attacks[0]
        address = finding.source
    user = next(iter(finding.affected), "") if finding is not None else ""
    return Aim(address, user, reason, cause)


def start(screen: IncidentActing, incident: Incident, book: Attached, marked: Marked) -> None:
    """Do it."""
    step, mark = marked.step, marked.mark
    if step.action:
        if incident.state.over:
            screen.say(f"{incident.name} is {incident.state}: C opens it again")
        elif mark is not None and mark.action_id is not None:
            screen.open_action(mark.action_id)
        else:
            then = partial(_confirmed, screen, incident, book, marked)
            begin(screen, step.action, aim_of(screen, incident), step.params, then=then)
    elif step.check:
        _check(screen, step.check)
    elif step.screen:
        screen.host.go(step.screen)
    elif step.metric:
        screen.show_metric(step.metric)
    else:
        screen.say("this step is a person's: space ticks it, enter shows all of it")


def _confirmed(
    screen: IncidentActing, incident: Incident, book: Attached, marked: Marked, action: Action
) -> None:
    if marked.mark is None:
        screen.mark(incident, book, marked, Done.DONE, "started", action_id=action.id)


def _check(screen: IncidentActing, check: str) -> None:
    """What the last run of the checks found; one that is old, or was never run, is asked for."""
    run = screen.snapshot.checklist
    result = None if run is None else next((r for r in run.results if r.id == check), None)
    at = None if run is None else run.ended_at or run.started_at or run.asked_at
    waits = run is not None and run.ended_at is None
    if result is not None and at is not None:
        role = "ok" if result.status == "passed" else "warn"
        age = fmt.age(screen.now - at)
        screen.say(f"{result.title}: {result.status}, {age} ago: {result.evidence}", role=role)
    if waits and result is None:
        screen.say("the checks run: their result comes here")
    elif not waits and (result is None or at is None or screen.now - at > _CHECK_AFTER):
        _ask(screen, known=result is not None)


def _ask(screen: IncidentActing, *, known: bool) -> None:
    if reason := screen.snapshot.link.why_not():
        if not known:
            screen.say(reason, role="warn", glyph="warn")
        return

    async def ask() -> None:
        try:
            await screen.feed.desk.ask_checks("pre")
        except TradexError as error:
            if screen.is_attached:
                screen.say(str(error), role="warn", glyph="warn")
            return
        if screen.is_attached and not known:
            screen.say("the agent was asked to check: the result comes here")

    screen.app.run_worker(ask(), group="desk", exit_on_error=False)
