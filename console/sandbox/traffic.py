"""The simulated people at work: log-ins, orders, reading, leaving, a few mistakes, open websockets. Through HTTP only.

Orders keep their rate without drift. While the platform is away nothing is piled up; it goes on when it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import secrets
import signal
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import websockets

from console.sandbox import market, people
from console.sandbox.config import SandboxConfig
from console.sandbox.http_client import Answer, Client
from console.sandbox.people import Person
from console.sandbox.tokens import anon_token

# Ordinary people place at most about this many orders in 360 s: far from what a detector calls rapid.
_ORDERS_PER_360_S = 36
_FEWEST_TRADERS = 480
_LISTENERS = 36
_IN_FLIGHT = 400
_LIMIT_ORDER_SHARE = 0.05
_THIN_SHARE = 0.015
# One order in so many, evenly spread, is one that has to fail.
_FAILING_EVERY = 750
_MOST_READS_PER_S = 30.0
_LATE_S = 1.0
# How long people wait before they try again: any log-in, one that a suspended account was refused, a wrong password.
_TRY_PAUSE_S = 2.0
_SUSPENDED_PAUSE_S = 45.0
_MAIL_PAUSE_S = 15.0


def traders(rate: float) -> int:
    """How many people share `rate` orders per second."""
    return min(
        max(_FEWEST_TRADERS, round(rate * 360 / _ORDERS_PER_360_S)), people.POPULATION - people.RESERVED
    )


@dataclass(frozen=True, slots=True)
class _Session:
    """`renew_at` is on the monotonic clock."""

    access_token: str
    refresh_token: str
    renew_at: float


class Crowd:
    """Everybody who trades, with the session each of them holds."""

    def __init__(self, config: SandboxConfig) -> None:
        self._config = config
        self._random = random.Random(f"{config.seed} traffic")
        self._client = Client("127.0.0.1", config.port)
        self._people = [people.person(i) for i in range(traders(config.rate))]
        self._random.shuffle(self._people)
        self._turn = 0
        self._placed = 0
        self._sessions: dict[int, _Session] = {}
        self._passwords: dict[int, str] = {}
        self._patient_until: dict[int, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._away = False

    async def run(self) -> None:
        """All rhythms together, until cancelled."""
        rate = self._config.rate
        async with asyncio.TaskGroup() as group:
            for per_second, act in (
                (rate, self._order),
                (min(rate * 0.5, _MOST_READS_PER_S), self._read),
                (1 / 3, self._leave),
                (1 / 20, self._mistype),
                (1 / 40, self._export),
                (1 / 25, self._nonsense),
            ):
                group.create_task(self._rhythm(per_second, act))
            for number in range(_LISTENERS):
                group.create_task(self._listen(people.person(number * 7)))
            group.create_task(self._mind_the_platform())

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._client.close()

    async def _rhythm(self, per_second: float, act: Callable[[], Awaitable[None]]) -> None:
        """Start `act` once in each slot of 1 / per_second, at a random moment of it."""
        loop = asyncio.get_running_loop()
        begun, slot = loop.time(), 0
        while True:
            due = begun + (slot + self._random.random()) / per_second
            slot += 1
            delay = due - loop.time()
            if delay > 0:
                await asyncio.sleep(delay)
            elif delay < -_LATE_S:
                begun, slot = loop.time(), 0
            if self._away or len(self._tasks) >= _IN_FLIGHT:
                continue
            task = asyncio.create_task(self._quietly(act))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _quietly(self, act: Callable[[], Awaitable[None]]) -> None:
        try:
            await act()
        except ConnectionError as error:
            self._away = self._away or isinstance(error.__cause__, ConnectionRefusedError)

    async def _mind_the_platform(self) -> None:
        """While nobody answers, ask now and then instead of twenty times a second."""
        while True:
            await asyncio.sleep(0.5)
            if self._away:
                with contextlib.suppress(ConnectionError):
                    await self._client.request("GET", "/api/health", timeout_s=2)
                    self._away = False

    def _next(self) -> Person:
        person = self._people[self._turn % len(self._people)]
        self._turn += 1
        return person

    async def _call(self, person: Person, method: str, path: str, body: Any = None) -> Answer | None:
        """As this person, who logs in first where needed; None when that is refused."""
        token = await self._token(person)
        if token is None:
            return None
        headers = {"Authorization": f"Bearer {token}", "X-Forwarded-For": person.address}
        answer = await self._client.request(method, path, json=body, headers=headers)
        if answer.status == 401:
            self._sessions.pop(person.index, None)
        elif answer.status == 403 and answer.code() in ("account_suspended", "account_closed"):
            self._sessions.pop(person.index, None)
            self._wait(person, _SUSPENDED_PAUSE_S)
        return answer

    async def _token(self, person: Person) -> str | None:
        """An access token: the one at hand, a renewed one, or that of a new log-in; None when that is refused."""
        now = time.monotonic()
        session = self._sessions.get(person.index)
        if session is not None and now < session.renew_at:
            return session.access_token
        if now < self._patient_until.get(person.index, 0.0):
            return session.access_token if session is not None else None
        # Whatever the person does meanwhile waits for this one try.
        self._wait(person, _TRY_PAUSE_S)
        if session is not None:
            renewed = await self._ask(
                person, "/token?grant_type=refresh_token", refresh_token=session.refresh_token
            )
            if renewed.status == 200:
                return self._keep(person, renewed)
            if renewed.status != 400:
                # Blocked, too many, in maintenance: the token at hand is still good.
                return session.access_token
            self._sessions.pop(person.index, None)
        return await self._log_in(person)

    async def _log_in(self, person: Person) -> str | None:
        password = self._passwords.get(person.index) or people.password(
            self._config.database_password, person.email
        )
        answer = await self._ask(person, "/token?grant_type=password", email=person.email, password=password)
        if answer.status == 200:
            return self._keep(person, answer)
        if answer.status == 403 and answer.code() == "account_suspended":
            self._wait(person, _SUSPENDED_PAUSE_S)
        elif answer.status == 400:
            self._wait(person, _MAIL_PAUSE_S)
            return await self._follow_the_mail(person)
        return None

    async def _follow_the_mail(self, person: Person) -> str | None:
        """Set a new password with the token that was mailed; without a mail ask for one, and look again later."""
        inbox = await self._client.request(
            "GET", f"/sandbox/outbox?email={person.email}",
            headers={"Authorization": f"Bearer {self._config.control_token}"},
        )  # fmt: skip
        mail = inbox.json()["mail"] if inbox.status == 200 else []
        if not mail:
            await self._ask(person, "/recover", email=person.email)
            return None
        answer = await self._ask(
            person, "/verify", type="recovery", email=person.email, token=mail[0]["token"]
        )
        if answer.status != 200:
            return None
        password = secrets.token_hex(12)
        changed = await self._client.request(
            "PUT", "/auth/v1/user", json={"password": password},
            headers={"Authorization": f"Bearer {answer.json()['access_token']}", "X-Forwarded-For": person.address},
        )  # fmt: skip
        if changed.status != 200:
            return None
        self._passwords[person.index] = password
        return self._keep(person, answer)

    async def _ask(self, person: Person, path: str, **body: str) -> Answer:
        return await self._client.request(
            "POST", f"/auth/v1{path}", json=body, headers={"X-Forwarded-For": person.address}
        )

    def _keep(self, person: Person, answer: Answer) -> str:
        data = answer.json()
        # Not everybody at once, also when all have begun together.
        lasts_s = self._config.refresh_s * self._random.uniform(0.7, 1.3)
        self._sessions[person.index] = _Session(
            data["access_token"], data["refresh_token"], time.monotonic() + lasts_s
        )
        self._patient_until.pop(person.index, None)
        return data["access_token"]

    def _wait(self, person: Person, seconds: float) -> None:
        """Somebody who was refused doesn't try again at once."""
        self._patient_until[person.index] = time.monotonic() + seconds

    async def _order(self) -> None:
        person, dice = self._next(), self._random
        self._placed += 1
        if self._placed % _FAILING_EVERY == _FAILING_EVERY // 3:
            body = self._failing_order(person, self._placed // _FAILING_EVERY)
        else:
            symbol = self._favourite(person)
            notional = 8 + dice.expovariate(1 / 268)
            side = dice.choice(("buy", "sell"))
            body = _body(symbol, side, notional)
            if dice.random() < _LIMIT_ORDER_SHARE:
                # Too far from the market to be filled: it rests until its owner thinks better of it.
                price = symbol.base_price * (0.95 if side == "buy" else 1.05)
                body |= {"order_type": "limit", "price": round(price, 5)}
        answer = await self._call(person, "POST", "/functions/v1/execute-order", body)
        if answer is not None and answer.status == 200 and body["order_type"] == "limit":
            await asyncio.sleep(dice.uniform(2, 40))
            await self._call(person, "POST", f"/api/orders/{answer.json()['order_id']}/cancel", {})

    def _favourite(self, person: Person) -> market.Symbol:
        """Everybody trades the same few symbols all day."""
        if self._random.random() < _THIN_SHARE:
            return market.SYMBOLS[market.LIQUID + person.index % 9]
        return market.SYMBOLS[(person.index * 7 + self._random.randrange(6)) % market.LIQUID]

    def _failing_order(self, person: Person, number: int) -> dict[str, Any]:
        """The ways in which a sound-looking order fails, one after the other."""
        symbol = self._favourite(person)
        kind = number % 4
        if kind == 0:
            return _body(symbol, "buy", 40_000_000 if symbol.leverage > 10 else 8_000_000)
        if kind == 1:
            return _body(symbol, "buy", 300) | {"price": round(symbol.base_price * 0.9, 5)}
        if kind == 2:
            return _body(market.BY_NAME[market.HALTED], "sell", 120)
        return _body(market.BY_NAME["EURUSD"], "sell", 70_000)

    async def _read(self) -> None:
        person, dice = self._random.choice(self._people), self._random.random()
        if dice < 0.5:
            body = {"symbol": self._favourite(person).symbol}
            await self._call(person, "POST", "/functions/v1/get-stock-price", body)
        elif dice < 0.57:
            await self._call(person, "POST", "/functions/v1/risk-monitoring", {})
        else:
            path = "/api/orders/history?limit=20" if dice < 0.75 else "/api/positions"
            await self._call(person, "GET", path if dice < 0.9 else "/api/user/profile")

    async def _leave(self) -> None:
        signed_in = [p for p in self._random.sample(self._people, 20) if p.index in self._sessions]
        if signed_in:
            await self._call(signed_in[0], "POST", "/auth/v1/logout", {})
            self._sessions.pop(signed_in[0].index, None)

    async def _mistype(self) -> None:
        person = self._random.choice(self._people)
        await self._client.request(
            "POST", "/auth/v1/token?grant_type=password", json={"email": person.email, "password": "mistyped"},
            headers={"X-Forwarded-For": person.address},
        )  # fmt: skip

    async def _export(self) -> None:
        await self._call(self._random.choice(self._people), "GET", "/api/orders/history?limit=100&format=csv")

    async def _nonsense(self) -> None:
        """What a broken client sends: refused, and no order."""
        person = self._random.choice(self._people)
        body = _body(self._favourite(person), "buy", 50) | {"quantity": -1}
        await self._call(person, "POST", "/functions/v1/execute-order", body)

    async def _listen(self, person: Person) -> None:
        """Keep one websocket open."""
        url = f"ws://127.0.0.1:{self._config.port}/realtime"
        headers = {"x-api-key": anon_token(self._config.jwt_secret), "X-Forwarded-For": person.address}
        wait_s = 1.0
        while True:
            await asyncio.sleep(self._random.uniform(0.1, wait_s))
            wait_s = min(wait_s * 1.6, 6.0)
            with contextlib.suppress(
                OSError, TimeoutError, websockets.WebSocketException, json.JSONDecodeError
            ):
                async with websockets.connect(
                    url,
                    additional_headers=headers,
                    compression=None,
                    ping_interval=None,
                    open_timeout=5,
                    proxy=None,
                ) as connection:
                    wait_s = 1.0
                    async for _ in connection:
                        pass


def _body(symbol: market.Symbol, side: str, notional: float) -> dict[str, Any]:
    return {
        "symbol": symbol.symbol, "order_type": "market", "side": side, "idempotency_key": uuid.uuid4().hex,
        "quantity": max(round(notional / market.price(symbol, time.time()), 6), 0.000001),
    }  # fmt: skip


async def run(config: SandboxConfig) -> None:
    """Until SIGTERM or SIGINT."""
    crowd = Crowd(config)
    working = asyncio.create_task(crowd.run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, working.cancel)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await working
    finally:
        crowd.close()
