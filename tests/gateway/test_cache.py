"""The cache door against fakeredis' TCP server, the sandbox's way of INFO, and servers that are no cache."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator

import pytest
from fakeredis import TcpFakeServer
from hypothesis import given
from hypothesis import strategies as st

from console.domain.errors import SourceFailed
from console.gateway.cache import Cache, parse_info
from tests.gateway import servers

INFO = "# Server\r\nredis_version:7.2.4\r\n# Stats\r\nkeyspace_hits:90\r\nkeyspace_misses:10\r\nused_memory:1200000\r\n"


@contextlib.asynccontextmanager
async def resp(answers: dict[str, bytes]) -> AsyncIterator[str]:
    """A server that reads RESP commands and answers by their first word, `+OK` to all others."""

    async def serve(reader: asyncio.StreamReader, writer: servers.Writer) -> None:
        while line := await reader.readline():
            words = []
            for _ in range(int(line[1:])):
                length = int((await reader.readline())[1:])
                words.append((await reader.readexactly(length + 2))[:-2])
            writer.write(answers.get(words[0].decode().upper(), b"+OK\r\n"))
            await writer.drain()

    async with servers.tcp(serve) as port:
        yield f"redis://127.0.0.1:{port}"


def bulk(text: str) -> bytes:
    raw = text.encode()
    return b"$%d\r\n%s\r\n" % (len(raw), raw)


async def reason(cache: Cache, timeout_s: float = 3) -> str:
    with pytest.raises(SourceFailed) as caught:
        await cache.ping(timeout_s=timeout_s)
    return str(caught.value)


async def test_ping_of_a_fakeredis_server() -> None:
    server = TcpFakeServer(("127.0.0.1", 0), server_type="redis")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    cache = Cache(f"redis://127.0.0.1:{server.server_address[1]}")
    assert await cache.ping() > 0
    assert await cache.ping() > 0
    await cache.close()
    await asyncio.to_thread(server.shutdown)
    server.server_close()


async def test_info_as_it_came() -> None:
    async with resp({"PING": b"+PONG\r\n", "INFO": bulk(INFO)}) as url:
        cache = Cache(url)
        info = await cache.info()
        assert (info["keyspace_hits"], info["redis_version"]) == ("90", "7.2.4")
        await cache.close()


async def test_info_that_is_no_text() -> None:
    async with resp({"INFO": b":42\r\n"}) as url:
        cache = Cache(url)
        with pytest.raises(SourceFailed, match="expected text"):
            await cache.info()
        await cache.close()


async def test_errors_of_the_server_are_printable() -> None:
    async with resp({"PING": b"-ERR \x1b]52;c;AA\x07\r\n"}) as url:
        cache = Cache(url)
        assert "␛]52" in await reason(cache)
        await cache.close()


async def test_it_comes_back_after_the_server_did() -> None:
    async def pong(reader: asyncio.StreamReader, writer: servers.Writer) -> None:
        while words := await reader.read(1000):
            writer.write((b"+PONG\r\n" if b"PING" in words else b"+OK\r\n") * words.count(b"*"))
            await writer.drain()

    async with servers.tcp(pong) as port:
        cache = Cache(f"redis://127.0.0.1:{port}")
        await cache.ping()
    assert await reason(cache) == "connection refused"
    async with servers.tcp(pong, port=port):
        await cache.ping()
    async with servers.tcp(pong, port=port):
        # The connection of before is dead, the server is not: that is no fault of the server's.
        await cache.ping()
    await cache.close()


async def test_silence_garbage_and_nobody() -> None:
    async def garbage(reader: asyncio.StreamReader, writer: servers.Writer) -> None:
        await reader.read(10)
        writer.write(bytes(range(256)) * 4)
        await writer.drain()

    async with servers.silent() as port:
        assert await reason(Cache(f"redis://127.0.0.1:{port}"), 0.2) == "timed out after 0.2 s"
    async with servers.tcp(garbage) as port:
        assert (await reason(Cache(f"redis://127.0.0.1:{port}"))).isprintable()
    async with servers.closed() as port:
        assert await reason(Cache(f"redis://127.0.0.1:{port}")) == "connection refused"
    assert await reason(Cache("http://127.0.0.1"))


async def test_not_configured() -> None:
    assert "platform.cache_url is not set" in await reason(Cache(None))


@given(st.text(max_size=300))
def test_any_info_text_is_read(text: str) -> None:
    for name, value in parse_info(text).items():
        assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in name + value)
