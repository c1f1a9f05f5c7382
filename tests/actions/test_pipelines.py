"""Pipelines: the shipped ones, and what is wrong with one's own."""

import logging
import re
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from console.actions import pipelines
from console.actions.kind import Failed
from console.actions.pipelines import SHIPPED
from console.actions.workshop import Workshop
from console.domain.canary import Allowed, Watch
from console.domain.errors import Misuse, Refused
from console.gateway.repository import Repository
from console.sandbox.releases import ensure_repository

GOOD = """
title: Deploy
steps:
  build:
    title: build {version}
    command: {argv: [npm, run, build]}
    harmless: true
  upload:
    title: upload
    command: {argv: [vercel, deploy, "{build_said}"], secrets: {VERCEL_TOKEN: vercel_token}}
    probe: {frontend: "{action}"}
    undo:
      title: back
      command: {argv: [vercel, rollback, "{previous_frontend}"]}
"""


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(Repository(None, "main", tmp_path), tmp_path, (), {}, {})


@pytest.mark.parametrize("name", ["deploy", "rollback"])
def test_the_shipped_ones(workshop: Workshop, name: str) -> None:
    found = pipelines.load(name, None, workshop)
    assert found.watch == Watch(
        timedelta(minutes=5),
        timedelta(minutes=15),
        30,
        {"error_rate": Allowed(more=1, times=2), "p95_execution_time": Allowed(times=1.5, over=400)},
    )
    # What is cut off is probed or does no harm, or there is one step of which a person is asked.
    assert all(step.probe or step.harmless for step in found.steps)


def test_ones_own_stands_instead(workshop: Workshop, tmp_path: Path) -> None:
    (tmp_path / "deploy.yaml").write_text(GOOD)
    found = pipelines.load("deploy", tmp_path, workshop)
    assert [step.name for step in found.steps] == ["build", "upload"]
    assert found.steps[1].undo is not None and found.steps[1].undo.name == "undo upload"
    assert pipelines.load("rollback", tmp_path, workshop).file == SHIPPED / "rollback.yaml"


@pytest.mark.parametrize(
    ("before", "after", "line", "said"),
    [
        ("harmless: true", "harmles: true", 7, "no such key of a step: harmles; did you mean harmless?"),
        ("[npm, run, build]", "npm run build", 6, "a list of words that begins with a program"),
        ("{version}", "{versoin}", 5, "not versoin"),
        ('"{build_said}"', '"{upload_said}"', 10, "not upload_said"),
        ('"{build_said}"', '"--of={commit}"', 10, "a parameter that stands alone"),
        ("vercel_token}", "vercel_tokn}", 10, "one of supabase_token, vercel_token"),
        ("{frontend:", "{front:", 11, "no such key of a probe: front; did you mean frontend?"),
        ("    command: {argv: [npm, run, build]}\n", "", 5, "exactly one of command"),
        ("title: back", "when: rolbacks\n      title: back", 13, "one of"),
        ("title: Deploy\n", "", 2, "title: expected a text"),
        ("steps:", "watch: {worse: {error_rat: 1}}\nsteps:", 3, "error_rat; did you mean error_rate?"),
        (
            "steps:",
            "watch: {worse: {error_rate: -1}}\nsteps:",
            3,
            "error_rate: expected a number of at least 0",
        ),
        ("steps:", "watch:\n  worse:\n    error_rate: {time: 2}\nsteps:", 5, "time; did you mean times?"),
        (
            "steps:",
            "watch:\n  worse:\n    error_rate:\n      times: 0.5\nsteps:",
            6,
            "times: expected a number",
        ),
        ("steps:", "watch: {worse: {error_rate: {}}}\nsteps:", 3, "at least one of more, times and over"),
        ("steps:", "watch: {metrics: [error_rate]}\nsteps:", 3, "no such key of watch: metrics"),
        ("steps:", "watch: {for: 5m,\n  orders: 0}\nsteps:", 4, "orders: expected a whole number from 1"),
        ("steps:", "watch: {for: 5m,\n  before: 9d}\nsteps:", 4, "before: expected"),
        ("[npm, run", '["{version}", run', 6, "a list of words that begins with a program"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    workshop: Workshop, tmp_path: Path, before: str, after: str, line: int, said: str
) -> None:
    file = tmp_path / "deploy.yaml"
    assert before in GOOD
    file.write_text(GOOD.replace(before, after, 1))
    with pytest.raises(Misuse) as caught:
        pipelines.parse(file, workshop)
    assert said in str(caught.value) and str(caught.value).startswith(f"{file}:{line}"), caught.value


def test_a_number_is_how_much_more_is_allowed(workshop: Workshop, tmp_path: Path) -> None:
    file = tmp_path / "deploy.yaml"
    file.write_text("watch: {for: 90s, worse: {error_rate: 0.5}}\n" + GOOD)
    watch = pipelines.parse(file, workshop).watch
    assert (watch.length, watch.worse) == (timedelta(seconds=90), {"error_rate": Allowed(more=0.5)})


SIDE_BY_SIDE = """
title: Deploy
steps:
  tools: {title: tools, tools: {git: ">=2"}}
  one: {title: one, command: {argv: [one]}}
  two: {title: two, needs: [tools], command: {argv: [two, "{tools_said}"]}, cuttable: true}
  notice: {title: notice, when: migrations, needs: [two], action: {kind: maintenance-on, with: {length: 1h}}}
  four: {title: four, needs: [notice], command: {argv: [four, "{two_said}"]}}
  agree: {title: agree, approve: the people were told}
"""


def test_what_needs_one_that_is_left_out_needs_what_that_one_needs(
    workshop: Workshop, tmp_path: Path
) -> None:
    file = tmp_path / "deploy.yaml"
    file.write_text(SIDE_BY_SIDE)
    pipeline = pipelines.parse(file, workshop)

    def needs(**values: object) -> dict[str, tuple[str, ...] | None]:
        return {step.name: step.needs for step in pipeline.wanted(values)}

    usual = {"tools": None, "one": None, "two": ("tools",), "agree": None}
    assert needs(migrations=["1"]) == usual | {"notice": ("two",), "four": ("notice",)}
    assert needs(migrations=[]) == usual | {"four": ("two",)}
    cuttable = {step.name: step.cuttable for step in pipeline.steps}
    assert cuttable == {
        "tools": True, "one": False, "two": True, "notice": False, "four": False, "agree": True,
    }  # fmt: skip
    assert {step.acts for step in pipeline.steps if step.repeats} == {"maintenance_on"}
    assert pipeline.steps[-1].approval == "the people were told"


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("needs: [tools]", "needs: [tool]", "needs: no step tool before it; did you mean tools?"),
        ("needs: [tools]", "needs: [four]", "needs: no step four before it"),
        ("needs: [tools]", "needs: []", "not tools_said"),
        ('"{two_said}"', '"{one_said}"', "not one_said"),
        ('{git: ">=2"}', "{git: two}", 'git: expected versions as in ">=2.75,<4", not'),
        ("kind: maintenance-on", "kind: deploy", "another action than a deployment or a rollback"),
        ("length: 1h", 'length: "{hours}"', "not hours"),
        ("approve: the people were told", "approve: [bob]", "approve: expected a text"),
        ("cuttable: true", "cuttable: yes please", "cuttable: expected true or false"),
    ],
)
def test_what_is_wrong_between_steps_is_told_with_its_line(
    workshop: Workshop, tmp_path: Path, before: str, after: str, said: str
) -> None:
    file = tmp_path / "deploy.yaml"
    assert before in SIDE_BY_SIDE
    file.write_text(SIDE_BY_SIDE.replace(before, after, 1))
    with pytest.raises(Misuse) as caught:
        pipelines.parse(file, workshop)
    line = 1 + SIDE_BY_SIDE[: SIDE_BY_SIDE.index(before)].count("\n")
    assert said in str(caught.value) and str(caught.value).startswith(f"{file}:{line}:"), caught.value


async def test_tools_that_are_missing_or_too_old_are_told(workshop: Workshop, tmp_path: Path) -> None:
    file = tmp_path / "deploy.yaml"

    async def found(wanted: str) -> str:
        file.write_text(f"title: Deploy\nsteps: {{tools: {{title: tools, tools: {{{wanted}}}}}}}")
        return await pipelines.parse(file, workshop).tools()

    assert re.fullmatch(r"git \d+\.\d+\.\d+", await found('git: ">=2"'))
    with pytest.raises(Failed, match=r"git is \d+\.\d+\.\d+: this pipeline is for git >=99"):
        await found('git: ">=99"')
    with pytest.raises(Failed, match="no-such-tool"):
        await found('no-such-tool: ">=1"')


def test_a_pause_has_the_time_that_it_takes_and_does_no_harm(workshop: Workshop, tmp_path: Path) -> None:
    file = tmp_path / "deploy.yaml"
    file.write_text("title: Deploy\nsteps: {pause: {title: pause, wait: 30m}}")
    (step,) = pipelines.parse(file, workshop).steps
    assert step.harmless and step.timeout_s > timedelta(minutes=30).total_seconds()


@pytest.mark.parametrize("told", ["", [], [""], "--all"])
async def test_a_word_that_is_empty_or_an_option_is_no_parameter(
    workshop: Workshop, tmp_path: Path, told: object
) -> None:
    (tmp_path / "deploy.yaml").write_text(GOOD)
    upload = pipelines.load("deploy", tmp_path, workshop).steps[1]
    with pytest.raises(Refused, match=r"\{build_said\} may not"):
        await upload.deed.do(cast(Any, None), {"build_said": told, "commit": "c0ffee"}, 1)


def test_a_log_that_can_not_be_written_stops_nothing(
    workshop: Workshop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "deployment-7.log").mkdir()
    with caplog.at_level(logging.WARNING):
        workshop.log(7, ["a line"])
    assert "deployment-7.log: Is a directory" in caplog.text


async def test_a_commit_that_this_agent_has_not_got_yet_is_fetched(tmp_path: Path) -> None:
    origin = ensure_repository(tmp_path / "platform.git")
    other = Repository(str(origin), "main", tmp_path / "other")
    await other.fetch()
    mirror = Repository(str(origin), "main", tmp_path / "mirror")
    tree = await Workshop(mirror, tmp_path / "trees", (), {}, {}).tree(await other.resolve("v2.9.0"))
    assert (tree / "package.json").exists()
