"""What is deployed: commits of the platform's repository, and the releases that were made of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of supabase/migrations. `rollback`: the commit has a file that takes it back; `drops` is what of it
    can't be had back without one, in words ("" for nothing)."""

    version: str
    name: str
    rollback: bool = False
    drops: str = ""

    @property
    def irreversible(self) -> bool:
        """Whether the database can't go back over it."""
        return bool(self.drops) and not self.rollback


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit of the branch that is deployed. `files` is how many differ from its parent; `migrations` (their
    versions) and `functions` are those among them."""

    sha: str
    at: datetime
    author: str
    subject: str
    version: str = ""
    """The tag it has; "" for none."""
    files: int = 0
    migrations: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()

    @property
    def short(self) -> str:
        """The first characters, as people write it."""
        return self.sha[:8]

    @property
    def name(self) -> str:
        """`v2.9.0`, or the first characters of the commit."""
        return self.version or self.short


@dataclass(frozen=True, slots=True)
class FunctionVersion:
    """One deployed function; `sha` is the hash of its bundle."""

    slug: str
    version: int
    sha: str
    active: bool = True


class ReleaseState(StrEnum):
    """What became of a release."""

    LIVE = "live"
    GOOD = "good"
    """It was live, and another one has taken its place."""
    ROLLED_BACK = "rolled back"
    FAILED = "failed"
    """It never was live, or only in part."""


@dataclass(frozen=True, slots=True)
class Released:
    """What became of one commit that was deployed, and what of it runs. `migrations` are those that it applied,
    `frontend` is the id of the frontend's deployment; `before` is what the release is from now on whose place a live
    one takes."""

    version: str
    commit: str
    state: ReleaseState
    before: ReleaseState = ReleaseState.GOOD
    functions: tuple[FunctionVersion, ...] = ()
    migrations: tuple[str, ...] = ()
    frontend: str = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Release:
    """The same as the store has it, with who did it, when, and by which action."""

    id: int
    version: str
    commit: str
    state: ReleaseState
    at: datetime
    by: str
    action_id: int | None = None
    functions: tuple[FunctionVersion, ...] = ()
    migrations: tuple[str, ...] = ()
    frontend: str = ""
    words: str = ""
