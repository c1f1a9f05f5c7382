"""The order function: nobody orders without signing in, without money, or nonsense. No order comes of any of this."""

from __future__ import annotations

import uuid
from typing import Any

from console.checks.check import Doors, settled
from console.checks.people import owner, rows
from console.domain.check import Outcome, failed, passed, together, warned
from console.domain.errors import SourceFailed
from console.gateway.http import Response
from console.gateway.validation import Person

FUNCTION = "execute-order"
_CODE = "insufficient_funds"
_TIMEOUT_S = 10.0
# If nobody were asked who he is, this would wait for a price that never comes.
_NEVER = {"symbol": "EURUSD", "order_type": "limit", "side": "buy", "quantity": 0.01, "price": 0.0001}
_ORDER = {"symbol": "EURUSD", "order_type": "market", "side": "buy", "quantity": 0.01}
_NONSENSE: dict[str, dict[str, Any]] = {
    "a negative quantity": {"quantity": -1},
    "an unknown symbol": {"symbol": "NOSUCH"},
    "a huge quantity": {"quantity": 1e300},
    "a script for a symbol": {"symbol": "<script>alert(1)</script>"},
}


async def execution(doors: Doors) -> Outcome:
    """401 without a token; the order of an account without money is refused for just that, and leaves no order."""
    return together([await settled(unauthenticated(doors)), await settled(refused_for_funds(doors))])


async def unauthenticated(doors: Doors) -> Outcome:
    """An order without a token gets 401."""
    answer = await _order(doors, None, _NEVER | {"idempotency_key": _key()})
    said = f"{FUNCTION}: HTTP {answer.status} without a token"
    return passed(said) if answer.status == 401 else failed(said)


async def refused_for_funds(doors: Doors) -> Outcome:
    """The exact refusal, both times that one key is sent, and no order of it afterwards."""
    who = await owner(doors)
    if doubt := await _has_money(doors, who):
        return doubt
    before = await _orders(doors, who)
    order = _ORDER | {"idempotency_key": _key()}
    for _ in range(2):
        answer = await _order(doors, who, order)
        if answer.status != 422 or code(answer) != _CODE:
            told = f" {code(answer)}" if code(answer) else ""
            return failed(
                f"{FUNCTION}: HTTP {answer.status}{told} for an order without funds, expected 422 {_CODE}"
            )
    if left := await _orders(doors, who) - before:
        return failed(f"{FUNCTION}: the refused order is in the history of {who.email} as {min(left)}")
    return passed(f"{FUNCTION}: 422 {_CODE} for {who.email}, and no order is left behind")


async def nonsense(doors: Doors) -> Outcome:
    """Orders that nobody can mean are refused as such."""
    who = await owner(doors)
    if doubt := await _has_money(doors, who):
        return doubt
    faults = []
    for name, change in _NONSENSE.items():
        answer = await _order(doors, who, _ORDER | change | {"idempotency_key": _key()})
        if answer.status not in (400, 422) or code(answer) == _CODE:
            faults.append(failed(f"{FUNCTION}: {answer.summary()} for {name}"))
    return together(faults or [passed(f"{FUNCTION}: refuses {', '.join(_NONSENSE)}")])


async def deployed(doors: Doors) -> Outcome:
    """It is listed as active, and refuses an order of nonsense."""
    listed = await doors.management.get(f"/functions/{FUNCTION}")
    if not isinstance(listed, dict) or listed.get("status") != "ACTIVE":
        state = listed.get("status") if isinstance(listed, dict) else "unknown"
        return failed(f"{FUNCTION}: listed as {state}, expected ACTIVE")
    answer = await _order(doors, await owner(doors), _ORDER | {"quantity": -1, "idempotency_key": _key()})
    if answer.status not in (400, 422):
        return failed(f"{FUNCTION}: {answer.summary()} for an invalid order")
    return passed(
        f"{FUNCTION}: version {listed.get('version')} is active, an invalid order gets {answer.status}"
    )


def code(answer: Response) -> str:
    """The `code` of an answer in the platform's shape of errors, "" without one."""
    try:
        data = answer.json()
    except SourceFailed:
        return ""
    error = data.get("error") if isinstance(data, dict) else None
    found = error.get("code") if isinstance(error, dict) else None
    return found if isinstance(found, str) else ""


def _key() -> str:
    return f"tradex-check-{uuid.uuid4()}"


async def _order(doors: Doors, who: Person | None, body: dict[str, Any]) -> Response:
    token = None if who is None else who.token
    return await doors.visitor.ask(
        "POST", doors.function(FUNCTION), token=token, json=body, timeout_s=_TIMEOUT_S
    )


async def _has_money(doors: Doors, who: Person) -> Outcome | None:
    """Why no order is sent: it might be executed. None when the account has no money. Raises SourceFailed."""
    answer = await doors.visitor.ask("GET", doors.url("/api/user/profile"), token=who.token)
    if not answer.good:
        raise SourceFailed(f"GET /api/user/profile: {answer.summary()}")
    try:
        balance = float(answer.json()["balance"])
    except (KeyError, TypeError, ValueError):
        raise SourceFailed("GET /api/user/profile: a balance was expected") from None
    if balance == 0:
        return None
    return warned(f"{FUNCTION}: not tried: {who.email} has a balance of {balance:,.2f}, expected 0")


async def _orders(doors: Doors, who: Person) -> set[str]:
    return await rows(doors, who, "/api/orders/history", "orders")
