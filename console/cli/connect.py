"""From options to a connection: which store, as whom. The one place where a command finds its store."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from console.cli import local
from console.domain.errors import Misuse, StoreAway
from console.places import nothing_is_set, read_secret, state_dir

if TYPE_CHECKING:
    from console.feed import LiveFeed
    from console.settings import Loaded
    from console.store.pool import Store

T = TypeVar("T")
_RETRY_S = 1.0


@dataclass(frozen=True, slots=True)
class Target:
    """Where to log in. The password never leaves this object but into the driver."""

    url: str
    user: str | None
    password: str | None
    read_only: bool

    def __repr__(self) -> str:
        return f"Target({self.url!r}, user={self.user!r})"


def loaded(options: dict[str, Any]) -> Loaded:
    """The settings that these options choose. Raises Misuse."""
    from console.settings import load

    flags = {"console.theme": options.get("theme"), "store.user": options.get("person")}
    return load(file=options.get("config"), environment=options.get("environment"), flags=flags)


def running() -> local.Running | None:
    """The demo or `up` of this user's state folder."""
    return local.running(state_dir())


def unconfigured(options: dict[str, Any]) -> Target | None:
    """The store of the state folder where nothing at all is set, without reading the settings: a faster start."""
    if options.get("config") or options.get("environment") or not nothing_is_set():
        return None
    here = running()
    return here and joined(here, options.get("person"), read_only=bool(options.get("read_only")))


def target(options: dict[str, Any], settings: Loaded) -> Target:
    """The configured store, else the one that runs in the state folder. Raises Misuse where there is none."""
    from console.sections import plain

    store = settings.settings.store
    read_only = bool(options.get("read_only"))
    if store.url is not None:
        password = plain(store.password, store.password_file)
        return Target(store.url, store.user, password, read_only)
    here = running()
    if here is None and local.held(state_dir()):
        raise Misuse(f"what runs in {state_dir()} is still starting: try again in a moment")
    if here is None:
        raise Misuse(
            "no store is configured and nothing runs in the state folder: "
            "`tradex demo` starts the sandbox, `tradex config show` says what is set"
        )
    wanted = options.get("environment") or settings.settings.environment
    if wanted and wanted != here.environment:
        raise Misuse(
            f"no store is configured for {wanted!r}: what runs in the state folder is {here.environment!r}"
        )
    return joined(here, store.user, read_only=read_only)


def joined(here: local.Running, person: str | None, *, read_only: bool = False) -> Target:
    """The store of what runs in the state folder, as `person` (by default its own operator)."""
    name = person or here.person
    if name not in here.people:
        raise Misuse(f"nobody is called {name!r} here: choose one of {', '.join(here.people)}")
    password = read_secret(local.secret_file(state_dir(), name))
    return Target(here.store_url, name, password, read_only)


@asynccontextmanager
async def opened(options: dict[str, Any], *, read_only: bool | None = None) -> AsyncIterator[Store]:
    """One connection to the store, for what needs no snapshot. Raises StoreAway, StoreRefused, Misuse."""
    from console.store.pool import Store

    where = unconfigured(options) or target(options, loaded(options))
    store = await Store.open(
        where.url,
        user=where.user,
        password=where.password,
        size=1,
        read_only=where.read_only if read_only is None else read_only,
    )
    try:
        yield store
    finally:
        await store.close()


def with_store(options: dict[str, Any], work: Callable[[Store], Awaitable[T]]) -> T:
    """Run `work` on one connection to the store. Raises what `opened` does."""

    async def run() -> T:
        async with opened(options) as store:
            return await work(store)

    return asyncio.run(run())


async def patiently(read: Callable[[], Awaitable[T]]) -> T:
    """What `read` returns, as soon as the store is there; that it is away is told once."""
    told = False
    while True:
        try:
            return await read()
        except StoreAway as error:
            if not told:
                click.echo(f"tradex: {error}; trying again", err=True)
            told = True
            await asyncio.sleep(_RETRY_S)


@asynccontextmanager
async def hints(store: Store, of: str) -> AsyncIterator[Callable[[float], Awaitable[None]]]:
    """A function that waits until the store told of something in `of` (`log`, `action`), at most so many seconds."""
    told = asyncio.Event()
    worth = {of, "listening", "reconnected"}
    listening = asyncio.create_task(store.listen(lambda what: told.set() if what in worth else None))

    async def wait(seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await told.wait()
        told.clear()

    try:
        yield wait
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


def with_feed(options: dict[str, Any], work: Callable[[LiveFeed], Awaitable[T]]) -> T:
    """Run `work` on a feed that has read the store once. Raises StoreAway, StoreRefused, Misuse."""
    where = unconfigured(options) or target(options, loaded(options))

    async def run() -> T:
        from console.feed import LiveFeed

        feed = LiveFeed(where.url, user=where.user, password=where.password, read_only=where.read_only)
        try:
            await feed.read()
            return await work(feed)
        finally:
            await feed.close()

    return asyncio.run(run())
