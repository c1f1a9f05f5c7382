"""How checks run: together, each within its time, those that get in another's way after it."""

import asyncio
from collections.abc import Awaitable, Callable
from graphlib import TopologicalSorter

import pytest

from console.checks.check import Check, Doors, chosen, run
from console.checks.registry import OCCASIONS
from console.domain.check import CheckReport, CheckStatus, Outcome, failed, passed, together, warned
from console.domain.errors import Misuse, SourceFailed
from console.gateway.reasons import NoSource
from console.sections import ChecksSettings
from console.settings import Settings


@pytest.fixture
def doors() -> Doors:
    """Without any platform."""
    return Doors.open(Settings())


def check(name: str, work: Callable[[Doors], Awaitable[Outcome]], **changes: object) -> Check:
    return Check(name, name.title(), "test", work, **changes)  # type: ignore[arg-type]


def raising(error: BaseException) -> Callable[[Doors], Awaitable[Outcome]]:
    async def work(doors: Doors) -> Outcome:
        raise error

    return work


async def found(doors: Doors, *checks: Check) -> list[tuple[str, str]]:
    return [(str(r.status), r.evidence) for r in (await run(doors, checks)).results]


async def test_checks_run_together_and_one_waits_for_those_it_gets_in_the_way_of(doors: Doors) -> None:
    both, order = asyncio.Barrier(2), []

    async def meets(doors: Doors) -> Outcome:
        await both.wait()
        order.append("met")
        return passed("met")

    async def last(doors: Doors) -> Outcome:
        order.append("last")
        return passed("last")

    told: list[str] = []
    checks = (
        check("last", last, after=("one", "two", "not there")),
        check("one", meets),
        check("two", meets),
    )
    report = await run(doors, checks, told=lambda result: told.append(result.id))
    assert order == ["met", "met", "last"]
    assert [result.id for result in report.results] == ["last", "one", "two"], "in the order of the list"
    assert told[-1] == "last"


async def test_whatever_a_check_meets_is_its_result_and_the_others_go_on(doors: Doors) -> None:
    async def good(doors: Doors) -> Outcome:
        return passed("\x1b[31mgood")

    async def never(doors: Doors) -> Outcome:
        await asyncio.Event().wait()
        return passed("")

    assert await found(
        doors,
        check("refused", raising(SourceFailed("connection refused"))),
        check("absent", raising(NoSource("no source: platform.x is not set"))),
        check("broken", raising(ZeroDivisionError("1 / 0"))),
        check("silent", never, timeout_s=0.01),
        check("unset", good, needs=("checks.account",)),
        check("unset too", good, needs=("store.url",)),
        check("good", good),
    ) == [
        ("failed", "connection refused"),
        ("warning", "no source: platform.x is not set"),
        ("failed", "the check itself failed: ZeroDivisionError('1 / 0')"),
        ("failed", "Silent: no answer within 0.01 s"),
        ("warning", "no source: checks.account is not set"),
        ("warning", "no source: store.url is not set"),
        ("passed", "␛[31mgood"),
    ]


async def test_an_account_without_a_password_is_no_source() -> None:
    doors = Doors.open(Settings(checks=ChecksSettings(account="a@x.example")))

    async def signs_in(doors: Doors) -> Outcome:
        return passed((await doors.visitor.person("a@x.example")).id)

    assert await found(doors, check("one", signs_in)) == [
        ("warning", "no source: checks.account_password_file is not set")
    ]


@pytest.mark.parametrize("checks", OCCASIONS.values(), ids=OCCASIONS)
def test_no_check_waits_for_ever_and_each_has_an_id_of_its_own(checks: tuple[Check, ...]) -> None:
    waits = {check.id: set(check.after) for check in checks}
    assert len(waits) == len(checks)
    assert set().union(*waits.values()) <= waits.keys(), "an id that is not there would not be waited for"
    assert len(list(TopologicalSorter(waits).static_order())) == len(checks)


def test_only_what_is_there_can_be_chosen() -> None:
    checks = tuple(check(name, raising(KeyError())) for name in ("db.rls", "fn.health"))
    assert [c.id for c in chosen(checks, ())] == ["db.rls", "fn.health"]
    assert [c.id for c in chosen(checks, ("fn.health",))] == ["fn.health"]
    with pytest.raises(Misuse, match=r"no check 'fn.helth' here; did you mean fn.health\?"):
        chosen(checks, ("fn.helth",))
    with pytest.raises(Misuse, match=r"choose of db.rls, fn.health"):
        chosen(checks, ("\x1b",))


def test_the_worst_part_decides_and_only_what_did_not_pass_is_told() -> None:
    good, bad, doubt = passed("good"), failed("bad"), warned("doubt")
    assert together([good, passed("too")]) == passed("good; too")
    assert together([good, doubt, bad]) == failed("bad; doubt")
    assert together([good, Outcome(CheckStatus.MANUAL, "look"), doubt]) == warned("doubt; look")
    assert CheckReport(()).overall == "warning", "nobody looked"
    assert CheckReport(()).success_rate_pct is None
