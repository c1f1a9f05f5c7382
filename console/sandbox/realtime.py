"""The websocket: prices each second to everybody who shows a key.

`/realtime` sends plain JSON objects. `/realtime/v1/websocket` speaks the Phoenix protocol of Supabase Realtime
(vsn 2.0.0: arrays of join_ref, ref, topic, event, payload; heartbeat on topic phoenix).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

from starlette.websockets import WebSocket, WebSocketDisconnect

from console.sandbox.replies import ApiError
from console.sandbox.tokens import BadToken, verify

_PRICES_TOPIC = "realtime:prices"


class Hub:
    """Who listens. A listener that is slower than the beat misses beats, and nobody else notices."""

    def __init__(self) -> None:
        self._queues: set[asyncio.Queue[str | None]] = set()
        self._refusing = False
        self.messages = 0

    @property
    def connections(self) -> int:
        return len(self._queues)

    @property
    def refusing(self) -> bool:
        return self._refusing

    def refuse(self, refusing: bool) -> None:
        """Close every connection and take no new one, or take them again."""
        self._refusing = refusing
        if refusing:
            for queue in self._queues:
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(None)

    def broadcast(self, text: str) -> None:
        for queue in self._queues:
            if not queue.full():
                queue.put_nowait(text)
                self.messages += 1

    @contextlib.asynccontextmanager
    async def listener(self) -> AsyncIterator[asyncio.Queue[str | None]]:
        """A queue of broadcasts; None in it means that the connection has to end."""
        queue: asyncio.Queue[str | None] = asyncio.Queue(maxsize=2)
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)


async def serve(websocket: WebSocket, hub: Hub, jwt_secret: str, *, phoenix: bool) -> None:
    """One connection, from the check of its key to its end; raises ApiError before it is accepted."""
    if hub.refusing:
        raise ApiError(503, "realtime_unavailable", "the websocket takes no connections")
    try:
        verify(jwt_secret, _key(websocket))
    except BadToken as error:
        raise ApiError(401, "not_authenticated", str(error)) from None
    await websocket.accept()
    async with hub.listener() as queue:
        joined: set[str] = set()
        sender = asyncio.create_task(_send(websocket, queue, joined if phoenix else None))
        receiver = asyncio.create_task(_receive(websocket, joined if phoenix else None))
        try:
            await asyncio.wait({sender, receiver}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sender, receiver):
                task.cancel()
            await asyncio.gather(sender, receiver, return_exceptions=True)


def _key(websocket: WebSocket) -> str:
    scheme, _, bearer = websocket.headers.get("authorization", "").partition(" ")
    return (
        websocket.headers.get("x-api-key")
        or (bearer if scheme.lower() == "bearer" else "")
        or websocket.query_params.get("apikey")
        or websocket.query_params.get("token", "")
    )


async def _send(websocket: WebSocket, queue: asyncio.Queue[str | None], joined: set[str] | None) -> None:
    """Plain listeners get every broadcast, Phoenix ones once they have joined the topic."""
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while (text := await queue.get()) is not None:
            if joined is None:
                await websocket.send_text(text)
            elif _PRICES_TOPIC in joined:
                await websocket.send_text(
                    f'[null,null,"{_PRICES_TOPIC}","broadcast",{{"event":"prices","payload":{text}}}]'
                )
        await websocket.close(1012)


async def _receive(websocket: WebSocket, joined: set[str] | None) -> None:
    with contextlib.suppress(WebSocketDisconnect):
        while True:
            text = await websocket.receive_text()
            if joined is not None and (answer := _phoenix(text, joined)) is not None:
                await websocket.send_text(answer)


def _phoenix(text: str, joined: set[str]) -> str | None:
    """The reply to one message of the client, None for what is not understood."""
    try:
        join_ref, ref, topic, event, _ = json.loads(text)
    except (ValueError, TypeError):
        return None
    if not isinstance(topic, str) or event not in ("phx_join", "phx_leave", "heartbeat"):
        return None
    if event == "phx_join" and len(joined) < 100:
        joined.add(topic)
    if event == "phx_leave":
        joined.discard(topic)
    return json.dumps([join_ref, ref, topic, "phx_reply", {"status": "ok", "response": {}}])
