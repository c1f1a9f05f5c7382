"""The platform's repository, on real git."""

import asyncio
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from console.domain.errors import Refused, SourceFailed
from console.gateway.reasons import NoSource
from console.gateway.repository import Repository
from console.sandbox.releases import ensure_repository

_WHO = ("-c", "user.name=Ivo \x1b[31mS", "-c", "user.email=ivo@platform.example")


class Origin:
    """A repository that somebody works in."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *args: str) -> str:
        done = subprocess.run(
            ["git", *_WHO, *args], cwd=self.folder, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self, subject: str, files: dict[str, str], tags: Sequence[str] = ()) -> str:
        for name, text in files.items():
            place = self.folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "-m", subject)
        for tag in tags:
            self.git("tag", tag)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    made = Origin(tmp_path / "origin")
    made.commit("the beginning", {"supabase/functions/execute-order/index.ts": "1"}, ["v1", "v1.0.0"])
    return made


@pytest.fixture
def repository(origin: Origin, tmp_path: Path) -> Repository:
    return Repository(str(origin.folder), "main", tmp_path / "mirror")


async def test_commits_say_what_they_touch(origin: Origin, repository: Repository) -> None:
    first = origin.git("rev-parse", "HEAD")
    second = origin.commit(
        "faster \x1b]52;c;eA==\x07 \x1e\x1f prices",
        {
            "supabase/functions/get-stock-price/index.ts": "2",
            "supabase/functions/_shared/cors.ts": "2",
            "supabase/migrations/20260301_prices.sql": "SELECT 1;",
            "frontend/größe.ts": "2",
        },
    )
    await repository.fetch()
    (newest,) = await repository.commits(first)
    assert (newest.sha, newest.version, newest.files) == (second, "", 4)
    assert (newest.migrations, newest.functions) == (("20260301",), ("_shared", "get-stock-price"))
    assert newest.name == second[:8] and "\x1b" not in newest.author + newest.subject
    assert [c.version for c in await repository.commits()] == ["", "v1.0.0"]
    assert await repository.functions(second) == ("execute-order", "get-stock-price")
    assert (await repository.commit(first)).subject == "the beginning"


@pytest.mark.parametrize("word", ["v1.0.0", "v1", "main"])
async def test_a_commit_is_named_in_many_ways(origin: Origin, repository: Repository, word: str) -> None:
    await repository.fetch()
    sha = origin.git("rev-parse", "HEAD")
    assert await repository.resolve(word) == await repository.resolve(sha[:7]) == sha


@pytest.mark.parametrize(
    "word", ["", "--all", "v9", "main..v1", "HEAD@{1}", "a b", "\0", "-x", ":/beginning"]
)
async def test_what_names_no_commit(repository: Repository, word: str) -> None:
    await repository.fetch()
    with pytest.raises(Refused, match="commit"):
        await repository.resolve(word)


async def test_migrations_that_can_not_be_taken_back(origin: Origin, repository: Repository) -> None:
    folder = "supabase/migrations"
    sha = origin.commit(
        "four",
        {
            f"{folder}/1_add.sql": "ALTER TABLE orders ADD COLUMN note text; -- never DROP TABLE orders",
            f"{folder}/2_drop.sql": "ALTER TABLE orders\n drop  column note;",
            f"{folder}/3_back.sql": "DROP TABLE old",
            "migrations/rollback-3.sql": "CREATE TABLE old ();",
            f"{folder}/README.md": "DROP TABLE",
        },
    )
    await repository.fetch()
    found = {
        m.version: (m.name, m.rollback, m.drops, m.irreversible) for m in await repository.migrations(sha)
    }
    assert found == {
        "1": ("add", False, "", False),
        "2": ("drop", False, "drop column note", True),
        "3": ("back", True, "DROP TABLE old", False),
    }


async def test_files_are_checked_out_once_and_nothing_of_theirs_is_started(
    origin: Origin, repository: Repository, tmp_path: Path
) -> None:
    hook = origin.folder / ".git/hooks/post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    hook.chmod(0o755)
    await repository.fetch()
    (tmp_path / "mirror/hooks").mkdir(exist_ok=True)
    (tmp_path / "mirror/hooks/post-checkout").write_text(hook.read_text())
    (tmp_path / "mirror/hooks/post-checkout").chmod(0o755)
    work = tmp_path / "work"
    for _ in range(2):
        await repository.check_out(await repository.resolve("main"), work)
    assert (work / "supabase/functions/execute-order/index.ts").read_text() == "1"
    assert not (tmp_path / "started").exists()


async def test_a_checkout_that_was_cut_off_is_not_taken_for_a_whole_one(
    origin: Origin, repository: Repository, tmp_path: Path, wait_for: Callable[..., Any]
) -> None:
    sha = origin.commit("many", {f"files/{number}": "x" * 100 for number in range(4000)})
    await repository.fetch()
    tree = tmp_path / "tree"
    begun = asyncio.create_task(repository.check_out(sha, tree))
    await wait_for(lambda: list(tmp_path.glob("tree*/.git")))
    begun.cancel()
    await asyncio.gather(begun, return_exceptions=True)
    await repository.check_out(sha, tree)
    assert len(list(tree.glob("files/*"))) == 4000


async def test_a_host_that_is_away_hides_nothing_that_was_known(
    origin: Origin, repository: Repository, tmp_path: Path
) -> None:
    await repository.fetch()
    origin.folder.rename(tmp_path / "elsewhere")
    with pytest.raises(SourceFailed, match="git fetch"):
        await repository.fetch()
    assert [c.subject for c in await repository.commits()] == ["the beginning"]


async def test_without_one(tmp_path: Path) -> None:
    with pytest.raises(NoSource, match=r"deploy\.repository"):
        await Repository(None, "main", tmp_path / "mirror").fetch()
    with pytest.raises(SourceFailed, match="not fetched"):
        await Repository(str(tmp_path / "none"), "main", tmp_path / "mirror").commits()


async def test_a_commit_is_checked_out_once_by_all_who_want_it_at_the_same_time(tmp_path: Path) -> None:
    """As steps of a deployment do that run side by side, of one agent or of two."""
    origin = ensure_repository(tmp_path / "platform.git")
    mirrors = [Repository(str(origin), "main", tmp_path / "mirror") for _ in range(2)]
    await mirrors[0].fetch()
    sha = await mirrors[0].resolve("v2.9.0")
    folder = tmp_path / "trees" / sha
    await asyncio.gather(*(mirror.check_out(sha, folder) for mirror in mirrors * 3))
    assert (folder / "package.json").exists()
    assert [each.name for each in folder.parent.iterdir() if each.is_dir()] == [sha]


async def test_folders_of_their_own_are_made_of_one_mirror_at_the_same_time(tmp_path: Path) -> None:
    """As a checklist and a deployment do: git has one list of them, and reads all of it each time."""
    origin = ensure_repository(tmp_path / "platform.git")
    mirror = Repository(str(origin), "main", tmp_path / "mirror")
    await mirror.fetch()
    sha = await mirror.resolve("v2.9.0")
    folders = [tmp_path / f"{i}" / "tree" for i in range(12)]
    await asyncio.gather(*(mirror.check_out(sha, folder) for folder in folders))
    assert all((folder / "package.json").exists() for folder in folders)
