"""A small RESP server: the platform's cache, with the INFO figures that a Redis server gives.

Strings with expiry and least-recently-used eviction; the commands the platform and its watchers use. Protocol:
redis.io/docs/latest/develop/reference/protocol-spec (RESP2, and RESP3 after HELLO 3).
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

MAX_MEMORY = 64 * 1024**2
_OVERHEAD = 96
_LARGEST = 1_000_000


class _Bad(Exception):
    """The client's command is wrong; the text is the error reply."""


class CacheServer:
    """Listens on a loopback port while it is open; `close` ends every connection, the data stays."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._data: OrderedDict[bytes, tuple[bytes, float | None]] = OrderedDict()
        self._server: asyncio.Server | None = None
        self._clients: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}
        self._started = time.monotonic()
        self.used = 1_000_000
        self.hits = self.misses = self.commands = self.connections = self.evicted = self.expired = 0
        self._handlers: dict[bytes, Callable[[list[bytes]], object]] = {
            b"PING": lambda a: _bulk(a[0]) if a else "PONG", b"ECHO": lambda a: _bulk(a[0]), b"GET": self._get,
            b"SET": self._set, b"DEL": self._delete, b"EXISTS": self._exists, b"TTL": self._ttl,
            b"DBSIZE": lambda a: len(self._data), b"INFO": lambda a: _bulk(self.info().encode()),
            b"FLUSHDB": self._flush, b"FLUSHALL": self._flush, b"SELECT": lambda a: "OK", b"AUTH": lambda a: "OK",
            b"CLIENT": lambda a: "OK", b"COMMAND": lambda a: [], b"CONFIG": lambda a: [],
        }  # fmt: skip

    async def open(self) -> None:
        """Listen; does nothing when it does already."""
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, limit=_LARGEST)

    async def close(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
            ending = list(self._clients.values())
            for writer in tuple(self._clients):
                writer.transport.abort()
            if ending:
                await asyncio.wait(ending, timeout=1)
            await server.wait_closed()

    @property
    def keys(self) -> int:
        return len(self._data)

    @property
    def is_open(self) -> bool:
        return self._server is not None

    def info(self) -> str:
        """The sections and names of Redis's INFO that monitoring reads."""
        return "\r\n".join(
            (
                "# Server", "redis_version:7.4.1", "redis_mode:standalone", f"tcp_port:{self._port}",
                f"uptime_in_seconds:{int(time.monotonic() - self._started)}",
                "# Clients", f"connected_clients:{len(self._clients)}", "blocked_clients:0", "maxclients:10000",
                "# Memory", f"used_memory:{self.used}", f"maxmemory:{MAX_MEMORY}", "maxmemory_policy:allkeys-lru",
                "mem_fragmentation_ratio:1.08",
                "# Stats", f"total_connections_received:{self.connections}",
                f"total_commands_processed:{self.commands}", f"keyspace_hits:{self.hits}",
                f"keyspace_misses:{self.misses}", f"evicted_keys:{self.evicted}", f"expired_keys:{self.expired}",
                "rejected_connections:0",
                "# Replication", "role:master", "connected_slaves:0",
                "# Keyspace", f"db0:keys={len(self._data)},expires={len(self._data)},avg_ttl=0", "",
            )
        )  # fmt: skip

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a connection's callback runs in a task of its own
        self._clients[writer] = task
        self.connections += 1
        protocol = 2
        try:
            while (command := await _read_command(reader)) is not None:
                self.commands += 1
                name, arguments = command[0].upper(), command[1:]
                if name == b"QUIT":
                    writer.write(b"+OK\r\n")
                    break
                if name == b"HELLO":
                    if arguments and arguments[0] not in (b"2", b"3"):
                        writer.write(b"-NOPROTO unsupported protocol version\r\n")
                        continue
                    protocol = int(arguments[0]) if arguments else protocol
                    writer.write(_encode_hello(protocol))
                    continue
                writer.write(self._answer(name, arguments, protocol))
                # The client's pipeline is answered in one go; only a reader that is too slow is waited for.
                if writer.transport.get_write_buffer_size() > 65_536:
                    await writer.drain()
        except _Bad as error:
            writer.write(f"-{error}\r\n".encode())
        except (ConnectionError, asyncio.IncompleteReadError, ValueError):
            pass
        finally:
            self._clients.pop(writer, None)
            writer.close()

    def _answer(self, name: bytes, arguments: list[bytes], protocol: int) -> bytes:
        handler = self._handlers.get(name)
        if handler is None:
            return b"-ERR unknown command '%s'\r\n" % name[:40]
        try:
            return _encode(handler(arguments), protocol)
        except IndexError:
            return b"-ERR wrong number of arguments for '%s' command\r\n" % name.lower()
        except _Bad as error:
            return f"-{error}\r\n".encode()

    def _live(self, key: bytes) -> bytes | None:
        found = self._data.get(key)
        if found is None:
            return None
        if found[1] is not None and found[1] <= time.monotonic():
            self._remove(key)
            self.expired += 1
            return None
        return found[0]

    def _remove(self, key: bytes) -> None:
        value, _ = self._data.pop(key)
        self.used -= len(key) + len(value) + _OVERHEAD

    def _get(self, arguments: list[bytes]) -> object:
        value = self._live(arguments[0])
        if value is None:
            self.misses += 1
            return None
        self.hits += 1
        self._data.move_to_end(arguments[0])
        return _bulk(value)

    def _set(self, arguments: list[bytes]) -> object:
        key, value, options = arguments[0], arguments[1], [a.upper() for a in arguments[2:]]
        ends: float | None = None
        for name, factor in ((b"EX", 1.0), (b"PX", 0.001)):
            if name in options:
                try:
                    ends = time.monotonic() + int(options[options.index(name) + 1]) * factor
                except (ValueError, IndexError):
                    raise _Bad("ERR value is not an integer or out of range") from None
        if b"NX" in options and self._live(key) is not None:
            return None
        if key in self._data:
            self._remove(key)
        self._data[key] = (value, ends)
        self.used += len(key) + len(value) + _OVERHEAD
        while self.used > MAX_MEMORY and len(self._data) > 1:
            self._remove(next(iter(self._data)))
            self.evicted += 1
        return "OK"

    def _delete(self, arguments: list[bytes]) -> object:
        gone = [key for key in dict.fromkeys(arguments) if self._live(key) is not None]
        for key in gone:
            self._remove(key)
        return len(gone)

    def _exists(self, arguments: list[bytes]) -> object:
        return sum(self._live(key) is not None for key in arguments)

    def _ttl(self, arguments: list[bytes]) -> object:
        if self._live(arguments[0]) is None:
            return -2
        ends = self._data[arguments[0]][1]
        return -1 if ends is None else max(round(ends - time.monotonic()), 0)

    def _flush(self, arguments: list[bytes]) -> object:
        for key in tuple(self._data):
            self._remove(key)
        return "OK"


class _Bulk(bytes):
    """A reply that goes out as a bulk string."""


def _bulk(value: bytes) -> _Bulk:
    return _Bulk(value)


def _encode(value: object, protocol: int) -> bytes:
    if value is None:
        return b"_\r\n" if protocol == 3 else b"$-1\r\n"
    if isinstance(value, _Bulk):
        return b"$%d\r\n%s\r\n" % (len(value), value)
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, list):
        return b"*%d\r\n" % len(value) + b"".join(_encode(v, protocol) for v in value)
    return f"+{value}\r\n".encode()


def _encode_hello(protocol: int) -> bytes:
    pairs: list[object] = [
        _bulk(b"server"), _bulk(b"redis"), _bulk(b"version"), _bulk(b"7.4.1"), _bulk(b"proto"), protocol,
        _bulk(b"mode"), _bulk(b"standalone"), _bulk(b"role"), _bulk(b"master"), _bulk(b"modules"), [],
    ]  # fmt: skip
    head = b"%%%d\r\n" % (len(pairs) // 2) if protocol == 3 else b"*%d\r\n" % len(pairs)
    return head + b"".join(_encode(v, protocol) for v in pairs)


async def _read_command(reader: asyncio.StreamReader) -> list[bytes] | None:
    """One command as its words, None at the end of the stream."""
    line = (await reader.readline()).rstrip(b"\r\n")
    if not line:
        return None
    if not line.startswith(b"*"):
        return line.split()
    words: list[bytes] = []
    for _ in range(_length(line, 1024)):
        head = (await reader.readline()).rstrip(b"\r\n")
        if not head.startswith(b"$"):
            raise _Bad("ERR Protocol error: expected '$'")
        body = await reader.readexactly(_length(head, _LARGEST) + 2)
        words.append(body[:-2])
    if not words:
        raise _Bad("ERR Protocol error: empty command")
    return words


def _length(head: bytes, largest: int) -> int:
    try:
        length = int(head[1:])
    except ValueError:
        raise _Bad("ERR Protocol error: invalid length") from None
    if not 0 <= length <= largest:
        raise _Bad("ERR Protocol error: invalid length")
    return length


class CacheClient:
    """The service's own connection to its cache, over TCP, pipelined; raises ConnectionError when it is away."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._lock = asyncio.Lock()

    async def get(self, key: str) -> bytes | None:
        return (await self.run([("GET", key)]))[0]

    async def run(self, commands: list[tuple[str, ...]]) -> list[bytes | None]:
        """All commands in one round trip, their replies in order; raises ConnectionError."""
        async with self._lock:
            try:
                async with asyncio.timeout(1):
                    if self._streams is None:
                        self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=_LARGEST)
                    reader, writer = self._streams
                    writer.write(b"".join(_request(words) for words in commands))
                    return [await _read_reply(reader) for _ in commands]
            except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
                self.disconnect()
                raise ConnectionError("the cache does not answer") from error

    def disconnect(self) -> None:
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()


def _request(words: tuple[str, ...]) -> bytes:
    parts = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


async def _read_reply(reader: asyncio.StreamReader) -> bytes | None:
    line = await reader.readuntil(b"\r\n")
    if line.startswith(b"$"):
        length = int(line[1:])
        return None if length < 0 else (await reader.readexactly(length + 2))[:-2]
    if line.startswith(b"-"):
        raise ConnectionError(line[1:].decode(errors="replace").strip())
    return line[1:].strip()
