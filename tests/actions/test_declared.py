"""What an installation declares: commands, HTTP calls and SQL, with parameters that no language ever sees."""

import sys
from pathlib import Path

import pytest

from console.actions import catalogue
from console.domain.action import ActionState, OutputLine, StepState
from console.domain.errors import Misuse
from console.store import actions

from .conftest import Stage
from .proxy import proxy

DOORS = ("database", "auth", "ops", "vercel")
PLANTED = "planted-secret-of-the-command"


def entry(body: str, name: str = "own") -> str:
    head = f"actions:\n  {name}:\n    title: Own\n"
    return head + "".join(f"    {line}\n" for line in body.strip("\n").splitlines())


def loaded(folder: Path, text: str) -> object:
    file = folder / "actions.yaml"
    file.write_text(text)
    return catalogue.load(file, DOORS)


STEP = "steps:\n  - title: a step\n    "


@pytest.mark.parametrize("value", ["-1", "1.5", "null"])
def test_a_guards_number_is_a_whole_one(tmp_path: Path, value: str) -> None:
    with pytest.raises(Misuse, match=r"actions\.yaml:1: second_person_above_users: expected a whole number"):
        loaded(tmp_path, f"guards: {{second_person_above_users: {value}}}")


@pytest.mark.parametrize(
    ("body", "line", "words"),
    [
        ("nothing: true", 4, "no such key of an action: nothing"),
        ("steps: []", 4, "at least one step"),
        ("steps: 7", 4, "a list of steps"),
        ("role: viewer\n" + STEP + "command: {argv: ['true']}", 4, "one of responder, commander"),
        ("danger: huge\n" + STEP + "command: {argv: ['true']}", 4, "one of low, medium, high"),
        ("budget: 0\n" + STEP + "command: {argv: ['true']}", 4, "a whole number from 1"),
        ("target: x\n" + STEP + "command: {argv: ['true']}", 4, "the name of a parameter"),
        ("undo: nobody\n" + STEP + "command: {argv: ['true']}", 4, "the name of an action that there is"),
        ("expires: true\n" + STEP + "command: {argv: ['true']}", 4, "a parameter `length`"),
        (STEP + "layer: x", 5, "exactly one of ops, http, sql, command"),
        (STEP + "command: {argv: []}", 6, "a list of words that begins with a program"),
        (STEP + "command: {argv: ['{x}']}", 6, "known parameters"),
        (STEP + "command: {argv: [echo, 'a {x}']}", 6, "a parameter that stands alone"),
        (STEP + "command: {argv: [sh], shell: true}", 6, "no such key of a command: shell"),
        (STEP + "ops: {method: GET, path: /x}", 6, "one of POST, PUT, PATCH, DELETE"),
        (STEP + "ops: {method: PUT, path: 'x'}", 6, "a path such as /compute"),
        (STEP + "ops: {method: PUT, path: '/../../{x}'}", 6, "a path such as /compute"),
        (STEP + "http: {method: PUT, url: 'http://x/{y}'}", 6, "without a parameter in it"),
        (STEP + "sql: {statement: SELECT 1, values: ['x {y}']}", 6, "a parameter that stands alone"),
        (STEP + "command: {argv: ['true']}\n    probe: {ops: /x}", 7, "exactly one of equals"),
        (STEP + "command: {argv: ['true']}\n    timeout: long", 7, "a duration such as"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(tmp_path: Path, body: str, line: int, words: str) -> None:
    with pytest.raises(Misuse) as misuse:
        loaded(tmp_path, entry(body))
    assert str(misuse.value).startswith(f"{tmp_path}/actions.yaml:{line}: ") and words in str(misuse.value)


def test_what_the_program_does_itself_is_ruled_and_not_declared_and_entries_are_merged(
    tmp_path: Path,
) -> None:
    with pytest.raises(Misuse, match="no such rule of an action of the program itself: title"):
        loaded(tmp_path, entry(STEP + "command: {argv: ['true']}", "block_ip"))
    file = tmp_path / "actions.yaml"
    file.write_text("actions:\n  suspend_account: {second_person: true, role: commander, budget: 2}\n")
    ruled = catalogue.load(file, DOORS)["suspend_account"].spec
    assert (ruled.second_person, ruled.role, ruled.budget, ruled.undo) == (
        True,
        "commander",
        2,
        "reinstate_account",
    )
    file.write_text("actions:\n  clear_cache: {budget: 1}\n")
    merged = catalogue.load(file, DOORS)["clear_cache"].spec
    assert (merged.budget, merged.title) == (1, "Clear the cache")


def lines_of(found: list[OutputLine], kind: str) -> list[str]:
    return [line.text for line in found if line.kind == kind]


async def test_a_command_gets_whole_words_and_its_output_is_kept_without_secrets(
    stage: Stage, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(PLANTED)
    secret.chmod(0o600)
    script = (
        "import os, sys; print(repr(sys.argv[1:])); print('key', os.environ['KEY']); print('\\x1b[31mred');"
        "print(sorted(k for k in os.environ if k.startswith('TRADEX'))); sys.stdout.flush(); os.write(2, b'\\xff last')"
    )
    stage.file = tmp_path / "actions.yaml"
    stage.file.write_text(
        entry(
            f"""
parameters:
  text: {{title: Text}}
target: text
steps:
  - title: say {{text}}
    command:
      argv: [{sys.executable}, -c, {script!r}, "{{text}}"]
      secrets: {{KEY: {secret}}}
"""
        )
    )
    evil = "$(touch x); `id` 'quoted' && *"
    async with stage.agent():
        action = await stage.done("own", evil, text=evil)
        refused = await stage.ask("own", "--option", text="--option")
        await stage.confirm(refused)
        failed = await stage.ended(refused.id)
        assert failed.state is ActionState.FAILED and "may not begin with -" in failed.words
        found = await actions.output(stage.alice, action.id)
    assert lines_of(found, "out") == [repr([evil]), "key ********", "␛[31mred", "[]", "� last"]
    (command,) = lines_of(found, "command")
    assert command.startswith(sys.executable) and command.endswith("'\"'\"'quoted'\"'\"' && *'")
    for table in ("action", "action_step", "action_output", "audit", "event"):
        rows = await stage.place.owner(f"SELECT t::text AS row FROM console.{table} AS t")
        assert not any(PLANTED in row["row"] for row in rows), table


async def test_a_command_that_fails_is_not_tried_again(stage: Stage, tmp_path: Path) -> None:
    stage.file = tmp_path / "actions.yaml"
    stage.file.write_text(
        entry(STEP + "command: {argv: [sh, -c, 'echo once; echo it broke >&2; exit 3']}\n    retries: 5")
    )
    async with stage.agent():
        planned = await stage.ask("own")
        await stage.confirm(planned)
        failed = await stage.ended(planned.id)
        assert failed.state is ActionState.FAILED and "sh ended with 3: it broke" in failed.words
        assert lines_of(await actions.output(stage.alice, planned.id), "out") == ["once", "it broke"]


async def test_a_command_that_takes_too_long_is_ended_and_a_person_decides(
    stage: Stage, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    stage.file = tmp_path / "actions.yaml"
    stage.file.write_text(
        entry(STEP + f"command: {{argv: [sh, -c, 'echo $$ > {pid}; sleep 1000']}}\n    timeout: 0.3s")
    )
    async with stage.agent():
        planned = await stage.ask("own")
        await stage.confirm(planned)
        stuck = await stage.until(planned.id, lambda a: a.state is ActionState.INTERRUPTED)
        assert "no answer came within" in stuck.question
    (step,) = await actions.steps(stage.alice, planned.id)
    assert step.state is StepState.UNKNOWN


async def test_sql_is_bound_and_probed(stage: Stage, tmp_path: Path) -> None:
    stage.file = tmp_path / "actions.yaml"
    stage.file.write_text(
        entry(
            """
parameters:
  name: {title: Flag}
target: name
steps:
  - title: set the flag {name}
    layer: database
    sql:
      statement: UPDATE platform_flags SET enabled = $2, changed_at = now() WHERE name = $1
      values: ["{name}", false]
    probe:
      statement: SELECT NOT EXISTS (SELECT FROM platform_flags WHERE name = $1 AND enabled)
      values: ["{name}"]
"""
        )
    )
    async with stage.agent():
        evil = "maintenance'; DROP TABLE platform_flags; --"
        action = await stage.done("own", evil, name=evil)
        assert action.proof is not None and action.proof.verdict == "proved"
    assert await stage.platform.value("SELECT count(*) FROM platform_flags") > 0


async def test_a_call_to_any_place_has_its_token_from_a_file(stage: Stage, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(stage.platform.service_key)
    token.chmod(0o600)
    async with proxy(stage.platform.config.base_url) as between:
        stage.file = tmp_path / "actions.yaml"
        stage.file.write_text(
            entry(
                f"""
parameters:
  turn: {{title: On or off, type: flag}}
steps:
  - title: monitoring
    http: {{method: PUT, url: "{between.url}/ops/v1/monitoring", json: {{enhanced: "{{turn}}"}}, token: {token}}}
"""
            )
        )
        async with stage.agent(service_key=None):
            await stage.done("own", turn="yes")
            assert (await stage.ops("/monitoring"))["enhanced"] is True
            planned = await stage.ask("own", turn="off")
            await stage.confirm(planned)
            ended = await stage.ended(planned.id)
            assert ended.state is ActionState.DONE
            (command, *_) = lines_of(await actions.output(stage.alice, planned.id), "command")
    assert command == f'PUT {between.url}/ops/v1/monitoring {{"enhanced": false}}'
    rows = await stage.place.owner("SELECT t::text AS row FROM console.action_output AS t")
    assert not any(stage.platform.service_key in row["row"] for row in rows)


async def test_a_changed_file_is_published_and_a_wrong_one_changes_nothing(
    stage: Stage, tmp_path: Path
) -> None:
    stage.file = tmp_path / "actions.yaml"
    stage.file.write_text(entry(STEP + "command: {argv: ['true']}", "first"))

    async def names() -> set[str]:
        return {kind.name for kind in await actions.kinds(stage.alice)}

    async with stage.agent():
        assert "first" in await names()
        stage.file.write_text("actions: {second: {title: 7}}")
        stage.file.write_text(entry(STEP + "command: {argv: ['false']}", "third"))

        async def known() -> bool:
            found = await names()
            return "third" in found and "first" not in found and "second" not in found

        await stage.wait_for(known)


async def test_a_flood_of_output_is_kept_at_both_ends(stage: Stage, tmp_path: Path) -> None:
    stage.file = tmp_path / "actions.yaml"
    stage.file.write_text(entry(STEP + "command: {argv: [seq, '1', '40000']}"))
    async with stage.agent():
        action = await stage.done("own")
        found = lines_of(await actions.output(stage.alice, action.id, limit=20_000), "out")
    assert found[:8000] == [str(n) for n in range(1, 8001)]
    assert found[8000:8002] == [
        "[the output is long: from here on only its end is kept]",
        "[24,800 lines left out]",
    ]
    assert found[8002:] == [str(n) for n in range(32_801, 40_001)]
