"""What `x` does about a step: starts its action (with its plan, as everywhere), checks, goes to its screen, shows its
metric."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from console.domain.action import Action
from console.domain.book import Done, Marked
from console.domain.check import CheckStatus, Known, occasion_of
from console.domain.errors import TradexError
from console.domain.incident import Attached, Incident
from screens.action_asking import begin
from screens.aim import Aim, address_in
from screens.incident_step_rows import found_said

if TYPE_CHECKING:
    from screens.incident_acting import IncidentActing

_CHECK_AFTER = timedelta(minutes=2)
"""A good result that is older is asked for again; any other one at once: somebody has mended something since."""


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
    """What its check found last, on its row as well; one that is old or not good, or was never run, is asked for."""
    found = screen.checked.get(check)
    words, role = ("", "") if found is None else found_said(found, screen.now)
    if words:
        screen.say(words, role=role)
    if found is not None and found.awaited and found.run is not None:
        screen.awaited[check] = found.run.id
        return
    if found is not None and _holds(found, screen.now):
        return
    if reason := screen.snapshot.link.why_not():
        if not words:
            screen.say(reason, role="warn", glyph="warn")
        return
    screen.app.run_worker(_ask(screen, check), group="desk", exit_on_error=False)


def _holds(found: Known, now: datetime) -> bool:
    good = found.result is not None and found.result.status is CheckStatus.PASSED and not found.nothing
    return good and found.at is not None and now - found.at <= _CHECK_AFTER


async def _ask(screen: IncidentActing, check: str) -> None:
    try:
        asked = await screen.feed.desk.ask_checks(occasion_of(check))
    except TradexError as error:
        if screen.is_attached:
            screen.say(str(error), role="warn", glyph="warn")
        return
    screen.awaited[check] = asked.id
    if screen.is_attached:
        screen.say(f"the agent was asked to check {check}: the result comes on this row")
