"""All doors to the trading platform, opened once by the agent. Reading only: what changes it lives elsewhere."""

from __future__ import annotations

from console.gateway.cache import Cache
from console.gateway.database import Database
from console.gateway.http import Http
from console.gateway.network import endpoint
from console.gateway.scrape import Scrape
from console.gateway.websocket import Websocket
from console.sections import PlatformSettings, plain


class Platform:
    """The doors. One that is not configured answers every question with NoSource and the setting's name.

    `pulse` is a database session of its own for the probe: a slow query of a collector must not make the
    database look slow.
    """

    def __init__(self, settings: PlatformSettings) -> None:
        self.settings = settings
        key = plain(settings.api_key)
        trusted = (settings.base_url, settings.functions_url, settings.metrics_url)
        self.http = Http(token=key, trusted=trusted)
        self.database = self.sessions(3)
        self.pulse = self.sessions(1)
        self.cache = Cache(settings.cache_url)
        self.websocket = Websocket(settings.websocket_url, key)
        self.scrape = Scrape(self.http, settings.metrics_url)

    @classmethod
    def open(cls, settings: PlatformSettings) -> Platform:
        """The doors of these settings, without any I/O but reading the files of secrets. Raises Misuse."""
        return cls(settings.resolved())

    def sessions(self, size: int) -> Database:
        """Sessions of the platform's database for one purpose alone, so that it makes nothing else wait. Whoever
        asks for them closes them."""
        return Database(self.settings.database_url, plain(self.settings.database_password), size=size)

    @property
    def endpoints(self) -> tuple[tuple[str, int], ...]:
        """Host and port of every door but the database's, each once."""
        urls = (
            self.settings.base_url,
            self.settings.functions_url,
            self.settings.websocket_url,
            self.settings.cache_url,
            *self.settings.external_apis.values(),
        )
        return tuple(dict.fromkeys(place for url in urls if (place := endpoint(url))))

    async def close(self) -> None:
        """End all connections."""
        for door in (self.http, self.cache, self.database, self.pulse):
            await door.close()
