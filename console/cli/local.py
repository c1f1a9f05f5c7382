"""The state folder of `tradex demo` and `tradex up`: its lock, its secrets, and what runs in it.

Everything that is written here is for this user alone (folders 0700, files 0600).
"""

from __future__ import annotations

import fcntl
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from console.domain.errors import Misuse, TradexError
from console.places import write_private

_SECRETS = "secrets"


@dataclass(frozen=True, slots=True)
class Running:
    """What another process needs to know to join: written once it can be joined, removed at the end."""

    pid: int
    environment: str
    store_url: str
    people: tuple[str, ...]
    person: str
    platform_url: str | None = None
    platform_database_url: str | None = None
    control_url: str | None = None


class StateFolder:
    """One state folder. Creating it makes the folder; raises a TradexError where that can't be."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            for folder in (path, self.logs, path / _SECRETS):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe = path / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise TradexError(
                f"the state folder {path} cannot be written: {error.strerror}; "
                "set TRADEX_STATE_DIR to one that can"
            ) from None

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def postgres(self) -> Path:
        return self.path / "postgres"

    def secret_file(self, name: str) -> Path:
        """The 0600 file of this secret; made with a random value when it is missing."""
        file = secret_file(self.path, name)
        if not file.exists():
            write_private(file, secrets.token_urlsafe(24))
        return file

    def secret(self, name: str) -> str:
        return self.secret_file(name).read_text()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Only one demo or `up` per folder; the kernel lifts the lock when its holder dies."""
        with (self.path / "lock").open("a") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Misuse(
                    f"one already runs in {self.path}: `tradex` opens another console on it, "
                    "or set TRADEX_STATE_DIR for a second one beside it"
                ) from None
            self._running_file.unlink(missing_ok=True)
            try:
                yield
            finally:
                self._running_file.unlink(missing_ok=True)

    @property
    def _running_file(self) -> Path:
        return self.path / "running.json"

    def announce(self, running: Running) -> None:
        write_private(self._running_file, json.dumps(asdict(running)))


def held(path: Path) -> bool:
    """Whether a demo or `up` holds this state folder, be it still starting. Changes nothing there."""
    try:
        with (path / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def running(path: Path) -> Running | None:
    """What runs in this state folder now, None when nothing does or it is still starting."""
    if not held(path):
        return None  # what a file there says is of a run that was killed
    try:
        data = json.loads((path / "running.json").read_text())
        return Running(**{**data, "people": tuple(data["people"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def secret_file(path: Path, name: str) -> Path:
    """Where a secret of the state folder `path` lies. Makes nothing."""
    return path / _SECRETS / name
