"""The embedded PostgreSQL: one folder, one server of our own that starts and ends with us and keeps its data.

It listens on loopback only and asks everybody for a password (SCRAM). Whoever has a PostgreSQL of their own
doesn't need it.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

from console.domain.errors import TradexError
from console.domain.text import printable
from console.processes.installations import chosen, installations, version
from console.processes.unprivileged import Disguise, disguise
from console.processes.warden import Child, spawn

__all__ = ["EmbeddedPostgres", "installations"]

# An earlier server on the same folder may still be ending when its owner was killed.
_LOCK_WAIT_S = 5.0
_INITDB_S = 120.0
# Recovery after a crash replays at most max_wal_size.
_START_S = 120.0
_STOP_S = 5.0
_LOG_LIMIT = 10_000_000
_FULL = 65_536
# Parts of the lines that say why a program has ended, the more telling ones first.
_TELLING = (
    ("No space left",),
    ("FATAL:", "PANIC:"),
    ("error:", "ERROR:", "tradex:", "unshare:", "setpriv:"),
)
_SETTINGS = {
    "cluster_name": "tradex",
    "shared_buffers": "128MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "min_wal_size": "32MB",
    "max_wal_size": "256MB",
    "autovacuum": "on",
    "jit": "off",
    "logging_collector": "off",
    "log_destination": "stderr",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_checkpoints": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "password_encryption": "scram-sha-256",
    "unix_socket_permissions": "0700",
}


class EmbeddedPostgres:
    """A server in `folder`: its files in `data`, its output in `postgres.log`, the superuser's password in
    `password`.

    `port` is on 127.0.0.1 and known after `start`; the port of the last run is taken again when it is free,
    so that clients find the server after a restart. All methods block; use one object from one thread at a
    time.
    """

    superuser = "postgres"

    def __init__(self, folder: Path, *, bin_dir: Path | None = None, connections: int = 100) -> None:
        """`connections` is how many it takes at a time; each console needs two."""
        self.folder = folder.absolute()
        self.data = self.folder / "data"
        self.log = self.folder / "postgres.log"
        self.port = 0
        self.password = ""
        self.socket_dir: Path | None = None
        self._bin_dir = bin_dir
        self._connections = connections
        self._child: Child | None = None
        self._lock: int | None = None

    @property
    def bin_dir(self) -> Path:
        """The folder with `postgres`, `psql`, `pg_dump` and so on. Raises as `installations.chosen` does."""
        if self._bin_dir is None:
            self._bin_dir = chosen()
        return self._bin_dir

    def url(self, database: str, user: str = superuser) -> str:
        """`postgresql://user@127.0.0.1:port/database`, without a password."""
        return f"postgresql://{quote(user, safe='')}@127.0.0.1:{self.port}/{quote(database, safe='')}"

    def running(self) -> bool:
        """Whether the server runs under this object's hand."""
        return self._child is not None and self._child.running()

    def start(self) -> None:
        """Make the data folder when there is none, start the server, return when it accepts connections.

        Does nothing when it runs already. Raises TradexError, with one line to show, when the folder can't be
        written, is in use, holds data of another major version, or when the server says why it can't start.
        """
        if self.running():
            return
        try:
            self._prepare_folder()
            self._take_lock()
            self._read_password()
            as_whom = disguise(self.folder)
            self._make_data(as_whom)
            self._check_version()
            self._launch(as_whom)
        except OSError as error:
            self.stop()
            raise TradexError(f"PostgreSQL can't use {self.folder}: {error.strerror or error}") from error
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server within about 10 s, whatever state it is in. The data stays.

        A fast shutdown; an immediate one (recovery at the next start) when that takes too long or when it is just
        recovering: a fast shutdown that meets the end of a recovery hangs in PostgreSQL 18.
        """
        child, self._child = self._child, None
        if child is not None and child.running():
            for number in (signal.SIGINT, signal.SIGQUIT) if self._accepts() else (signal.SIGQUIT,):
                child.signal(number)
                try:
                    child.wait(_STOP_S)
                    break
                except TimeoutError:
                    continue
            else:
                child.kill()
        if self.socket_dir is not None:
            shutil.rmtree(self.socket_dir, ignore_errors=True)
            self.socket_dir = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _prepare_folder(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def _take_lock(self) -> None:
        """Hold the folder. The lock is on an open file that every process of the server inherits: who has it
        knows that no process of an earlier server is left, however that one ended."""
        if self._lock is not None:
            return
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + _LOCK_WAIT_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(lock)
                    raise TradexError(
                        f"another PostgreSQL already runs on {self.folder}: end the program that started it, "
                        "or use another folder"
                    ) from None
                time.sleep(0.02)
            else:
                self._lock = lock
                return

    def _read_password(self) -> None:
        kept = self.folder / "password"
        self.password = ""
        with contextlib.suppress(FileNotFoundError):
            self.password = kept.read_text().strip()
        if self.password:
            return
        if (self.data / "PG_VERSION").exists():
            raise TradexError(f"{kept} is missing: without it nobody can log in to the data in {self.data}")
        self.password = secrets.token_urlsafe(24)
        # Written beside and renamed: a half-written password would lock the data up.
        partial = self.folder / "password.partial"
        partial.unlink(missing_ok=True)
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123
            file.write(self.password + "\n")
            file.flush()
            os.fsync(file.fileno())
        partial.replace(kept)

    def _make_data(self, as_whom: Disguise) -> None:
        """initdb into `data.partial`, renamed when it is whole: what a killed one leaves is not taken for data."""
        with contextlib.suppress(FileNotFoundError):
            if any(self.data.iterdir()):
                return
            self.data.rmdir()
        partial = self.folder / "data.partial"
        if partial.exists():
            shutil.rmtree(partial)
        output = self.folder / "initdb.log"
        output.unlink(missing_ok=True)
        partial.mkdir(mode=0o700)
        as_whom.give(self.folder)
        child = self._spawn(
            as_whom,
            "initdb",
            *("--pgdata", str(partial), "--username", self.superuser, "--encoding", "UTF8", "--locale", "C"),
            *("--auth", "scram-sha-256", "--pwfile", str(self.folder / "password")),
            log=output,
        )
        try:
            code = child.wait(_INITDB_S)
        except TimeoutError:
            child.kill()
            code = None
        if code != 0:
            shutil.rmtree(partial, ignore_errors=True)
            reason = _reason(output, 0) or f"initdb ended with {code}"
            raise TradexError(f"no PostgreSQL data can be made in {self.folder}: {reason}")
        partial.rename(self.data)
        output.unlink(missing_ok=True)

    def _check_version(self) -> None:
        try:
            made_by = (self.data / "PG_VERSION").read_text().strip()
        except FileNotFoundError:
            raise TradexError(
                f"{self.data} holds no PostgreSQL data: move it away, and a new one is made"
            ) from None
        ours = str(version(self.bin_dir))
        if made_by != ours:
            theirs = f"PostgreSQL {printable(made_by, 20)}"
            raise TradexError(
                f"the data in {self.data} were made by {theirs}, but {self.bin_dir} is {ours}: name a {theirs} "
                "with TRADEX_POSTGRES_BIN, or move the folder away"
            )

    def _launch(self, as_whom: Disguise) -> None:
        as_whom.give(self.folder)
        # Nobody else is on this folder (see the lock), so the file is a leftover of a killed server.
        # PostgreSQL would refuse to start if the pid in it belonged to another process by now.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        self.socket_dir = self._short_folder()
        as_whom.give(self.socket_dir)
        with contextlib.suppress(FileNotFoundError):
            if self.log.stat().st_size > _LOG_LIMIT:
                self.log.replace(self.log.with_suffix(".log.1"))
        for attempt in range(5):
            self.port = self._free_port(remembered=attempt == 0)
            written = self.log.stat().st_size if self.log.exists() else 0
            self._child = self._spawn(
                as_whom, "postgres", "-D", str(self.data), *self._options(), log=self.log
            )
            reason = self._wait_until_ready(self._child, written)
            if reason is None:
                self._write_note("port", str(self.port))
                return
            # Somebody else may take the port between our look and the server's.
            if attempt == 4 or "could not create any TCP/IP sockets" not in reason:
                raise TradexError(f"PostgreSQL can't start on {self.folder}: {reason}")

    def _spawn(self, as_whom: Disguise, program: str, *args: str, log: Path) -> Child:
        assert self._lock is not None, "a program runs on the folder only while it is locked"  # noqa: S101
        return spawn(
            [*as_whom.prefix, str(self.bin_dir / program), *args],
            env=_environment(),
            cwd=self.folder,
            log=log,
            pass_fds=(self._lock,),
        )

    def _options(self) -> list[str]:
        settings = _SETTINGS | {
            "listen_addresses": "127.0.0.1",
            "max_connections": str(self._connections),
            "port": str(self.port),
            "unix_socket_directories": str(self.socket_dir),
        }
        libraries = (self.bin_dir.parent / "lib", self.bin_dir.parent / "lib" / "postgresql")
        if any((folder / "pg_stat_statements.so").exists() for folder in libraries):
            # Utility statements are kept verbatim, and CREATE ROLE ... PASSWORD is one.
            settings |= {
                "shared_preload_libraries": "pg_stat_statements",
                "pg_stat_statements.track_utility": "off",
            }
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def _wait_until_ready(self, child: Child, written: int) -> str | None:
        """None once the server accepts, else the reason, from its log behind the first `written` bytes."""
        deadline = time.monotonic() + _START_S
        while child.running():
            # The last line of postmaster.pid is what pg_ctl waits for (src/include/utils/pidfile.h).
            with contextlib.suppress(OSError):
                lines = (self.data / "postmaster.pid").read_text().splitlines()
                if len(lines) >= 8 and lines[7].strip() == "ready":
                    return None
            if time.monotonic() > deadline:
                child.kill()
                return f"it was not ready within {_START_S:.0f} s, see {self.log}"
            time.sleep(0.01)
        return _reason(self.log, written) or f"it ended with {child.wait()}, see {self.log}"

    def _accepts(self) -> bool:
        question = [
            self.bin_dir / "pg_isready",
            "--quiet",
            "--host=127.0.0.1",
            f"--port={self.port}",
            "--timeout=2",
        ]
        try:
            return subprocess.run(question, env=_environment(), timeout=5, check=False).returncode == 0
        except (OSError, subprocess.TimeoutExpired):
            return True

    def _free_port(self, *, remembered: bool) -> int:
        if remembered:
            with contextlib.suppress(OSError, ValueError, OverflowError):
                last = int((self.folder / "port").read_text())
                with socket.socket() as probe:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", last))
                    return last
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    def _short_folder(self) -> Path:
        """A private folder for the unix socket, whose path may have no more than 107 bytes. The one of a
        killed server goes, so that they don't pile up."""
        note = self.folder / "socket"
        with contextlib.suppress(OSError):
            last = Path(note.read_text().strip())
            found = last.lstat()
            if stat.S_ISDIR(found.st_mode) and last.name.startswith("tradex-"):
                shutil.rmtree(last, ignore_errors=True)
        base = tempfile.gettempdir() if len(tempfile.gettempdir()) < 60 else "/tmp"  # noqa: S108
        made = Path(tempfile.mkdtemp(prefix="tradex-", dir=base))
        self._write_note("socket", str(made))
        return made

    def _write_note(self, name: str, text: str) -> None:
        """Remember something for the next start; not important enough to fail for."""
        with contextlib.suppress(OSError):
            (self.folder / name).write_text(f"{text}\n")


def _environment() -> dict[str, str]:
    """Nothing of ours but PATH: PG* variables and locales of the user must not steer the server."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def _reason(log: Path, written: int) -> str:
    """The line that says why, of what is in `log` behind the first `written` bytes; empty when nothing says it."""
    try:
        with log.open("rb") as file:
            file.seek(written)
            lines = file.read(200_000).decode(errors="replace").splitlines()
        # A full disk swallows the line that would have said so.
        if not lines and shutil.disk_usage(log.parent).free < _FULL:
            return "No space left on device"
    except OSError as error:
        return error.strerror or str(error)
    for marks in _TELLING:
        told = [line for line in lines if any(mark in line for mark in marks)]
        if told:
            return printable(told[-1].partition("] ")[2] or told[-1], 400)
    return printable(lines[-1], 400) if lines else ""
