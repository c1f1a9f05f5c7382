"""The door to the platform's HTTP side: one client, whole-request time-outs, bodies cut off, a token kept at home."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx

from console.domain.errors import SourceFailed
from console.domain.text import printable
from console.gateway.reasons import as_source_failed, network_reason, timed_out
from console.gateway.redaction import Redaction

MAX_BYTES = 1_000_000
_MAX_REDIRECTS = 3
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_AGENT = "tradex-console"
# An environment's proxy is for the outside world, never for this machine.
_LOOPBACK: dict[str, httpx.AsyncBaseTransport | None] = {
    "all://127.0.0.1": None,
    "all://localhost": None,
    "all://[::1]": None,
}


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. `body` is cut off at the request's limit, `cut` says whether it was; `elapsed_ms` runs to its end."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    elapsed_ms: float
    cut: bool = False
    limit: int = MAX_BYTES

    @property
    def good(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    def whole(self) -> bytes:
        """The body; SourceFailed when it was cut off or came compressed though none was asked for."""
        if self.cut:
            raise SourceFailed(f"body over {self.limit / 1e6:g} MB cut off")
        if self.headers.get("content-encoding", "identity").lower() != "identity":
            raise SourceFailed("compressed body, though plain text was asked for")
        return self.body

    def text(self) -> str:
        """The body as UTF-8; SourceFailed when it is something else."""
        try:
            return self.whole().decode()
        except UnicodeDecodeError as error:
            raise SourceFailed(f"not UTF-8 text: byte {error.start + 1}") from None

    def json(self) -> Any:
        """The body as JSON; SourceFailed when it is something else. NaN and infinities are refused: JSON has none."""
        try:
            return json.loads(self.text(), parse_constant=_no_constant)
        except RecursionError:
            raise SourceFailed("not JSON: nested too deep") from None
        except ValueError as error:
            reason = str(error).partition(":")[0] if "char" in str(error) else str(error)
            begin = printable(self.body[:24].decode(errors="replace"), 24)
            raise SourceFailed(f"not JSON: {printable(reason, 60)}, begins with {begin!r}") from None

    def summary(self) -> str:
        """`HTTP 503`, with the message of the body where it has one in a usual place."""
        message: Any = None
        try:
            data = self.json()
        except SourceFailed:
            data = None
        if isinstance(data, dict):
            error = data.get("error")
            message = (
                error.get("message")
                if isinstance(error, dict)
                else error or data.get("message") or data.get("msg")
            )
        said = f": {printable(message, 80)}" if isinstance(message, str) and message else ""
        return f"HTTP {self.status}{said}"


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


class Http:
    """One client for all requests. The bearer token goes only to `trusted` URLs' hosts, whoever asks, and no answer
    repeats it."""

    def __init__(self, *, token: str | None = None, trusted: Iterable[str | None] = ()) -> None:
        self._token = token
        self._redaction = Redaction([token])
        self._trusted = frozenset(_origin(httpx.URL(url)) for url in trusted if url)
        self._client: httpx.AsyncClient | None = None
        self._opening = asyncio.Lock()

    async def _open(self) -> httpx.AsyncClient:
        # Made late, and in a thread: reading the certificates would hold up everything else for a while.
        async with self._opening:
            if self._client is None:
                self._client = await asyncio.to_thread(_client)
            return self._client

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        content: bytes | None = None,
        timeout_s: float = 5.0,
        max_bytes: int = MAX_BYTES,
        sent: Callable[[], None] | None = None,
    ) -> Response:
        """Ask, and read at most `max_bytes` of the answer, all within `timeout_s`. Any status is an answer.

        `content` is a body that is no JSON. A GET follows redirects that stay on the same scheme, host and port.
        `sent` is called when the request begins to leave: until then it surely has not reached anybody. Raises
        SourceFailed with the reason.
        """
        begun = time.perf_counter()
        try:
            with as_source_failed(timeout_s):
                async with asyncio.timeout(timeout_s):
                    body = {"json": json} if content is None else {"content": content}
                    return await self._follow(method, httpx.URL(url), headers, body, max_bytes, begun, sent)
        except httpx.TimeoutException:
            raise timed_out(timeout_s) from None
        except httpx.ConnectError as error:
            raise SourceFailed(network_reason(error)) from None
        except httpx.RemoteProtocolError as error:
            raise SourceFailed(f"no proper HTTP: {self._redaction(error)}") from None
        except httpx.TransportError as error:
            raise SourceFailed(network_reason(error)) from None
        except ExceptionGroup as error:
            # What anyio makes of an address that can't even be tried.
            raise SourceFailed(network_reason(error)) from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise SourceFailed(self._redaction(error)) from None

    async def _follow(
        self,
        method: str,
        url: httpx.URL,
        headers: Mapping[str, str] | None,
        body: dict[str, Any],
        max_bytes: int,
        begun: float,
        sent: Callable[[], None] | None,
    ) -> Response:
        for _ in range(_MAX_REDIRECTS + 1):
            answer = await self._ask(method, url, headers, body, max_bytes, begun, sent)
            place = answer.headers.get("location")
            if method != "GET" or answer.status not in _REDIRECTS or not place:
                return answer
            target = url.join(place)
            if _origin(target) != _origin(url):
                raise SourceFailed(f"redirected to {printable(target.host, 80)}, not followed")
            url = target
        raise SourceFailed(f"redirected more than {_MAX_REDIRECTS} times")

    async def _ask(
        self,
        method: str,
        url: httpx.URL,
        headers: Mapping[str, str] | None,
        body: dict[str, Any],
        max_bytes: int,
        begun: float,
        sent: Callable[[], None] | None,
    ) -> Response:
        told = dict(headers or {})
        if self._token and _origin(url) in self._trusted:
            told.setdefault("Authorization", f"Bearer {self._token}")
        extensions = {"trace": _on_sending(sent)} if sent else {}
        client = await self._open()
        async with client.stream(method, url, headers=told, extensions=extensions, **body) as stream:
            read, cut = bytearray(), False
            async for part in stream.aiter_raw():
                read += part
                if len(read) > max_bytes:
                    del read[max_bytes:]
                    cut = True
                    break
            # Latin-1 is what header bytes are; each value is shown or compared, so it is made printable here.
            received = {
                name.decode("latin-1").lower(): self._redaction(value.decode("latin-1"), 2000)
                for name, value in stream.headers.raw
            }
        elapsed_ms = (time.perf_counter() - begun) * 1000
        return Response(
            stream.status_code, self._redaction.body(bytes(read)), received, elapsed_ms, cut, max_bytes
        )

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


@cache
def _trusted() -> ssl.SSLContext:
    """Whom to trust: once in a process, since reading the certificates takes 20 ms of a core."""
    return httpx.create_ssl_context()


def _client() -> httpx.AsyncClient:
    return httpx.AsyncClient(
        verify=_trusted(),
        timeout=None,  # noqa: S113 - every request has a total time-out instead of one per phase
        mounts=_LOOPBACK,
        limits=httpx.Limits(max_connections=50, max_keepalive_connections=20, keepalive_expiry=90),
        headers={"User-Agent": _AGENT, "Accept-Encoding": "identity"},
    )


def _on_sending(sent: Callable[[], None]) -> Callable[[str, Any], Awaitable[None]]:
    """A trace function of httpcore that calls `sent` at the first byte of a request."""

    async def trace(event: str, _: Any) -> None:
        if event.endswith(".send_request_headers.started"):
            sent()

    return trace


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)
