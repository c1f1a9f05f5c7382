"""What the platform offers over HTTP and its websocket: functions, API, pages, health. Reads only."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urljoin

from console.checks.check import Doors
from console.checks.orders import code
from console.checks.people import HARMLESS, owner
from console.domain.check import Outcome, failed, passed, together, warned
from console.domain.errors import SourceFailed
from console.domain.format import age, counted
from console.gateway.http import Response

FUNCTION_S, API_S, MONITORING_S = 10.0, 5.0, 3.0
"""How long each is waited for (FACTS section 6)."""
HEADERS = ("X-Content-Type-Options", "X-Frame-Options", "X-XSS-Protection", "Strict-Transport-Security")
_LEGACY = "X-XSS-Protection"
_PATHS = ("/api/health", "/api/user/profile", "/api/orders/history", "/api/positions")
_MONITORING = ("/health", "/metrics", "/status")
_HEALTH_BODY = {"test": "health_check"}
_SYMBOL = "EURUSD"
_PRICE_AGE = timedelta(seconds=60)
_AWAY = (502, 503, 504)
_FIRST_BYTE_MS, _TRIES = 1000.0, 3
_BUNDLE_BYTES = 1_000_000
# Of scripts and style sheets, not of images.
_ASSET = re.compile(r'<(?:script|link)\b[^>]*?\b(?:src|href)="([^"]+\.(?:js|css))"')
# What only a program's inside says.
_INSIDES = ("Traceback (most recent call last)", "    at ", "\n\tat ", "node_modules", ".ts:", "Deno.core")


async def functions(doors: Doors) -> Outcome:
    """Each function answers its harmless body with 200, the health function too."""
    settings = doors.platform.settings
    bodies = dict.fromkeys(settings.functions, HARMLESS)
    if settings.health_function:
        bodies[settings.health_function] = _HEALTH_BODY
    return await _all({name: _function(doors, name, body) for name, body in bodies.items()}, "answer")


async def health_function(doors: Doors) -> Outcome:
    """POST health-check: it and all that the functions stand on are well."""
    name = doors.platform.settings.health_function
    answer = await _function(doors, name, _HEALTH_BODY)
    return passed(f"POST {name}: HTTP 200") if answer.status == 200 else failed(f"{name}: {_unwell(answer)}")


async def listed_functions(doors: Doors) -> Outcome:
    """All functions of this installation are deployed and active."""
    known = await doors.management.functions()
    settings = doors.platform.settings
    wanted = [name for name in (*settings.functions, settings.health_function) if name]
    faults = []
    for name in wanted:
        if name not in known:
            faults.append(failed(f"{name}: not deployed"))
        elif not known[name].active:
            faults.append(failed(f"{name}: not active"))
    versions = ", ".join(f"{name} {known[name].version}" for name in wanted if name in known)
    return together(faults) if faults else passed(f"{len(known)} deployed: {versions}")


async def endpoints(doors: Doors) -> Outcome:
    """Each path of the API answers somebody who is signed in."""
    who = await owner(doors)
    return await _all(
        {
            f"GET {path}": doors.visitor.ask("GET", doors.url(path), token=who.token, timeout_s=API_S)
            for path in _PATHS
        },
        "answer",
    )


async def realtime(doors: Doors) -> Outcome:
    """The websocket takes a connection and shows a sign of life."""
    try:
        sign = await doors.platform.websocket.greet(timeout_s=API_S)
    except SourceFailed as error:
        error.args = (f"{doors.platform.settings.websocket_url}: {error}",)
        raise
    return passed(f"websocket connected, {sign.what} received after {sign.elapsed_ms:.0f} ms")


async def headers(doors: Doors) -> Outcome:
    """The four security headers, on the first page and on the API."""
    faults = []
    for path in ("/", "/api/health"):
        answer = await doors.visitor.ask("GET", doors.url(path), timeout_s=API_S)
        if missing := [name for name in HEADERS if not answer.headers.get(name.lower())]:
            faults.append(failed(f"GET {path}: no {', '.join(missing)}"))
    shown = ", ".join(f"{name} (legacy)" if name == _LEGACY else name for name in HEADERS)
    return together(faults) if faults else passed(shown)


async def monitoring(doors: Doors) -> Outcome:
    """/health, /metrics and /status answer. A /health that answers 503 as it should is a warning that names the part:
    something is wrong there, and it is being watched."""
    answers = await _answers(
        {path: doors.visitor.ask("GET", doors.url(path), timeout_s=MONITORING_S) for path in _MONITORING}
    )
    parts = []
    for path, answer in answers.items():
        if isinstance(answer, str):
            parts.append(failed(f"GET {path}: {answer}"))
        elif answer.status < 400:
            parts.append(passed(path))
        elif answer.status == 503 and (unwell := _parts(answer)):
            parts.append(warned(f"GET {path}: HTTP 503: {unwell}"))
        else:
            parts.append(failed(f"GET {path}: {answer.summary()}"))
    found = together(parts)
    return passed(f"{', '.join(_MONITORING)} answer") if found.good else found


async def price(doors: Doors) -> Outcome:
    """The price of a symbol is younger than 60 s."""
    name = "get-stock-price"
    who = await owner(doors)
    answer = await doors.visitor.ask(
        "POST", doors.function(name), token=who.token, json={"symbol": _SYMBOL}, timeout_s=FUNCTION_S
    )
    if not answer.good:
        return failed(f"{name}: {answer.summary()}")
    data: Any = answer.json()
    try:
        value, at = float(data["price"]), datetime.fromisoformat(data["at"])
        old = datetime.now(UTC) - at
    except (KeyError, TypeError, ValueError):
        return failed(f"{name}: a price and its time were expected for {_SYMBOL}")
    if value <= 0 or old > _PRICE_AGE:
        return failed(f"{name}: {_SYMBOL} {value:g} is {age(old)} old, {age(_PRICE_AGE)} at most")
    return passed(f"{name}: {_SYMBOL} {value:g} from {data.get('source')}, {age(old)} old")


async def errors(doors: Doors) -> Outcome:
    """A body that is no JSON gets 400 in the error shape, without the function's inside."""
    who = await owner(doors)
    faults = []
    for name in doors.platform.settings.functions:
        answer = await doors.visitor.ask(
            "POST",
            doors.function(name),
            token=who.token,
            content=b'{"symbol": ',
            headers={"Content-Type": "application/json"},
            timeout_s=FUNCTION_S,
        )
        text = answer.body.decode(errors="replace")
        if any(inside in text for inside in _INSIDES):
            faults.append(
                failed(f"{name}: HTTP {answer.status} with a stack trace for a body that is no JSON")
            )
        elif answer.status in _AWAY:
            # That it is away is fn.health's to say.
            faults.append(warned(f"{name}: HTTP {answer.status}: nobody there whose errors could be seen"))
        elif answer.status != 400 or not code(answer):
            faults.append(
                failed(f"{name}: {answer.summary()} for a body that is no JSON, expected 400 and error.code")
            )
    good = (
        f"{', '.join(doors.platform.settings.functions)}: 400 in the error shape for a body that is no JSON"
    )
    return together(faults) if faults else passed(good)


async def page(doors: Doors) -> Outcome:
    """The first page comes within a second, and its scripts and styles are within the budget."""
    answers = [await doors.visitor.ask("GET", doors.url("/"), timeout_s=API_S) for _ in range(_TRIES)]
    # The quickest: what else this machine does is no fault of the page.
    answer = min(answers, key=lambda each: (not each.good, each.elapsed_ms))
    if not answer.good:
        return failed(f"GET /: {answer.summary()}")
    if answer.elapsed_ms > _FIRST_BYTE_MS:
        return failed(f"GET /: {answer.elapsed_ms:.0f} ms, {_FIRST_BYTE_MS:g} at most")
    links = _ASSET.findall(answer.body.decode(errors="replace"))
    assets = [
        url
        for link in dict.fromkeys(links)
        if (url := urljoin(doors.url("/"), link)).startswith(doors.url("/"))
    ]
    if not assets:
        return warned(
            f"GET /: {answer.elapsed_ms:.0f} ms; bundle: no source: the page names no script of its own"
        )
    total = 0
    for url in assets:
        asset = await doors.visitor.ask("GET", url, timeout_s=API_S)
        shown = url.removeprefix(doors.url(""))
        if not asset.good:
            return failed(f"GET {shown}: {asset.summary()}")
        total += len(asset.body)
        if asset.cut or total > _BUNDLE_BYTES:
            return failed(f"GET {shown}: the bundle is over its budget of {_BUNDLE_BYTES / 1e6:g} MB")
    size = f"{counted(len(assets), 'asset')} of {total / 1000:.1f} kB, {_BUNDLE_BYTES / 1000:,.0f} at most"
    return passed(f"GET /: {answer.elapsed_ms:.0f} ms; {size}")


async def _function(doors: Doors, name: str, body: Mapping[str, Any]) -> Response:
    # A function that is only asked whether it is there is asked with the project's key, as a browser would.
    key = doors.platform.settings.api_key
    return await doors.visitor.ask(
        "POST",
        doors.function(name),
        token=None if key is None else key.get_secret_value(),
        json=dict(body),
        timeout_s=FUNCTION_S,
    )


async def _answers(asked: Mapping[str, Awaitable[Response]]) -> dict[str, Response | str]:
    """All at once; the reason where none came."""

    async def one(asking: Awaitable[Response]) -> Response | str:
        try:
            return await asking
        except SourceFailed as error:
            return str(error)

    return dict(zip(asked, await asyncio.gather(*map(one, asked.values())), strict=True))


async def _all(asked: Mapping[str, Awaitable[Response]], good: str) -> Outcome:
    """Passed when every answer is 200; else who answered what."""
    answers = await _answers(asked)
    faults = [
        failed(f"{name}: {answer if isinstance(answer, str) else _unwell(answer)}")
        for name, answer in answers.items()
        if isinstance(answer, str) or answer.status != 200
    ]
    return together(faults) if faults else passed(f"{', '.join(answers)} {good}")


def _unwell(answer: Response) -> str:
    """`HTTP 503: redis: connection refused`: the parts that are not well, where the answer names them."""
    parts = _parts(answer)
    return f"HTTP {answer.status}: {parts}" if parts else answer.summary()


def _parts(answer: Response) -> str:
    """Which of the health endpoint's `checks` are not ok; "" where there is no such thing."""
    try:
        data = answer.json()
    except SourceFailed:
        return ""
    checks = data.get("checks") if isinstance(data, dict) else None
    if not isinstance(checks, dict):
        return ""
    return ", ".join(
        f"{name}: {part.get('details') or part.get('status')}"
        for name, part in checks.items()
        if isinstance(part, dict) and part.get("status") not in ("ok", "healthy", "up")
    )
