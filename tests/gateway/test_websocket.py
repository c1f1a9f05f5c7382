"""The websocket door against real servers, good and bad."""

import asyncio
import contextlib
import http
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from websockets.asyncio.server import Request, Response, ServerConnection, serve
from websockets.datastructures import Headers

from console.domain.errors import SourceFailed
from console.gateway.websocket import Websocket
from tests.gateway import servers


@contextlib.asynccontextmanager
async def server(
    handler: Callable[[ServerConnection], Awaitable[None]], **options: object
) -> AsyncIterator[str]:
    async with serve(handler, "127.0.0.1", 0, close_timeout=0.1, **options) as running:  # type: ignore[arg-type]
        yield f"ws://127.0.0.1:{running.sockets[0].getsockname()[1]}/realtime"


async def quiet(connection: ServerConnection) -> None:
    await connection.wait_closed()


async def reason(url: str, timeout_s: float = 5) -> str:
    with pytest.raises(SourceFailed) as caught:
        await Websocket(url).greet(timeout_s=timeout_s)
    return str(caught.value)


async def test_a_quiet_server_answers_the_ping() -> None:
    async with server(quiet) as url:
        sign = await Websocket(url).greet()
        assert sign.what == "pong" and sign.elapsed_ms > 0
        assert await Websocket(url).connect() > 0


async def test_a_frame_is_a_sign_of_life_too() -> None:
    enough = asyncio.Event()

    async def mute(connection: ServerConnection) -> None:
        """Sends, but answers no ping."""
        await connection.send("hello")
        connection.transport.pause_reading()
        await enough.wait()
        connection.transport.abort()

    async with server(mute) as url:
        assert (await Websocket(url).greet(timeout_s=3)).what == "frame"
        enough.set()


async def test_the_key_goes_out_as_header() -> None:
    seen: list[Headers] = []

    def check(connection: ServerConnection, request: Request) -> None:
        seen.append(request.headers)

    async with server(quiet, process_request=check) as url:
        await Websocket(url, "sesame").greet()
        await Websocket(url).greet()
    assert (seen[0]["x-api-key"], seen[0]["authorization"]) == ("sesame", "Bearer sesame")
    assert "x-api-key" not in seen[1] and "authorization" not in seen[1]


async def test_refusals_have_their_status() -> None:
    def refuse(connection: ServerConnection, request: Request) -> Response:
        return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "no\n")

    async with server(quiet, process_request=refuse) as url:
        assert await reason(url) == "HTTP 503"


async def test_one_that_closes_at_once() -> None:
    async def leave(connection: ServerConnection) -> None:
        connection.transport.abort()

    async with server(leave) as url:
        assert "close" in await reason(url)


async def test_an_oversized_frame_is_no_harm() -> None:
    async def shout(connection: ServerConnection) -> None:
        await connection.send("x" * 3_000_000)

    async with server(shout) as url:
        try:
            await Websocket(url).greet(timeout_s=5)
        except SourceFailed as error:
            assert str(error).isprintable()


async def test_silent_absent_and_other_servers() -> None:
    async with servers.silent() as port:
        assert await reason(f"ws://127.0.0.1:{port}/", 0.2) == "timed out after 0.2 s"
    async with servers.closed() as port:
        assert await reason(f"ws://127.0.0.1:{port}/") == "connection refused"
    async with servers.http({"/": servers.reply(b"<html>")}) as (base, _):
        assert await reason(base.replace("http", "ws") + "/") == "HTTP 200"
    assert await reason("http://127.0.0.1/")
    assert await reason("ws://")


async def test_not_configured() -> None:
    with pytest.raises(SourceFailed, match=r"platform\.websocket_url is not set"):
        await Websocket(None).greet()
