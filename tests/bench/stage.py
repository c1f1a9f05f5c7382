"""What the measurements of screens share: a store, who looks at it, who writes to it, and the key figure."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from console.processes.postgres import EmbeddedPostgres
from tests.store.stores import Place, password_of, prepare


@dataclass(frozen=True)
class Stage:
    """`env` is that of a console on the store."""

    place: Place
    env: dict[str, str]

    def writer(self, module: str, seconds: float) -> "subprocess.Popen[str]":
        """`python -m module URL SECONDS` as the leading agent, its password in BENCH_PASSWORD."""
        return subprocess.Popen(
            [sys.executable, "-m", module, self.place.url_of("auto"), str(seconds)],
            env={**os.environ, "BENCH_PASSWORD": password_of("auto")},
            stdout=subprocess.PIPE,
            text=True,
        )


@contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """A server in this folder with an upgraded, empty store."""
    postgres = EmbeddedPostgres(folder)
    postgres.start()
    try:
        place = Place(postgres, postgres.url("postgres"))
        asyncio.run(prepare(postgres, place.url))
        yield Stage(
            place,
            {
                "TRADEX_STORE__URL": place.url_of("alice"),
                "TRADEX_STORE__PASSWORD": password_of("alice"),
                "XDG_CONFIG_HOME": str(folder / "no config"),
            },
        )
    finally:
        postgres.stop()


def p95(taken: Sequence[float]) -> float:
    return sorted(taken)[int(0.95 * len(taken))]
