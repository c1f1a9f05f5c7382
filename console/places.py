"""Where this user's files are, and whether anything is set at all. No pydantic: a console's start reads this."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from console.domain.errors import Misuse

PREFIX = "TRADEX_"
# Variables that are not settings: they say where things are before any setting is read.
OUTSIDE = {"STATE_DIR", "POSTGRES_BIN", "ASCII", "CONFIG", "ENV"}


def state_dir() -> Path:
    """`TRADEX_STATE_DIR`, by default tradex in the XDG state folder."""
    chosen = os.environ.get("TRADEX_STATE_DIR")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "tradex"


def config_file() -> Path:
    """`TRADEX_CONFIG`, by default tradex/config.toml in the XDG configuration folder."""
    chosen = os.environ.get("TRADEX_CONFIG")
    if chosen:
        return Path(chosen).expanduser()
    return Path(os.environ.get("XDG_CONFIG_HOME") or "~/.config").expanduser() / "tradex" / "config.toml"


def set_variables() -> list[str]:
    """The TRADEX_* variables in the environment that are meant as settings."""
    return [n for n in os.environ if n.startswith(PREFIX) and n.removeprefix(PREFIX) not in OUTSIDE]


def nothing_is_set() -> bool:
    """Whether there is neither a settings file nor a variable, so that every setting has its default."""
    return not (
        set_variables() or {"TRADEX_CONFIG", "TRADEX_ENV"} & os.environ.keys() or config_file().exists()
    )


def read_secret(file: Path) -> str:
    """The first line of a secret's file. Misuse where it can't be read, or where others can read it too."""
    try:
        if file.stat().st_mode & 0o077:
            raise Misuse(f"{file}: others can read this secret; expected mode 0600 (chmod 600 {file})")
        return file.read_text().splitlines()[0]
    except (OSError, IndexError, UnicodeDecodeError) as error:
        raise Misuse(f"{file}: expected a file that holds a secret: {error}") from None


def write_private(file: Path, text: str) -> None:
    """Replace a file in one step, readable by this user only. Raises OSError."""
    with private(file) as out:
        out.write(text)


@contextmanager
def private(file: Path) -> Iterator[IO[str]]:
    """The same for what is written bit by bit: the file is there whole, or stays as it was."""
    part = file.with_name(f".{file.name}.{os.getpid()}")
    # What a killed process of the same number left behind is nobody's any more.
    part.unlink(missing_ok=True)
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as out:
            yield out
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
