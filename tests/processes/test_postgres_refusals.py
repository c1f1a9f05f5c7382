"""The embedded PostgreSQL says in one clear line why it can't start, and touches nothing then."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from console.domain.errors import Misuse, TradexError
from console.processes.installations import chosen, installations
from console.processes.postgres import EmbeddedPostgres

from .conftest import Driver, allowed

Until = Callable[..., Any]
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can arrange this")


def test_data_of_another_version_are_refused_by_name(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    (server.data / "PG_VERSION").write_text("14\n")
    with pytest.raises(TradexError, match=r"were made by PostgreSQL 14, but .* is \d+: name a PostgreSQL 14"):
        server.start()


def test_a_folder_of_other_files_is_not_touched(server: EmbeddedPostgres) -> None:
    server.data.mkdir(parents=True)
    (server.data / "letter").write_text("dear")
    with pytest.raises(TradexError, match="holds no PostgreSQL data"):
        server.start()
    assert (server.data / "letter").read_text() == "dear"


def test_a_lost_password_is_said(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    (server.folder / "password").unlink()
    with pytest.raises(TradexError, match=r"password is missing"):
        server.start()


def test_a_broken_configuration_is_told_with_the_servers_own_words(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    with (server.data / "postgresql.conf").open("a") as file:
        file.write("work_mem = 'plenty'\n")
    with pytest.raises(TradexError, match=r"configuration file .* contains errors"):
        server.start()


def test_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TradexError, match=r"can't use .*Not a directory"):
        EmbeddedPostgres(tmp_path / "file" / "state").start()


def test_a_folder_that_may_not_be_written_is_refused(
    identity: tuple[str, ...], drivers: Callable[..., Driver], tmp_path: Path
) -> None:
    if not identity and os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)
    told = drivers(*identity).ask("start", folder=str(tmp_path / "state"))
    tmp_path.chmod(0o700)
    assert told["kind"] == "TradexError"
    assert "Permission denied" in told["error"]


@root_only
@pytest.mark.parametrize(("size", "first"), [("12m", True), ("90m", False)])
def test_a_full_disk_is_said(size: str, first: bool, drivers: Callable[..., Driver], tmp_path: Path) -> None:
    private_mounts = ("unshare", "--mount", "--")
    if not allowed(*private_mounts):
        pytest.skip("mounts are not allowed here")
    script = f'mount -t tmpfs -o size={size} none "$0" && exec "$@"'
    driver = drivers(*private_mounts, "sh", "-c", script, str(tmp_path))
    told = driver.ask("start", folder=str(tmp_path / "state"))
    if not first:
        assert "error" not in told, told
        driver.ask("server_stop")
        disk = Path(f"/proc/{driver.pid}/root") / tmp_path.relative_to("/")
        with (
            pytest.raises(OSError, match="No space left"),
            (disk / "filler").open("wb", buffering=0) as filler,
        ):
            while True:
                filler.write(bytes(65_536))
        told = driver.ask("again")
    assert told["kind"] == "TradexError"
    assert "No space left on device" in told["error"]


@pytest.mark.parametrize("content", [None, "#!/bin/sh\necho hello\n"])
def test_a_wrong_tradex_postgres_bin_is_named(
    content: str | None, server: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("postgres", "initdb") if content else ():
        (tmp_path / name).write_text(content or "")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("TRADEX_POSTGRES_BIN", str(tmp_path))
    said = "is no PostgreSQL server" if content else "postgres and initdb can't be run there"
    with pytest.raises(TradexError, match=said):
        server.start()


def test_a_postgres_that_is_too_old_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("postgres", "initdb"):
        (tmp_path / name).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 14.9'\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("TRADEX_POSTGRES_BIN", str(tmp_path))
    with pytest.raises(Misuse, match="15 or newer is needed, this is 14"):
        chosen()


@pytest.mark.parametrize("major", sorted(installations()))
def test_tradex_postgres_bin_is_taken(major: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEX_POSTGRES_BIN", str(installations()[major]))
    assert chosen() == installations()[major]
