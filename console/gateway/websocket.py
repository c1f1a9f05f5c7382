"""The door to the platform's websocket: does it take a connection and show a sign of life."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, WebSocketException

from console.domain.errors import SourceFailed
from console.gateway.reasons import NoSource, as_source_failed, closed_quietly
from console.gateway.redaction import Redaction

_MAX_FRAME = 1_000_000
_GOODBYE_S = 0.25


@dataclass(frozen=True, slots=True)
class SignOfLife:
    """How long it took from the first packet to `what` came: `frame` or `pong`."""

    elapsed_ms: float
    what: str


class Websocket:
    """Connects anew for each question; the key goes out as `x-api-key` and as bearer token."""

    def __init__(self, url: str | None, api_key: str | None = None) -> None:
        self._url = url
        self._redaction = Redaction([api_key])
        self._headers = {"x-api-key": api_key, "Authorization": f"Bearer {api_key}"} if api_key else {}

    @property
    def configured(self) -> bool:
        """Whether this installation names a websocket at all."""
        return self._url is not None

    async def greet(self, *, timeout_s: float = 5.0) -> SignOfLife:
        """Connect, wait for the first frame or for the answer to a ping, and leave. Raises SourceFailed."""
        if self._url is None:
            raise NoSource("no source: platform.websocket_url is not set")
        begun = time.perf_counter()
        try:
            with as_source_failed(timeout_s):
                async with asyncio.timeout(timeout_s):
                    return await self._greet(begun)
        except InvalidStatus as error:
            raise SourceFailed(f"HTTP {error.response.status_code}") from None
        except InvalidHandshake as error:
            raise SourceFailed(f"no websocket: {self._redaction(error)}") from None
        except ConnectionClosed as error:
            raise SourceFailed(f"closed at once: {self._redaction(error)}") from None
        except (WebSocketException, ValueError) as error:
            raise SourceFailed(self._redaction(error)) from None

    async def connect(self, *, timeout_s: float = 5.0) -> float:
        """Milliseconds until the first sign of life. Raises SourceFailed."""
        return (await self.greet(timeout_s=timeout_s)).elapsed_ms

    async def _greet(self, begun: float) -> SignOfLife:
        # max_queue and max_size bound what a broken server can push at us; proxies don't take part.
        connection = await connect(
            self._url or "",
            additional_headers=self._headers,
            user_agent_header="tradex-console",
            compression=None,
            open_timeout=None,
            ping_interval=None,
            close_timeout=_GOODBYE_S,
            max_size=_MAX_FRAME,
            max_queue=4,
            proxy=None,
        )
        try:
            pong = asyncio.ensure_future(await connection.ping())
            frame = asyncio.ensure_future(connection.recv())
            try:
                await asyncio.wait({pong, frame}, return_when=asyncio.FIRST_COMPLETED)
                first, what = (frame, "frame") if frame.done() else (pong, "pong")
                first.result()
            finally:
                for waiting in (pong, frame):
                    waiting.cancel()
                await asyncio.gather(pong, frame, return_exceptions=True)
            return SignOfLife((time.perf_counter() - begun) * 1000, what)
        finally:
            await closed_quietly(asyncio.ensure_future(connection.close()), 2 * _GOODBYE_S)
