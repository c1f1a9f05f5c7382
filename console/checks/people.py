"""Who is let in and what they see: signing in, tokens that must be refused, rows of others, foreign origins, rate
limits, the audit log. As the accounts of [checks], over HTTP.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from console.checks import tokens
from console.checks.check import Doors, settled
from console.domain.check import Outcome, failed, passed, together, warned
from console.domain.errors import SourceFailed
from console.domain.format import counted
from console.gateway.http import Response
from console.gateway.validation import Person

FOREIGN_ORIGIN = "https://elsewhere.invalid"
"""Nobody's origin, for ever (RFC 2606)."""
# What a function is told that is only asked whether it lets somebody in.
HARMLESS = {"test": "validation"}
_ORDERS = "execute-order"
_PROFILE = "/api/user/profile"
_LISTS = {"/api/orders/history": "orders", "/api/positions": "positions"}
# Enough for any limit that deserves the name, and few enough not to hurt; it ends with the first refusal.
_BURST, _WAVE = 60, 5
_AUDIT_WITHIN_S = 10.0
_AUDIT_EVERY_S = 0.25


async def owner(doors: Doors) -> Person:
    """The account without money. Raises SourceFailed."""
    return await doors.visitor.person(doors.settings.checks.account or "")


async def authentication(doors: Doors) -> Outcome:
    """Everything of the validation `authentication`, the burst last since it uses up what the others need."""
    return together([await access(doors), await settled(api_limit(doors, unlimited=warned))])


async def access(doors: Doors) -> Outcome:
    """The same without the rate limit."""
    who = await owner(doors)
    rest = [await settled(tokens_refused(doors)), await settled(isolation(doors))]
    return together([passed(f"{who.email} signed in"), *rest])


async def tokens_refused(doors: Doors) -> Outcome:
    """A missing, forged, unsigned or expired token gets 401, from the API and from the order function."""
    who = await owner(doors)
    try:
        tried: dict[str, str | None] = {
            "without a token": None,
            "with a forged token": tokens.resigned(who.token),
            "with an unsigned token": tokens.unsigned(who.token),
        }
    except ValueError as error:
        return failed(f"the access token of {who.email} is {error}")
    doubt = []
    expired = doors.visitor.expired_token
    if expired is None:
        doubt.append(warned("expired tokens: no source: checks.expired_token_file is not set"))
    elif not _has_expired(expired):
        doubt.append(warned("expired tokens: no source: the one of checks.expired_token_file is still valid"))
    else:
        tried["with an expired token"] = expired
    parts = await asyncio.gather(
        *(_refused(doors, how, token) for how, token in tried.items()),
        *(_refused(doors, how, token, function=_ORDERS) for how, token in tried.items()),
    )
    bad = [part for part in parts if not part.good]
    return together([*bad, *doubt] or [passed(f"401 {', '.join(tried)}")])


async def _refused(doors: Doors, how: str, token: str | None, *, function: str = "") -> Outcome:
    if function:
        answer = await doors.visitor.ask("POST", doors.function(function), token=token, json=HARMLESS)
    else:
        answer = await doors.visitor.ask("GET", doors.url(_PROFILE), token=token)
    said = f"{function or f'GET {_PROFILE}'}: HTTP {answer.status} {how}"
    return passed(said) if answer.status == 401 else failed(said)


def _has_expired(token: str) -> bool:
    try:
        return tokens.expires_at(token) < datetime.now(UTC)
    except ValueError:
        return False


async def isolation(doors: Doors) -> Outcome:
    """Of what the other account can read, the first one reads nothing."""
    unset = doors.missing(("checks.other_account",))
    if unset:
        return warned(f"rows of others: no source: {unset} is not set")
    me, other = await owner(doors), await doors.visitor.person(doors.settings.checks.other_account or "")
    if me.id == other.id:
        return warned("rows of others: no source: checks.account and checks.other_account are the same")
    parts = [await _own_profile(doors, me)]
    seen = 0
    for path, name in _LISTS.items():
        theirs, mine = await asyncio.gather(
            rows(doors, other, path, name), rows(doors, me, f"{path}?user_id={other.id}", name)
        )
        seen += len(theirs)
        foreign = (mine & theirs) | await _foreign(doors, name, mine, me)
        if foreign:
            parts.append(
                failed(
                    f"GET {path}: {me.email} reads {counted(len(foreign), 'row')} of other people's {name}"
                )
            )
    parts.append(await _rest(doors, me, other))
    if not seen:
        parts.append(warned(f"rows of others: {other.email} has none that could be read"))
    good = passed(f"{me.email} reads 0 of the {counted(seen, 'row')} of {other.email}")
    return together([part for part in parts if not part.good] or [good])


async def _rest(doors: Doors, me: Person, other: Person) -> Outcome:
    """The same of Supabase's own API of the tables, which row level security alone guards; where it is offered."""
    root = (doors.platform.settings.auth_url or "").removesuffix("/auth/v1") + "/rest/v1"
    queries = {name: f"/{name}?select=id&user_id=eq.{other.id}" for name in _LISTS.values()}
    queries["profiles"] = f"/profiles?select=id&id=eq.{other.id}"
    faults = []
    for name, query in queries.items():
        answer = await doors.visitor.ask("GET", root + query, token=me.token)
        if answer.good and (found := _ids(answer, name)):
            faults.append(
                failed(f"GET /rest/v1/{name}: {me.email} reads {counted(len(found), 'row')} of {other.email}")
            )
    return together(faults) if faults else passed("no row of others over /rest/v1")


async def _own_profile(doors: Doors, me: Person) -> Outcome:
    answer = await doors.visitor.ask("GET", doors.url(_PROFILE), token=me.token)
    if not answer.good:
        return failed(f"GET {_PROFILE}: {answer.summary()}")
    profile = answer.json()
    if not isinstance(profile, dict) or profile.get("id") != me.id:
        return failed(f"GET {_PROFILE}: {me.email} reads somebody else's profile")
    return passed(f"GET {_PROFILE} is one's own")


async def rows(doors: Doors, who: Person, path: str, name: str) -> set[str]:
    """The ids of the rows that somebody reads there. Raises SourceFailed."""
    answer = await doors.visitor.ask("GET", doors.url(path), token=who.token)
    if not answer.good:
        raise SourceFailed(f"GET {path.partition('?')[0]} as {who.email}: {answer.summary()}")
    return _ids(answer, name)


def _ids(answer: Response, name: str) -> set[str]:
    """Of `{name: [{"id": ...}]}`, or of the list alone. Raises SourceFailed."""
    data: Any = answer.json()
    found = data.get(name) if isinstance(data, dict) else data
    if not isinstance(found, list):
        raise SourceFailed(f"{name}: a list was expected")
    return {str(row["id"]) for row in found if isinstance(row, dict) and "id" in row}


async def _foreign(doors: Doors, table: str, found: set[str], me: Person) -> set[str]:
    """Those of these rows that are not one's own, as far as the database can be asked; the comparison with what the
    other account reads holds without it."""
    others: list[Any] = []
    if found and doors.platform.database.configured:
        with contextlib.suppress(SourceFailed):
            others = await doors.platform.database.fetch(
                f"SELECT id::text FROM {table} WHERE id::text = ANY ($1) AND user_id::text <> $2",  # noqa: S608
                list(found),
                me.id,
            )
    return {row["id"] for row in others}


async def api_limit(doors: Doors, *, unlimited: Callable[[str], Outcome] = failed) -> Outcome:
    """A burst of requests to the API gets 429. `unlimited` is what it is called when none does: after a deployment
    (FACTS section 2) it proves nothing, before one (section 9) it fails."""
    return await _burst(doors, "GET", _PROFILE, doors.url(_PROFILE), unlimited)


async def function_limit(doors: Doors) -> Outcome:
    """The same of the edge functions."""
    name = doors.platform.settings.functions[0]
    return await _burst(doors, "POST", name, doors.function(name), failed)


async def _burst(
    doors: Doors, method: str, shown: str, url: str, unlimited: Callable[[str], Outcome]
) -> Outcome:
    who = await owner(doors)
    body = HARMLESS if method == "POST" else None
    for sent in range(_WAVE, _BURST + 1, _WAVE):
        answers = await asyncio.gather(
            *(doors.visitor.ask(method, url, token=who.token, json=body, patient=False) for _ in range(_WAVE))
        )
        if any(answer.status == 429 for answer in answers):
            return passed(f"{shown}: HTTP 429 within {sent} requests")
        if broken := next((answer for answer in answers if answer.status >= 500), None):
            return failed(f"{shown}: {broken.summary()} in a burst of {sent} requests")
    return unlimited(f"{shown}: no HTTP 429 in a burst of {_BURST} requests")


async def foreign_origin(doors: Doors) -> Outcome:
    """A request that changes something is refused when it comes from somebody else's page. It would only have signed
    the account out."""
    who = await owner(doors)
    answer = await doors.visitor.ask(
        "POST",
        f"{doors.platform.settings.auth_url}/logout",
        token=who.token,
        headers={"Origin": FOREIGN_ORIGIN},
    )
    said = f"POST /logout from {FOREIGN_ORIGIN}: HTTP {answer.status}"
    return passed(said) if answer.status == 403 else failed(said)


async def audited(doors: Doors) -> Outcome:
    """The sign-in of this run appears in the audit log within 10 s."""
    who = await owner(doors)
    begun = time.monotonic()
    while time.monotonic() - begun < _AUDIT_WITHIN_S:
        # Counted from the moment we asked to be let in: no clock of theirs is compared with ours.
        there = await doors.platform.database.fetch(
            "SELECT 1 FROM auth_audit_log WHERE user_id::text = $1 AND action = 'authentication_success' "
            "AND created_at >= now() - make_interval(secs => $2) LIMIT 1",
            who.id,
            time.monotonic() - who.asked_at,
        )
        if there:
            return passed(f"auth_audit_log: the sign-in of {who.email} is in it")
        await asyncio.sleep(_AUDIT_EVERY_S)
    return failed(f"auth_audit_log: the sign-in of {who.email} is not in it after {_AUDIT_WITHIN_S:g} s")
