"""Templates of stakeholder updates, filled in; whatever somebody wrote into an incident stays where it was put."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

import console
from console.domain.action import ActionState
from console.domain.book import BLANKS, Runbook, Template, unfilled
from console.domain.calling import called, unknown
from console.incidents.figures import Impact, harm_end
from console.incidents.updates import fill, for_customers, values
from tests.incidents_text.cases import ALERT, BARE, CLOSED, FAILOVER, HOSTILE, RATE, at, hostile

TEXT = "\n".join(f"{name}: {{{{ {name} }}}}" for name in BLANKS)
TEMPLATE = Template("t", "T", "internal", "update", TEXT, {1: timedelta(minutes=15), 3: timedelta(hours=1)})


def blocks(text: str) -> list[str]:
    return [token.type for token in MarkdownIt("commonmark").enable("table").parse(text)]


def test_every_name_of_a_closed_incident_has_its_value() -> None:
    known = values(CLOSED, TEMPLATE, impact="12 orders failed", now=at(50))
    assert set(known) == set(BLANKS)
    assert fill(TEXT, known).splitlines() == [
        "incident: INC-12",
        "title: Orders fail",
        "level: 1",
        "status: resolved",
        "impact: 12 orders failed",
        "started: 2026-03-10 12:00",
        "commander: bob",
        "next_update: {{ next_update }}",
        "resolution: The provider sent prices of yesterday. - switched over - switched back",
        "done: Look at the orders; Fail over",
    ]


def test_what_is_not_known_yet_stays_to_be_filled_in() -> None:
    text = fill(TEXT, values(BARE, replace(TEMPLATE, again={}), now=at(5)))
    assert unfilled(text) == ["impact", "commander", "next_update", "resolution", "done"]
    assert "status: detected" in text and "impact: {{ impact }}" in text


def test_actions_count_as_done_unless_a_step_tells_of_them_or_they_were_taken_back() -> None:
    cache = replace(FAILOVER, id=40, kind="clear_cache", target="", ended_at=at(3))
    actions = (
        replace(FAILOVER, ended_at=at(9)),
        cache,
        replace(cache, id=41, undone_by=42),
        replace(cache, id=43, state=ActionState.FAILED),
    )
    known = values(CLOSED, TEMPLATE, now=at(50), actions=actions)
    assert known["done"] == "Look at the orders; clear-cache; Fail over"


SHIPPED = sorted((Path(console.__file__).parent / "defaults" / "templates").glob("*.md"))


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.stem)
def test_every_shipped_template_is_filled_in_for_an_incident_of_which_everything_is_known(file: Path) -> None:
    text = file.read_text().split("---\n", 2)[2]
    assert set(unfilled(text)) <= set(BLANKS)
    known = values(CLOSED, TEMPLATE, now=at(50), impact="12 orders failed") | {"next_update": "12:30"}
    filled = fill(text, known)
    assert "{{" not in filled and "UTC UTC" not in filled
    # Where it is pasted, a line that ends in a sentence stays ragged.
    inlines = [token for token in MarkdownIt("commonmark").parse(text) if token.type == "inline"]
    assert not any(child.type == "softbreak" for each in inlines for child in each.children or ())


def test_the_next_update_is_promised_by_the_template_on_the_platforms_time() -> None:
    opened = replace(BARE, next_update_at=at(20))

    def next_of(template: Template, scale: float) -> str:
        return values(opened, template, now=at(5), time_scale=scale)["next_update"]

    assert next_of(TEMPLATE, 1) == "2026-03-10 13:05"
    assert next_of(TEMPLATE, 10) == "2026-03-10 12:11"
    assert next_of(replace(TEMPLATE, again={}), 1) == "2026-03-10 12:20"


@pytest.mark.parametrize("text", HOSTILE)
def test_a_value_is_one_line_that_begins_no_block_and_is_not_filled_in_again(text: str) -> None:
    incident = hostile(text)
    known = values(incident, TEMPLATE, impact=text, now=at(50))
    form = "# {{ incident }}\n\n{{ title }}\n\n- {{ commander }}\n\n> {{ done }}\n\nwords {{ impact }}\n"
    filled = fill(form, known)
    assert blocks(filled) == blocks("# a\n\na\n\n- a\n\n> a\n\na\n")
    assert len(filled.splitlines()) == len(form.splitlines()) and len(filled) < 4 * 600
    assert "\x1b" not in filled and "\u202e" not in filled and "\x07" not in filled
    if text == "{{ title }}":
        assert filled.count("{{ title }}") == 4


def test_customers_read_the_problem_in_words_for_them_and_what_failed_until_the_harm_ended() -> None:
    assert values(CLOSED, TEMPLATE, now=at(50), title="Some orders fail")["title"] == "Some orders fail"
    assert values(CLOSED, TEMPLATE, now=at(50), title="")["title"] == "", "nothing is known in words for them"
    shelf = [Runbook("order-execution-failure", "x", customers="Some orders fail"), Runbook("other", "y")]
    assert for_customers(CLOSED, shelf) == "Some orders fail"
    assert for_customers(CLOSED, shelf[1:]) == for_customers(BARE, shelf) == ""
    assert Impact(at(0), at(20), 12.34, at(6), 231).words_for_customers() == (
        "about 231 orders failed from 12:00 to 12:20 UTC"
    )
    assert Impact(at(0), at(20), 12.34, at(6), 0).words_for_customers() == ""
    # Mitigated, else the last of its alerts, else closed, else it goes on.
    waiting = replace(CLOSED, mitigated_at=None, mitigated_by=None)
    fires = replace(ALERT, id=8, resolved_at=None)
    assert harm_end(CLOSED, [fires], at(50)) == at(12)
    assert harm_end(waiting, [ALERT], at(50)) == at(25)
    assert harm_end(waiting, [ALERT, fires], at(50)) == at(40)
    assert harm_end(replace(waiting, closed_at=None, closed_by=None), [ALERT, fires], at(50)) == at(50)
    assert harm_end(BARE, [], at(5)) == at(5)


def test_only_names_in_double_braces_are_replaced() -> None:
    text = "{title} {{title}} {{ title }} {{ Title }} {{ title.x }} %(title)s ${title} {{ unknown }}"
    assert (
        fill(text, {"title": "T", "unknown": ""})
        == "{title} T T {{ Title }} {{ title.x }} %(title)s ${title} {{ unknown }}"
    )


def test_the_impact_says_what_was_measured_and_nothing_else() -> None:
    specs = {"error_rate": RATE}
    assert Impact(at(0), at(20)).words(specs) == ""
    assert Impact(at(0), at(20), 12.34, at(6), 231).words(specs) == (
        "the error rate reached 12.34 % (12:06 UTC); about 231 orders failed from 12:00 to 12:20 UTC"
    )
    assert Impact(at(0), at(20), 0.3, at(6), 1, least=True).words(specs) == (
        "the error rate stayed at or below 0.30 % (12:06 UTC), within its limit of 1.00 %; "
        "at least 1 order failed from 12:00 to 12:20 UTC"
    )


def test_who_is_called_by_a_name_that_nobody_has_is_known() -> None:
    text = "@bob, @nora.k: see @nobody. Mail ops@example.com, (@Bob) @nobody_ @"
    assert called(text) == ["bob", "nora.k", "nobody", "Bob", "nobody_"]
    assert unknown(text, ["BOB", "nora.k"]) == ["nobody", "nobody_"]
