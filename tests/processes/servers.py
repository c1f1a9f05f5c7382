"""What the tests of the embedded PostgreSQL ask a server, and what they know of its processes."""

from typing import Any

import asyncpg
import psutil

from console.processes.postgres import EmbeddedPostgres

from .conftest import tree

AWKWARD = "a folder with spaces and ümlauts " + "x" * 120


async def ask(server: EmbeddedPostgres, *statements: str) -> Any:
    """Run statements as superuser; the value of the last one."""
    connection = await asyncpg.connect(server.url("postgres"), password=server.password, timeout=10)
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return await connection.fetchval(statements[-1])
    finally:
        await connection.close(timeout=10)


async def remember(server: EmbeddedPostgres, number: int) -> None:
    await ask(
        server, "CREATE TABLE IF NOT EXISTS kept (x int)", f"INSERT INTO kept VALUES ({number}) RETURNING x"
    )


async def remembered(server: EmbeddedPostgres) -> list[int]:
    return await ask(server, "SELECT array_agg(x ORDER BY x) FROM kept")


def below(server: EmbeddedPostgres) -> set[psutil.Process]:
    assert server._child is not None
    return tree(server._child.pid)


def what(process: psutil.Process) -> str:
    """What a process of the server is for, without numbers, as its title says."""
    try:
        title = " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return "gone"
    if "_warden.py" in title:
        above = process.parent()
        return "inner" if above and "_warden.py" in " ".join(above.cmdline()) else "keeper"
    if title.startswith("postgres: "):
        return " ".join(title.split()[1:4]).rstrip("0123456789 ")
    return "postmaster"
