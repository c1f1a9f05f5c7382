"""`supabase db push`, the part that speaks to the database: what is pending, and one file after the other, each in a
transaction of its own with its entry in the history. As the CLI 3.1 does it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import asyncpg

_NAME = re.compile(r"(\d+)_(.*)\.sql")
_TOKEN = re.compile(
    r"""--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$(?:[A-Za-z_]\w*)?\$).*?\1|;|[^;'"$/-]+|.""",
    re.DOTALL,
)
_HISTORY = """
    CREATE SCHEMA IF NOT EXISTS supabase_migrations;
    CREATE TABLE IF NOT EXISTS supabase_migrations.schema_migrations (version text NOT NULL PRIMARY KEY);
    ALTER TABLE supabase_migrations.schema_migrations ADD COLUMN IF NOT EXISTS statements text[];
    ALTER TABLE supabase_migrations.schema_migrations ADD COLUMN IF NOT EXISTS name text;
"""


class NotPushed(Exception):
    """`code` as the CLI's JSON has it; `suggestion` is what to do about it."""

    def __init__(self, code: str, message: str, suggestion: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.suggestion = suggestion


def statements(sql: str) -> list[str]:
    """A script's statements without their semicolons; quotes, dollar quotes and comments may hold some."""
    found, current = [], ""
    for token in _TOKEN.finditer(sql):
        if token[0] == ";":
            found.append(current.strip())
            current = ""
        else:
            current += token[0]
    return [s for s in (*found, current.strip()) if s]


def pending(local: list[Path], remote: list[str], *, include_all: bool) -> list[Path]:
    """The files that the database does not have. Raises NotPushed when the histories don't fit."""
    versions = {version_of(path): path for path in local}
    if unknown := [v for v in remote if v not in versions]:
        raise NotPushed(
            "DbPushMissingLocalError",
            "Remote migration versions not found in local migrations directory.",
            "\nMake sure your local git repo is up-to-date. If the error persists, try repairing the migration history "
            f"table:\nsupabase migration repair --status reverted {' '.join(unknown)} --remote=<db-url>\n\nAnd update "
            "local migrations to match remote database:\nsupabase db pull --remote=<db-url>\n",
        )
    missing = [path for version, path in versions.items() if version not in remote]
    between = [p for p in missing if remote and version_of(p) < max(remote)]
    if between and not include_all:
        files = "\n".join(f"supabase/migrations/{p.name}" for p in between)
        raise NotPushed(
            "DbPushMissingRemoteError",
            "Found local migration files to be inserted before the last migration on remote database.",
            f"\nRerun the command with --include-all flag to apply these migrations:\n{files}\n",
        )
    return missing


def files(workdir: Path) -> list[Path]:
    """The migrations of a working directory, in their order."""
    return sorted(
        (p for p in (workdir / "supabase" / "migrations").glob("*.sql") if _NAME.fullmatch(p.name)),
        key=lambda p: p.name,
    )


def version_of(path: Path) -> str:
    return path.name.partition("_")[0]


async def applied(connection: asyncpg.Connection) -> list[str]:
    if await connection.fetchval("SELECT to_regclass('supabase_migrations.schema_migrations') IS NULL"):
        return []
    rows = await connection.fetch(
        "SELECT version FROM supabase_migrations.schema_migrations ORDER BY version"
    )
    return [row["version"] for row in rows]


async def apply(connection: asyncpg.Connection, paths: list[Path], say: Callable[[str], None]) -> None:
    """All of them, until one fails (NotPushed): that one leaves nothing behind, those before it stay."""
    await connection.execute(f"SET client_min_messages = warning; {_HISTORY}")
    for path in paths:
        say(f"Applying migration {path.name}...")
        split = statements(path.read_text())
        number, statement = 0, ""
        try:
            async with connection.transaction():
                for number, statement in enumerate(split):  # noqa: B007 - the error says where it happened
                    await connection.execute(statement)
                await connection.execute(
                    "INSERT INTO supabase_migrations.schema_migrations (version, name, statements) VALUES ($1, $2, $3)",
                    version_of(path), path.stem.partition("_")[2], split,
                )  # fmt: skip
        except asyncpg.PostgresError as error:
            raise NotPushed(
                "DbPushApplyError",
                f"ERROR: {error} (SQLSTATE {getattr(error, 'sqlstate', '')})\nAt statement: {number}\n{statement}",
            ) from None
