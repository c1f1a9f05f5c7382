"""The door to the platform's git repository: which commits there are, what they touch, and their files.

A mirror of its own is kept, so that nobody's checkout is touched and a host that is away hides nothing that was known.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Self

from console.domain.errors import Refused, SourceFailed
from console.domain.release import Commit, Migration
from console.domain.text import printable
from console.gateway.reasons import LONGEST, NoSource, timed_out
from console.sections import DeploySettings

MIGRATIONS, FUNCTIONS, ROLLBACKS = "supabase/migrations", "supabase/functions", "migrations"
_TIMEOUT_S = 20.0
_MOST_BYTES = 4_000_000
_FILE = re.compile(rf"{MIGRATIONS}/(\d+)_([\w-]+)\.sql")
_FUNCTION = re.compile(rf"{FUNCTIONS}/([\w-]+)/")
# A message can hold any character but NUL.
_FORMAT = "%x00%H%x00%ct%x00%an%x00%s%x00%D"
_FIELDS = _FORMAT.count("%x00")
# What loses data that no later file can bring back.
_DROPS = re.compile(
    r"\b(DROP\s+(?:TABLE|COLUMN|SCHEMA)|TRUNCATE|DELETE\s+FROM)\s+(?:IF\s+EXISTS\s+)?([\w.\"]+)", re.I
)
# No program of the machine's or of the repository's own is ever started, and nobody is asked for a password.
_SAFE = (
    "-c",
    "core.quotePath=false",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "protocol.ext.allow=never",
)
_ENV = {"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}


class Repository:
    """`source` is a path or URL, `branch` what is deployed, `folder` where the mirror is kept (mode 0700)."""

    def __init__(self, source: str | None, branch: str, folder: Path) -> None:
        self._source = source
        self._branch = branch
        self._folder = folder
        self._fetching = asyncio.Lock()

    @classmethod
    def of(cls, settings: DeploySettings) -> Self:
        """That of this installation, if it names one."""
        return cls(settings.repository, settings.branch, settings.place / "repository.git")

    @property
    def configured(self) -> bool:
        """Whether this installation names a repository at all."""
        return self._source is not None

    async def fetch(self) -> None:
        """Make the mirror what the source is. Raises SourceFailed."""
        if self._source is None:
            raise NoSource("no source: deploy.repository is not set")
        async with self._fetching:
            if not (self._folder / "HEAD").exists():
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                await self._git("init", "--quiet", "--bare")
            refs = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
            await self._git("fetch", "--quiet", "--prune", "--no-write-fetch-head", "--", self._source, *refs)

    async def resolve(self, word: str) -> str:
        """The whole hash of a tag, a branch or the beginning of a hash. Raises Refused and SourceFailed."""
        if not re.fullmatch(r"[\w][\w./-]{0,99}", word):
            raise Refused(f"{printable(word, 40)!r} is no commit: expected a tag or the beginning of a hash")
        try:
            return (
                await self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{word}^{{commit}}")
            ).strip()
        except SourceFailed:
            raise Refused(f"the repository has no commit {printable(word, 40)}") from None

    async def commits(
        self, since: str | None = None, *, until: str | None = None, limit: int = 50
    ) -> list[Commit]:
        """Those of the branch (or up to `until`) that are not in `since`, the newest first. Raises SourceFailed."""
        wanted = [until or f"refs/heads/{self._branch}", *([f"^{since}"] if since else [])]
        told = await self._git(
            *(
                "log",
                "--first-parent",
                "-m",
                "--name-only",
                "--decorate-refs=refs/tags/",
                f"--format={_FORMAT}",
                f"--max-count={limit}",
            ),
            *("--end-of-options", *wanted, "--"),
        )
        fields = iter(told.split("\0")[1:])
        return [_commit(*each) for each in zip(*[fields] * _FIELDS, strict=False)]

    async def commit(self, sha: str) -> Commit:
        """One of them. Raises SourceFailed."""
        return (await self.commits(until=sha, limit=1))[0]

    async def functions(self, sha: str) -> tuple[str, ...]:
        """The edge functions that a commit has. Raises SourceFailed."""
        files = await self._files(sha, FUNCTIONS)
        return tuple(sorted({m[1] for m in map(_FUNCTION.match, files) if m and not m[1].startswith("_")}))

    async def versions(self, sha: str) -> set[str]:
        """Those of the migrations that a commit has. Raises SourceFailed."""
        return {m[1] for m in map(_FILE.fullmatch, await self._files(sha, MIGRATIONS)) if m}

    async def migrations(self, sha: str, besides: Collection[str] = ()) -> list[Migration]:
        """The migrations of a commit besides these versions, in their order; each is read. Raises SourceFailed."""
        files = await self._files(sha, MIGRATIONS)
        rollbacks = set(await self._files(sha, ROLLBACKS))
        found: list[Migration] = []
        for file in sorted(files):
            named = _FILE.fullmatch(file)
            if named is not None and named[1] not in besides:
                dropped = _DROPS.search(_without_comments(await self.show(sha, file)))
                drops = "" if dropped is None else printable(" ".join(dropped[0].split()), 80)
                found.append(
                    Migration(named[1], named[2], f"{ROLLBACKS}/rollback-{named[1]}.sql" in rollbacks, drops)
                )
        return found

    async def show(self, sha: str, file: str) -> str:
        """The text of a file as a commit has it. Raises SourceFailed."""
        return await self._git("cat-file", "blob", f"{sha}:{file}")

    async def check_out(self, sha: str, folder: Path) -> None:
        """The files of a commit in a folder of their own, which is made; nothing happens where they are. Raises
        SourceFailed."""
        if (folder / ".git").exists():
            return
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._there()
        # Others may make the same folder of another mirror, or other folders of this one, which git has one list of.
        async with _alone(folder.parent / "checkout.lock"), _alone(self._folder / "checkout.lock"):
            if (folder / ".git").exists():
                return
            # Where that is cut off, half of the files would be taken for all of them.
            for left in folder.parent.glob(f"{folder.name}.*"):
                shutil.rmtree(left, ignore_errors=True)
            await self._git("worktree", "prune")
            begun = tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent)
            await self._git("worktree", "add", "--quiet", "--detach", "--force", begun, sha, timeout_s=120.0)
            await self._git("worktree", "move", begun, str(folder))

    async def tree(self, sha: str, folder: Path) -> Path:
        """The same, of a commit that may have come since the repository was fetched. Raises SourceFailed."""
        try:
            await self.check_out(sha, folder)
        except SourceFailed:
            await self.fetch()
            await self.check_out(sha, folder)
        return folder

    async def _files(self, sha: str, under: str) -> list[str]:
        return (await self._git("ls-tree", "-r", "-z", "--name-only", sha, "--", f"{under}/")).split("\0")[
            :-1
        ]

    def _there(self) -> None:
        if not self._folder.exists():
            raise SourceFailed("the repository was not fetched yet")

    async def _git(self, *args: str, timeout_s: float = _TIMEOUT_S) -> str:
        self._there()
        try:
            process = await asyncio.create_subprocess_exec(
                *("git", *_SAFE, *args), cwd=self._folder, env=os.environ | _ENV,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
        except OSError as error:
            raise SourceFailed(f"git can't be started: {printable(error.strerror or error, 80)}") from None
        try:
            async with asyncio.timeout(timeout_s):
                out, err = await process.communicate()
        except TimeoutError:
            raise timed_out(timeout_s) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            words = err.decode(errors="replace").strip().rpartition("\n")[2]
            raise SourceFailed(
                f"git {args[0]}: {printable(words or f'ended with {process.returncode}', LONGEST)}"
            )
        return out[:_MOST_BYTES].decode(errors="replace")


@asynccontextmanager
async def _alone(file: Path) -> AsyncIterator[None]:
    """No other process, nor another step, does it at the same time; one that stands still is not waited for longer."""
    with file.open("w") as lock:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_TIMEOUT_S):
                while not _locked(lock):  # noqa: ASYNC110 - it is another process that has it
                    await asyncio.sleep(0.05)
        yield


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _commit(sha: str, at: str, author: str, subject: str, rest: str) -> Commit:
    tags, _, names = rest.partition("\n")
    files = [name for name in names.split("\n") if name]
    return Commit(
        sha=sha,
        at=datetime.fromtimestamp(int(at), UTC),
        author=printable(author, 60),
        subject=printable(subject, 120),
        version=printable(_tag(tags), 40),
        files=len(files),
        migrations=tuple(sorted(m[1] for m in map(_FILE.fullmatch, files) if m)),
        functions=tuple(sorted({m[1] for m in map(_FUNCTION.match, files) if m})),
    )


def _tag(decoration: str) -> str:
    """Of several tags the longest is the most exact one: v2.9.0 rather than v2."""
    tags = [each.removeprefix("tag: ") for each in decoration.split(", ") if each.startswith("tag: ")]
    return max(tags, key=len, default="")


def _without_comments(sql: str) -> str:
    return re.sub(r"--[^\n]*|/\*.*?\*/", " ", sql, flags=re.S)
