"""Deployments and rollbacks: a pipeline of programs, from what a commit is to what everybody gets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, ClassVar

from console.actions.kind import Context, Failed, Request, Run, StepDef, Usual, in_time, missing, planned
from console.actions.kinds import deploy_plan as telling
from console.actions.pipelines import Pipeline, PipelineStep
from console.actions.wording import equal_command
from console.actions.workshop import Workshop
from console.domain.action import ActionState, Danger, Fact, Guard, KindSpec, Parameter, Plan, Proof
from console.domain.canary import Watch
from console.domain.errors import Refused, SourceFailed
from console.domain.format import counted
from console.domain.release import Migration, Release, Released, ReleaseState
from console.domain.text import printable
from console.gateway.changes import Changes

GROUP = "deployments"


@dataclass(frozen=True, slots=True)
class _Pipelined(Usual):
    """What both have. `pipeline` is read when the catalogue is."""

    spec: KindSpec
    pipeline: Pipeline
    workshop: Workshop
    environment: str
    watched_for: timedelta
    watch: Watch | None

    puts = False
    lifts = ""
    before: ClassVar[ReleaseState]
    """What becomes of the release whose place another one takes."""

    @property
    def watches(self) -> tuple[str, ...]:
        return tuple(self.pipeline.watch.worse)

    def target(self, request: Request) -> str:
        return request.params.get(self.spec.target, "").strip() or request.target

    async def names(self, changes: Changes, request: Request) -> tuple[str, ...]:
        return (request.pins.get("version") or self.target(request),)

    def length(self, request: Request) -> timedelta | None:
        return None

    def steps(self, request: Request) -> tuple[StepDef, ...]:
        values = self._values(request)
        return tuple(step.definition(values) for step in self._wanted(values))

    def _wanted(self, values: dict[str, Any]) -> Sequence[PipelineStep]:
        return self.pipeline.wanted(values)

    def _values(self, request: Request) -> dict[str, Any]:
        """What a pipeline may name, from what was pinned when it was planned."""
        pins = request.pins
        lists = {name: pins.get(name, "").split() for name in ("migrations", "rollbacks", "functions")}
        return {**pins, **lists, "action": str(request.id), "mark": f"tradex={request.id}"}

    async def check(self, context: Context, request: Request) -> tuple[Guard, ...]:
        live = context.live.commit if context.live else ""
        if context.live is not None and request.pins.get("previous_commit", live) != live:
            raise Refused(f"{context.live.version} went live since this was planned: plan it again")
        return ()

    async def _planned(
        self,
        context: Context,
        request: Request,
        title: str,
        pins: dict[str, str],
        *,
        facts: Sequence[Fact],
        crossed: Sequence[Migration],
        stays: str,
        notes: Sequence[str] = (),
    ) -> Plan:
        """The plan of what is pinned; `crossed` are the migrations between the two commits, `stays` is what is said of
        one that the database does not go back over."""
        live, settings = context.live, context.changes.settings
        pins = pins | {
            "previous_commit": live.commit if live else "",
            "previous_version": live.version if live else "",
            "rollbacks": " ".join(telling.back(crossed)),
            "project": settings.supabase_project or "",
            "database_url": settings.deploy_database_url or "",
        }
        pinned = replace(request, pins=pins)
        return Plan(
            title=title,
            steps=planned(self.steps(pinned), context.scale),
            facts=(
                *facts,
                *telling.migration_facts(crossed, stays),
                Fact("functions", pins["functions"].replace(" ", ", ") or "none changed"),
                *await telling.who(context),
            ),
            guards=(*await self.check(context, pinned), *await self._tools()),
            notes=(*notes, *telling.notes(crossed, live is not None)),
            typed=self.environment,
            command=equal_command(self.spec, request, pins["version"]),
            pins=pins,
        )

    async def _tools(self) -> tuple[Guard, ...]:
        """That the programs are there in versions that will do. Raises Refused."""
        try:
            found = await in_time(self.pipeline.tools())
        except Failed as error:
            raise Refused(str(error)) from None
        return (Guard("tools", True, found),) if found else ()

    async def prove(self, run: Run) -> Proof:
        """What runs now, piece by piece."""
        values, bad = self._values(run.request), []
        layers: dict[str, bool] = {}
        for step in self._wanted(values):
            if step.probe is None or step.probe.what == "functions":
                continue
            good = await step.probe.happened(run.changes, values, "")
            place = step.layer or step.name
            layers[place] = layers.get(place, True) and bool(good)
            if not good:
                bad.append(step.title)
        facts = [
            Fact(place, "as deployed" if good else "not so", "ok" if good else "crit")
            for place, good in layers.items()
        ]
        running = await run.changes.functions() if values["functions"] else {}
        wanted = dict(pair.split(":", 1) for pair in run.request.pins.get("bundles", "").split())
        for name in sorted(str(each) for each in values["functions"]):
            found = running.get(name)
            state = "is not there" if found is None else f"version {found.version}"
            weight = "ok" if found is not None and found.active else "crit"
            if found is not None and wanted.get(name, found.sha) != found.sha:
                # A bundler may be another one than it was then: it is said, and no more.
                state, weight = f"{state}, not the bundle that ran then ({wanted[name][:8]})", "warn"
            facts.append(Fact(name, state, weight))
            if found is None or not found.active:
                bad.append(name)
        if bad:
            return Proof("unproved", f"the platform does not show it: {', '.join(bad)}", tuple(facts))
        return Proof("proved", f"{run.request.pins['version']} runs", tuple(facts))

    async def released(self, run: Run, state: ActionState, words: str) -> Released | None:
        """What runs now, and since when; of what came to nothing, that."""
        pins = run.request.pins
        if "commit" not in pins:
            return None
        good, functions, front = state is ActionState.DONE, (), None
        if good:
            try:
                functions = tuple((await in_time(run.changes.functions())).values())
                front = await in_time(run.changes.production())
            except SourceFailed as error:
                words = f"{words}; what runs can't be read: {error}"
        return Released(
            version=pins["version"],
            commit=pins["commit"],
            state=ReleaseState.LIVE if good else ReleaseState.FAILED,
            before=self.before,
            functions=functions,
            migrations=tuple(pins.get("migrations", "").split()),
            frontend="" if front is None else front.id,
            words=words,
        )


class Deploy(_Pipelined):
    """Forward: to a commit that is not live yet."""

    before = ReleaseState.GOOD

    async def check(self, context: Context, request: Request) -> tuple[Guard, ...]:
        guards = await super().check(context, request)
        has = await self.workshop.repository.versions(request.pins["commit"])
        ahead = set(await context.changes.applied()) - has
        if ahead:
            raise Refused(
                f"the database has migrations that the commit lacks: {', '.join(sorted(ahead)[:5])}"
            )
        return (*guards, Guard("database", True, "has no migration that the commit lacks"))

    async def plan(self, context: Context, request: Request) -> Plan:
        repository, live = self.workshop.repository, context.live
        old = await telling.out_of_date(repository)
        try:
            sha = await repository.resolve(self.target(request))
        except Refused as error:
            raise Refused("; ".join((str(error), *old))) from None
        commit = await repository.commit(sha)
        if live is not None and live.commit == sha:
            raise Refused(f"{live.version} is live")
        coming = await repository.commits(
            live.commit if live else None, until=sha, limit=telling.MOST_COMMITS
        )
        if live is not None and not coming:
            was = any(each.commit == sha and each.state is ReleaseState.GOOD for each in context.releases)
            way = (
                f"tradex rollback {commit.name}"
                if was
                else "it was never live, so there is no way back to it"
            )
            raise Refused(f"{commit.name} is older than {live.version}, which is live: {way}")
        pending = await repository.migrations(sha, await context.changes.applied())
        front = await context.changes.production()
        pins = {
            "commit": sha,
            "version": commit.name,
            "previous_frontend": front.id if front else "",
            "back_from": sha,
            "undo:to": live.commit if live else "",
            "migrations": " ".join(m.version for m in pending),
            "functions": telling.changed(coming, await repository.functions(sha), everything=live is None),
        }
        return await self._planned(
            context,
            request,
            f"Deploy {commit.name}",
            pins,
            facts=(
                Fact("replaces", live.version if live else "nobody knows what"),
                Fact("commits", f"{counted(len(coming), 'commit')}, of {telling.authors(coming)}"),
                await telling.checked(context, sha),
            ),
            crossed=pending,
            stays="irreversible",
            notes=(*old, *telling.tried(context, sha)),
        )


class Rollback(_Pipelined):
    """Back: to a release that was live before."""

    before = ReleaseState.ROLLED_BACK

    async def check(self, context: Context, request: Request) -> tuple[Guard, ...]:
        guards = await super().check(context, request)
        return (*guards, Guard("releases", True, f"{_live(context).version} is live"))

    async def plan(self, context: Context, request: Request) -> Plan:
        repository, live, wanted = self.workshop.repository, _live(context), self.target(request)
        # One that went live again is no way back, though it was good before.
        earlier = [r for r in context.releases if r.commit != live.commit and r.state is ReleaseState.GOOD]
        to = next(
            (r for r in earlier if not wanted or wanted in (r.version, r.commit, r.commit[:8], str(r.id))),
            None,
        )
        if to is None:
            known = ", ".join(dict.fromkeys(r.version for r in earlier[:5]))
            tail = f"; good were: {known}" if known else ""
            raise Refused(f"no release {printable(wanted, 40) or 'before'} that was good{tail}")
        going = await repository.commits(to.commit, until=live.commit, limit=telling.MOST_COMMITS)
        since = await repository.migrations(live.commit, await repository.versions(to.commit))
        stray = set(await context.changes.applied()) - await repository.versions(live.commit)
        pins = {
            "commit": to.commit,
            "version": to.version,
            "previous_frontend": to.frontend,
            "back_from": live.commit,
            "migrations": "",
            "functions": telling.changed(going, await repository.functions(to.commit)),
            "bundles": " ".join(f"{each.slug}:{each.sha}" for each in to.functions if each.sha),
        }
        return await self._planned(
            context,
            request,
            f"Roll back from {live.version} to {to.version}",
            pins,
            facts=(
                Fact("live now", f"{live.version}, of {live.by}"),
                Fact("takes back", counted(len(going), "commit")),
                *(
                    Fact("stays", f"{version}: neither release has its file", "crit")
                    for version in sorted(stray)
                ),
            ),
            crossed=since,
            stays="stays",
        )


def kinds(
    doors: Collection[str], deploy: Pipeline, rollback: Pipeline, workshop: Workshop, environment: str
) -> tuple[Deploy, Rollback]:
    """Both ways, where these doors of the platform are configured."""
    lacks = "" if workshop.repository.configured else "no source: deploy.repository is not set"
    release = Parameter("release", "Release")
    forward = KindSpec(
        name="deploy",
        title=deploy.title,
        verb="Deploy",
        command="deploy",
        parameters=(release,),
        target="release",
        danger=Danger.HIGH,
        budget=10,
        undo="rollback",
        exclusive="deployment",
        layers=("database", "functions", "frontend"),
        unavailable=lacks or missing(doors, "database", "supabase", "vercel"),
        group=GROUP,
        goes_back=True,
    )
    back = replace(
        forward,
        name="rollback",
        title=rollback.title,
        verb="Roll back to",
        command="rollback",
        # Not that of a deployment, whose undo this is: that one is gone back from, not to.
        parameters=(replace(release, name="to", required=False),),
        target="to",
        freeze=False,
        undo="",
        goes_back=False,
    )
    return (
        Deploy(forward, deploy, workshop, environment, deploy.watch.length, deploy.watch),
        Rollback(back, rollback, workshop, environment, rollback.watch.length, rollback.watch),
    )


def _live(context: Context) -> Release:
    if context.live is None:
        raise Refused("nobody knows which release is live: there is nothing to go back from")
    return context.live
