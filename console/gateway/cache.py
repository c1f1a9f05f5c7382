"""The door to the platform's cache: PING and INFO over RESP, nothing that reads or changes its content."""

from __future__ import annotations

import asyncio
import time

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError
from redis.exceptions import TimeoutError as RedisTimeout

from console.domain.errors import SourceFailed
from console.domain.text import printable
from console.gateway.reasons import LONGEST, NoSource, as_source_failed, network_reason, timed_out


class Cache:
    """One lazily opened connection; it is thrown away when a call fails."""

    def __init__(self, url: str | None, password: str | None = None) -> None:
        self._url = url
        self._password = password
        self._client: redis.Redis | None = None
        self._turn = asyncio.Lock()

    @property
    def configured(self) -> bool:
        """Whether this installation names a cache at all."""
        return self._url is not None

    async def ping(self, *, timeout_s: float = 3.0) -> float:
        """Milliseconds of PING on a connection that is open. Raises SourceFailed."""
        begun = time.perf_counter()
        if self._client is None:
            await self._command("PING", timeout_s=timeout_s)
            timeout_s = max(timeout_s - (time.perf_counter() - begun), 0.1)
            begun = time.perf_counter()
        await self._command("PING", timeout_s=timeout_s)
        return (time.perf_counter() - begun) * 1000

    async def info(self, *, timeout_s: float = 3.0) -> dict[str, str]:
        """The fields of INFO as they came, for instance `{"keyspace_hits": "812", ...}`. Raises SourceFailed."""
        answer = await self._command("INFO", timeout_s=timeout_s)
        if not isinstance(answer, bytes | str):
            raise SourceFailed(f"INFO answered with {type(answer).__name__}, expected text")
        return parse_info(answer if isinstance(answer, str) else answer.decode(errors="replace"))

    async def _command(self, name: str, *, timeout_s: float) -> object:
        if self._url is None:
            raise NoSource("no source: platform.cache_url is not set")
        try:
            with as_source_failed(timeout_s):
                async with asyncio.timeout(timeout_s), self._turn:
                    return await self._ask(name)
        except RedisTimeout:
            raise timed_out(timeout_s) from None
        except AuthenticationError as error:
            raise SourceFailed(f"log-in refused: {printable(error, LONGEST)}") from None
        except redis.ConnectionError as error:
            raise SourceFailed(network_reason(error)) from None
        except RedisError as error:
            raise SourceFailed(printable(error, LONGEST)) from None
        except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
            # What the client's parser raises on an answer that is not RESP.
            raise SourceFailed(f"no proper answer to {name}: {printable(error, 80)}") from None

    async def _ask(self, name: str) -> object:
        used = self._client is not None
        try:
            return await self._execute(name)
        except redis.ConnectionError:
            # A connection that was idle may have ended with a server that is long back.
            if not used:
                raise
            return await self._execute(name)

    async def _execute(self, name: str) -> object:
        if self._client is None:
            self._client = redis.Redis.from_url(
                self._url or "",
                password=self._password,
                retry=Retry(NoBackoff(), 0),
                single_connection_client=True,
            )
            # The raw text: how INFO is read is our own business, with whatever a server may say.
            self._client.set_response_callback("INFO", lambda response, **_: response)
        try:
            return await self._client.execute_command(name)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            try:
                async with asyncio.timeout(0.25):
                    await client.aclose()
            except (TimeoutError, OSError, RedisError):
                pass


def parse_info(text: str) -> dict[str, str]:
    """`name:value` lines as a mapping; comments and lines of another shape are left out."""
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon and not line.startswith("#"):
            fields[printable(name.strip(), 80)] = printable(value.strip())
    return fields
