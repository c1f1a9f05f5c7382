"""What the plan of a deployment or a rollback tells: what changes, what stays, what is known of this commit, and whom
it may hit."""

from __future__ import annotations

from collections.abc import Sequence

from console.actions.kind import Context, in_time
from console.actions.wording import no_source
from console.domain.action import Fact
from console.domain.check import CheckStatus
from console.domain.errors import SourceFailed
from console.domain.format import age
from console.domain.release import Commit, Migration, ReleaseState
from console.domain.text import printable
from console.gateway.repository import Repository

_SHARED = "_shared"
MOST_COMMITS = 500


async def out_of_date(repository: Repository) -> tuple[str, ...]:
    """Why the mirror may not be what the repository is, where that does not answer in time."""
    try:
        await in_time(repository.fetch())
    except SourceFailed as error:
        return (f"the repository does not answer, this is what was known of it: {error}",)
    return ()


def changed(commits: Sequence[Commit], there: Sequence[str], *, everything: bool = False) -> str:
    """Those that have to be deployed: all of them where not all commits between are known."""
    touched = {name for commit in commits for name in commit.functions}
    everything = everything or _SHARED in touched or len(commits) >= MOST_COMMITS
    return " ".join(name for name in there if everything or name in touched)


def back(migrations: Sequence[Migration]) -> list[str]:
    """Those at the end that can be taken back: never past one that can't."""
    found: list[str] = []
    for migration in reversed(migrations):
        if not migration.rollback:
            break
        found.insert(0, migration.version)
    return found


def migration_facts(migrations: Sequence[Migration], stays: str) -> list[Fact]:
    """All of them; those that can't be taken back once more, as what `stays` says."""
    facts = [Fact("migrations", ", ".join(f"{m.version} {m.name}" for m in migrations) or "none")]
    facts += [Fact(stays, f"{m.version}: {m.drops}", "crit") for m in migrations if m.irreversible]
    return facts


def notes(migrations: Sequence[Migration], way_back: bool) -> tuple[str, ...]:
    """How far back there is a way, where there is not a whole one."""
    stays = [m.version for m in migrations if m.version not in back(migrations)]
    notes = [] if way_back else ["nothing is known that it could be rolled back to"]
    if stays:
        notes.append(f"the database does not go back over {', '.join(stays)}: only the code does")
    return tuple(notes)


def authors(commits: Sequence[Commit]) -> str:
    """Whose they are, each once."""
    return ", ".join(dict.fromkeys(commit.author for commit in commits)) or "nobody"


async def checked(context: Context, sha: str) -> Fact:
    """How the checks before a deployment ended for this commit."""
    run = None if context.checked is None else await context.checked(sha)
    if run is None or run.ended_at is None:
        return Fact("checklist", "was not gone through for this commit", "warn")
    report, when = run.report, f"{age(context.now - run.ended_at)} ago"
    bad = [each.id for each in report.results if each.status is CheckStatus.FAILED]
    words = f"{report.count(CheckStatus.PASSED)} of {len(report.results)} passed {when}"
    return Fact("checklist", f"{words}, failed: {', '.join(bad)}" if bad else words, "crit" if bad else "ok")


def tried(context: Context, sha: str) -> tuple[str, ...]:
    """That this very commit came to nothing before."""
    last = next((each for each in context.releases if each.commit == sha), None)
    if last is None or last.state is not ReleaseState.FAILED:
        return ()
    return (f"{age(context.now - last.at)} ago it came to nothing: {printable(last.words, 200)}",)


async def who(context: Context) -> list[Fact]:
    """Whom it may hit."""
    try:
        return [Fact("signed in", f"{await in_time(context.changes.signed_in()):,} people")]
    except SourceFailed as error:
        return [Fact("signed in", no_source(error), "warn")]
