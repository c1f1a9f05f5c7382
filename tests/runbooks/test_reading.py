"""What a file may say and what it becomes; what is wrong in one is one error with file and line."""

import textwrap
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.domain.book import Checklist, Runbook, Rung, Step, Symptom, Template
from console.domain.errors import Misuse
from console.runbooks.library import FOLDERS, SHIPPED
from console.runbooks.markdown import Broken
from console.runbooks.reading import READERS, SCREENS, Vocabulary
from console.store.books import Book
from screens.registry import SCREENS as REGISTERED
from tests.runbooks.words import WORDS

RUNBOOK = """\
---
title: Prices are old
aliases: [Stale Prices]
level: 3
---
What customers see is not
what the market says.

## symptoms
- Prices stand still {rules: Stale Prices, metrics: [external_apis_latency_ms]}
* Customers say so

## Immediate
<!-- the order matters -->
1. [ ] Look {screen: metrics}
   at the plot, and

   - at the log
   - [ ] (no step: below one)
2. [ ] Switch {action: switch_provider, from: market-data-a}
## Escalation
- CTO {after: 15m, deadline: 30m}
- Whoever is there {after: 0}
## Resolution
- [ ] Prices move again {holds: "external_apis_latency_ms < 500 ms"}
- [ ] Check `fn.get_stock_price` {check: fn.get_stock_price}
"""
CHECKLIST = """\
---
title: Fridays
rhythm: weekly
rule: FREQ=WEEKLY;BYDAY=FR
at: 10:30
timezone: Europe/London
grace: 90m
owner: on-call
---
Before the weekend.
- [ ] All is well {evidence: health}
- [ ] Backups {check: db.backups}
- [ ] Say good-bye
"""
TEMPLATE = """\
---
title: First
audience: internal
kind: initial
again: {sev1: 15m, sev3: 1h}
---
# {{ incident }}: {{title}}

Since {{ started }}.
"""
SAMPLES = {"runbook": RUNBOOK, "checklist": CHECKLIST, "template": TEMPLATE}


def read(kind: str, text: str, words: Vocabulary = WORDS) -> Book:
    return READERS[kind](text, Path("here.md"), words)


def test_a_runbook_is_read_as_it_stands() -> None:
    assert read("runbook", RUNBOOK) == Runbook(
        name="here",
        title="Prices are old",
        summary="What customers see is not what the market says.",
        aliases=("Stale Prices",),
        symptoms=(
            Symptom("Prices stand still", ("Stale Prices",), ("external_apis_latency_ms",)),
            Symptom("Customers say so"),
        ),
        steps=(
            Step(
                "Look",
                "immediate",
                "at the plot, and\n\n- at the log\n- [ ] (no step: below one)",
                screen=2,
            ),
            Step("Switch", "immediate", action="switch_provider", params={"from": "market-data-a"}),
            Step("Prices move again", "resolution", holds="external_apis_latency_ms < 500 ms"),
            Step("Check `fn.get_stock_price`", "resolution", check="fn.get_stock_price"),
        ),
        ladder=(
            Rung("Whoever is there", timedelta()),
            Rung("CTO", timedelta(minutes=15), timedelta(minutes=30)),
        ),
        level=3,
        place="here.md",
    )


def test_a_runbook_says_what_customers_notice() -> None:
    def said(line: str) -> str:
        book = read("runbook", RUNBOOK.replace("level: 3\n", f"level: 3\ncustomers: {line}\n"))
        assert isinstance(book, Runbook)
        return book.customers

    assert said("Some prices are old") == "Some prices are old"
    with pytest.raises(Misuse, match=r"here.md:5: customers: expected"):
        said("[a, b]")


def test_a_checklist_is_read_as_it_stands() -> None:
    assert read("checklist", CHECKLIST) == Checklist(
        name="here",
        title="Fridays",
        rhythm="weekly",
        rule="FREQ=WEEKLY;BYDAY=FR",
        at="10:30",
        timezone="Europe/London",
        opens=timedelta(hours=12),
        grace=timedelta(minutes=90),
        owner="on-call",
        summary="Before the weekend.",
        items=(
            Step("All is well", evidence="health"),
            Step("Backups", check="db.backups"),
            Step("Say good-bye"),
        ),
        place="here.md",
    )


def test_a_template_is_read_as_it_stands() -> None:
    assert read("template", TEMPLATE) == Template(
        name="here",
        title="First",
        audience="internal",
        kind="initial",
        text="# {{ incident }}: {{title}}\n\nSince {{ started }}.",
        again={1: timedelta(minutes=15), 3: timedelta(hours=1)},
        place="here.md",
    )


@pytest.mark.parametrize("kind", SAMPLES)
def test_other_line_ends_and_a_byte_order_mark_change_nothing(kind: str) -> None:
    plain = read(kind, SAMPLES[kind])
    assert read(kind, "\ufeff" + SAMPLES[kind].replace("\n", "\r\n")) == plain


def test_control_characters_can_be_seen_in_what_is_read() -> None:
    book = read("runbook", RUNBOOK.replace("Customers say so", "Customers \x1b[31msay"))
    assert isinstance(book, Runbook) and book.symptoms[1].text == "Customers ␛[31msay"


def test_the_readme_shows_what_is_read() -> None:
    readme = (SHIPPED.parents[1] / "README.md").read_text(encoding="utf-8")
    text = readme[readme.index("    ---\n    title: ") : readme.index("The braces say")]
    book = read("runbook", textwrap.dedent(text))
    assert isinstance(book, Runbook) and (len(book.steps), len(book.ladder), book.level) == (3, 1, 2)
    text = readme[readme.index("    title: Weekly maintenance") : readme.index("A template has")]
    made = read("checklist", f"---\n{textwrap.dedent(text)}---\n- [ ] Look\n")
    assert isinstance(made, Checklist) and made.timezone == "Europe/London"


def test_screens_are_those_of_the_row() -> None:
    assert {entry.mode: entry.number for entry in REGISTERED} == SCREENS


# What is replaced in a sample by what, and what is said about it.
WRONG: dict[str, list[tuple[str, str, str]]] = {
    "runbook": [
        ("---\ntitle", "title", "1: expected front matter"),
        ("level: 3\n---\n", "level: 3\n", "1: this front matter has no end"),
        ("title: Prices are old\n", "", "2: title is missing"),
        ("level: 3", "level: 4", "4: level: expected 1 (the worst), 2 or 3, not 4"),
        ("aliases:", "alias:", "3: no such key of a runbook: alias; did you mean aliases?"),
        ("aliases: [", "aliases: [[", "4: not YAML"),
        ("## Immediate", "## Immediately", "13: no such section: Immediately; did you mean Immediate?"),
        ("## Immediate", "# Immediate", "13: expected headings of the second level"),
        ("## Escalation", "## immediate", "21: immediate is there twice"),
        ("1. [ ] Look", "Then look", "15: expected a list here"),
        ("1. [ ] Look", "1. Look", "15: expected a box before the text: - [ ] text"),
        ("1. [ ] Look", "1. [x] Look", "15: expected an empty box [ ]"),
        ("1. [ ] Look {", "1. [ ] {", "15: expected a text"),
        ("* Customers", "* [ ] Customers", "11: expected no box here"),
        ("{screen: metrics}", "{screen: metric}", "15: screen: expected one of health (1), metrics (2)"),
        ("{screen: metrics}", "{screen: 3}", "15: screen: expected one of"),
        ("{screen: metrics}", "{scren: 2}", "15: no such thing that a step can do: scren; did you mean screen?"),
        ("{screen: metrics}", "{screen: 2, metric: error_rate}", "15: expected only one of screen, metric"),
        ("{screen: metrics}", "{screen: metrics} and more", "15: expected {key: value} at the end"),
        ("{screen: metrics}", "screen: metrics}", "15: expected a { for each }"),
        ("{screen: metrics}", "{screen}", "15: screen: expected one of"),
        ("{screen: metrics}", "{screen: [}", "15: not YAML"),
        ("switch_provider", "switch_providr", "20: no such action: switch_providr; did you mean switch_provider?"),
        ("from:", "form:", "20: switch_provider has no such parameter: form; did you mean from?"),
        ("from: market-data-a", "from: market-data-c", "20: from: expected one of market-data-a, market-data-b"),
        ("from: market-data-a", "from: [a]", "20: from: expected a text"),
        ("switch_provider, from: market-data-a", "block_ip, length: soon", "20: length: expected a duration"),
        ("{after: 15m", "{after: soon", "22: after: expected a duration such as 2m"),
        ("{after: 0}", "{deadline: 1m}", "23: after: expected a duration"),
        ("deadline: 30m", "deadline: 10m", "22: deadline: expected no less than `after`"),
        ("latency_ms < 500", "latency < 500", "25: holds: no such metric: external_apis_latency; did you mean"),
        ("< 500 ms", "< 500 ms for 2m", "25: holds: expected a condition without a duration"),
        ("{check: fn", "{check: fm", "26: no such check: fm.get_stock_price; did you mean fn.get_stock_price?"),
        ("metrics: [external", "metrics: [extrnal", "10: no such metrics: extrnal_apis_latency_ms; did you mean"),
        ("rules: Stale Prices", "rules: [7]", "10: rules: expected a text or a list of texts"),
    ],
    "checklist": [
        ("at: 10:30", "at: 25:30", "5: at: expected a time of day such as 09:00, not '25:30'"),
        ("at: 10:30", "at: 630", "5: at: expected a text, not 630"),
        ("Europe/London", "Europe/Lundon", "6: timezone: expected a time zone"),
        ("timezone: Europe/London", "timezone: ..", "6: timezone: expected a time zone"),
        ("rhythm: weekly", "rhythm: often", "3: rhythm: expected one of daily, weekly, monthly, custom"),
        ("BYDAY=FR", "BYDAY=XX", "4: rule: "),
        ("rule: FREQ=WEEKLY;BYDAY=FR\n", "", "2: rule is missing"),
        ("rule: FREQ=WEEKLY;BYDAY=FR", "rule:", "4: rule: expected a text"),
        ("grace: 90m", "grace: -1", "7: grace: expected a duration"),
        ("- [ ] Say", "## Later\n- [ ] Say", "13: expected no headings in a checklist"),
        ("{evidence: health}", "{evidence: helth}", "11: evidence: expected one of health, alerts, trends"),
    ],
    "template": [
        ("{{ started }}", "{{ begun }}", "9: no such placeholder: begun; known:"),
        ("{{ started }}", "{{ starte }}", "9: no such placeholder: starte; did you mean started?"),
        ("{{ started }}", "{{ started", "9: expected {{ name }}"),
        ("audience: internal", "audience: all", "3: audience: expected one of internal, customer"),
        ("sev3", "sev4", "5: no such level: sev4"),
        ("# {{ incident }}: {{title}}\n\nSince {{ started }}.\n", "", "7: expected a text below"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "old", "new", "told"), [(kind, *each) for kind, listed in WRONG.items() for each in listed]
)
def test_what_is_wrong_is_told_with_its_line(kind: str, old: str, new: str, told: str) -> None:
    assert old in SAMPLES[kind]
    with pytest.raises(Misuse) as caught:
        read(kind, SAMPLES[kind].replace(old, new, 1))
    assert str(caught.value).startswith(f"here.md:{told}")


# Of each kind a file with several faults, and all that is said of it.
FAULTY: dict[str, tuple[list[tuple[str, str]], list[str]]] = {
    "runbook": (
        [
            *(("title: Prices are old\n", ""), ("level: 3", "level: 9\ncolour: red")),
            *(("{screen: metrics}", "{screen: 77}"), ("switch_provider", "switch_providr")),
            *(("## Escalation", "## Escalate"), ("## Resolution", "## Resolution\nWords.\n")),
            *(("{check: fn", "{check: fm"), ("* Customers", "* [ ] Customers")),
        ],
        [
            *("2: title is missing", "3: level: expected 1", "4: no such key of a runbook: colour"),
            *("11: expected no box here", "15: screen: expected one of", "20: no such action: switch_providr"),
            *("21: no such section: Escalate", "25: expected a list here", "28: no such check: fm."),
        ],
    ),
    "checklist": (
        [
            *(("rhythm: weekly", "rhythm: often"), ("BYDAY=FR", "BYDAY=XX"), ("grace: 90m", "grace: soon")),
            *(("{evidence: health}", "{evidence: helth}"), ("{check: db.backups}", "{check: db.backup}")),
        ],
        [
            *("3: rhythm: expected one of", "4: rule: ", "7: grace: expected a duration"),
            *("11: evidence: expected one of", "12: no such check: db.backup;"),
        ],
    ),
    "template": (
        [("audience: internal", "audience: all"), ("{sev1: 15m", "{sev1: soon"), ("{{title}}", "{{titel}} {{x}}")],
        [
            *("3: audience: expected one of", "5: sev1: expected a duration"),
            *("7: no such placeholder: titel", "7: no such placeholder: x"),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FAULTY)
def test_all_that_is_wrong_with_a_file_is_told(kind: str) -> None:
    text, (changes, told) = SAMPLES[kind], FAULTY[kind]
    for old, new in changes:
        text = text.replace(old, new, 1)
    with pytest.raises(Broken) as caught:
        read(kind, text)
    assert len(caught.value.faults) == len(told), caught.value.faults
    for fault, words in zip(caught.value.faults, told, strict=True):
        assert fault.startswith(f"here.md:{words}")
    assert str(caught.value) == caught.value.faults[0]


def test_without_a_vocabulary_any_name_goes() -> None:
    text = RUNBOOK.replace("switch_provider", "our_own").replace("fn.get", "our.get")
    book = read("runbook", text, Vocabulary())
    assert isinstance(book, Runbook) and book.steps[1].action == "our_own"


@pytest.mark.parametrize(
    "text",
    [
        "x" * 200_001,
        RUNBOOK.replace("Customers say so", "x" * 501),
        RUNBOOK.replace("at the plot", "x" * 8001),
        RUNBOOK.replace("external_apis_latency_ms < 500 ms", f"{'(' * 240}cpu_usage > 1{')' * 240}"),
        RUNBOOK.replace("{after: 0}", "{after: " + "[" * 5000 + "]" * 5000 + "}"),
    ],
)
def test_what_is_too_much_is_one_error(text: str) -> None:
    with pytest.raises(Misuse, match=r"here\.md"):
        read("runbook", text)


SHIPPED_TEXTS = [
    (kind, file.read_text(encoding="utf-8"))
    for folder, kind in FOLDERS.items()
    for file in sorted((SHIPPED / folder).glob("*.md"))
]
PIECES = (
    *(
        "{",
        "}",
        "[",
        "]",
        "{{ ",
        " }}",
        "- [ ] ",
        "- ",
        "1. ",
        "> ",
        "## ",
        "---",
        "```\n",
        "<!--",
        "`",
        "  ",
    ),
    *(
        "\n",
        "\n\n",
        "\t",
        "\x00",
        "\u2028",
        "\x85",
        "é",
        ": ",
        "#",
        "|",
        '"',
        "'",
        "%",
        "&a ",
        "*a",
        "!!int ",
        "0_",
    ),
    *("2001-13-01", "10:30", "null", "<<: "),
)


@given(st.data())
@settings(derandomize=True, max_examples=300, deadline=None)
def test_a_mutated_file_is_a_clean_result_or_one_error_with_its_line(data: st.DataObject) -> None:
    kind, text = data.draw(st.sampled_from(SHIPPED_TEXTS))
    for _ in range(data.draw(st.integers(1, 4))):
        begin = data.draw(st.integers(0, len(text)))
        end = min(begin + data.draw(st.sampled_from([0, 0, 1, 3, 40, 400])), len(text))
        piece = data.draw(st.sampled_from(PIECES) | st.just(text[end : end + 30]))
        text = text[:begin] + piece + text[end:]
    try:
        book = read(kind, text)
    except Misuse as error:
        assert str(error).startswith("here.md:")
        assert str(error)[8:].split(":", 1)[0].isdigit() and "\n" not in str(error)
    else:
        assert book.title and all(line.isprintable() for line in (book.title, book.place))
