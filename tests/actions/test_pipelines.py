"""Pipelines: the shipped ones, and what is wrong with one's own."""

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from console.actions import pipelines
from console.actions.pipelines import SHIPPED, Workshop
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
    assert found.metrics == ("error_rate", "p95_execution_time")
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
        ("steps:", "watch: {metrics: [error_rat]}\nsteps:", 3, "metrics: expected some of error_rate"),
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
