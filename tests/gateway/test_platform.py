"""All doors together: opening does no I/O, secrets stay where they belong, an unset door is no source."""

import pytest

from console.domain.errors import SourceFailed
from console.gateway import network
from console.gateway.platform import Platform
from console.gateway.reasons import NoSource
from console.sections import PlatformSettings
from tests.gateway import servers


async def test_unset_doors_are_no_source() -> None:
    platform = Platform.open(PlatformSettings())
    for asking in (
        platform.database.fetch("SELECT 1"),
        platform.cache.info(),
        platform.websocket.connect(),
        platform.scrape.samples(),
    ):
        with pytest.raises(NoSource, match="is not set"):
            await asking
    await platform.close()


async def test_opening_asks_nobody_and_fills_in_what_follows() -> None:
    settings = PlatformSettings(
        base_url="http://127.0.0.1:9",
        cache_url="redis://127.0.0.1:9",
        websocket_url="ws://127.0.0.1:9/realtime",
        external_apis={"a": "https://prices.example/health", "b": "https://prices.example/other"},
    )
    platform = Platform.open(settings)
    assert platform.settings.metrics_url == "http://127.0.0.1:9/metrics"
    assert platform.endpoints == (("127.0.0.1", 9), ("prices.example", 443))
    await platform.close()


async def test_the_time_of_a_connect_is_measured() -> None:
    async with servers.silent() as port:
        assert 0 < await network.connect_ms("127.0.0.1", port) < 1000
    async with servers.closed() as port:
        with pytest.raises(SourceFailed, match="connection refused"):
            await network.connect_ms("127.0.0.1", port)
    with pytest.raises(SourceFailed, match="no such host"):
        await network.connect_ms("no.such.host.invalid", 80)


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://a.example", ("a.example", 80)),
        ("wss://a.example/x", ("a.example", 443)),
        ("redis://[::1]:7", ("::1", 7)),
        (None, None),
        ("nonsense", None),
    ],
)
def test_endpoints(url: str | None, place: tuple[str, int] | None) -> None:
    assert network.endpoint(url) == place
