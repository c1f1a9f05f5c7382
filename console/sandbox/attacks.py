"""What attackers and odd customers do in a drill: through HTTP like everybody else, until they are stopped."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random

from console.sandbox import market, people
from console.sandbox.http_client import Client
from console.sandbox.pace import Pace
from console.sandbox.people import Person
from console.sandbox.service import Service

_FIRST_ATTACKER, _ATTACKERS = 200, 40
_GUESSES_PER_S = 3.5
_RAPID_PER_S = 4.0
_SCANNED, _SCAN_EVERY_S, _SCAN_AGAIN_EVERY_S = 26, 0.5, 20.0
_ACCOUNTS = 12


async def brute_force(service: Service, run: int) -> None:
    """One address guesses passwords of several accounts, several times a second, also once it is refused."""
    address = _free_attacker(service, run)
    client = Client("127.0.0.1", service.config.port)
    guess, pace = 0, Pace(1 / _GUESSES_PER_S)
    with contextlib.closing(client):
        while True:
            victim = people.person((run * 31 + guess % _ACCOUNTS * 17) % 400)
            with contextlib.suppress(ConnectionError):
                await client.request(
                    "POST", "/auth/v1/token?grant_type=password",
                    json={"email": victim.email, "password": f"Summer{guess % 100:02d}!"},
                    headers={"X-Forwarded-For": address},
                )  # fmt: skip
            guess += 1
            await pace.wait()


async def rapid_orders(service: Service, run: int) -> None:
    """One person places small orders in a few symbols, four a second."""
    async with _signed_in(service, people.reserved(run)) as order:
        pace = Pace(1 / _RAPID_PER_S)
        for n in itertools.count():
            await order(market.SYMBOLS[n % 3])
            await pace.wait()


async def symbol_scan(service: Service, run: int) -> None:
    """One person orders a bit of every symbol there is, then slowly goes on; never as many as rapid orders."""
    async with _signed_in(service, people.reserved(run)) as order:
        pace = Pace(_SCAN_EVERY_S)
        for n in itertools.count():
            await order(market.SYMBOLS[n % market.LIQUID])
            await (pace.wait() if n < _SCANNED else asyncio.sleep(_SCAN_AGAIN_EVERY_S))


@contextlib.asynccontextmanager
async def _signed_in(service: Service, person: Person):
    """A function that places one small order of this person; while the platform is away it tries again later."""
    client = Client("127.0.0.1", service.config.port)
    headers = {"X-Forwarded-For": person.address}
    dice = random.Random(person.index)

    async def order(symbol: market.Symbol) -> None:
        with contextlib.suppress(ConnectionError):
            if "Authorization" not in headers:
                password = people.password(service.config.database_password, person.email)
                answer = await client.request(
                    "POST", "/auth/v1/token?grant_type=password", json={"email": person.email, "password": password},
                    headers=headers,
                )  # fmt: skip
                if answer.status != 200:
                    return
                headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
            answer = await client.request(
                "POST", "/functions/v1/execute-order", headers=headers,
                json={
                    "symbol": symbol.symbol, "order_type": "market", "side": dice.choice(("buy", "sell")),
                    "quantity": round(20 / symbol.base_price, 6) or 0.000001,
                },
            )  # fmt: skip
            if answer.status == 401:
                headers.pop("Authorization", None)

    with contextlib.closing(client):
        yield order


def _free_attacker(service: Service, run: int) -> str:
    """An address of 203.0.113.0/24 that is not blocked yet, so that each drill can be seen from its beginning."""
    for n in range(_ATTACKERS):
        address = f"203.0.113.{_FIRST_ATTACKER + (run + n) % _ATTACKERS}"
        if not service.blocked.refuses(address):
            return address
    return f"203.0.113.{_FIRST_ATTACKER + run % _ATTACKERS}"
