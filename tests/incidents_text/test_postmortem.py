"""The post-mortem: complete, honest about what is missing, and one document whatever was written in it."""

from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from console.domain.alert import Phase
from console.domain.event import Event, Severity
from console.domain.incident import Entry, timings
from console.domain.metric import MetricSpec
from console.incidents import postmortem
from console.incidents.postmortem import Material, Plot, missing, render, span
from tests.incidents_text.cases import (
    ALERT,
    BARE,
    CLOSED,
    ENTRIES,
    FAILOVER,
    HOSTILE,
    RATE,
    at,
    hostile,
    series,
)
from themes.palette import DARK
from widgets.glyphs import UNICODE
from widgets.look import Look
from widgets.markdown_panel import markdown_lines

LOOK = Look(DARK, UNICODE)
WHOLE = Material(
    CLOSED,
    at(60),
    ENTRIES,
    actions=(FAILOVER,),
    alerts=(ALERT,),
    impact="231 orders failed",
    plot=Plot(RATE, series(0.3, 8, 12, 0.4, start=at(-10), step_s=900), 5.0),
    specs={"error_rate": RATE},
)
SECTIONS = [
    *("Figures", "The metric", "Roles", "Alerts", "Timeline", "What was tried", "Runbooks"),
    *("Stakeholder updates", "Follow-ups", "What is missing"),
]


def headings(text: str, tag: str) -> list[str]:
    """Those of the document itself, not of what it quotes."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    return [
        tokens[i + 1].content
        for i, t in enumerate(tokens)
        if t.type == "heading_open" and t.tag == tag and t.level == 0
    ]


def test_it_tells_everything_that_is_known() -> None:
    text = render(WHOLE)
    assert headings(text, "h1") == ["INC-12: Orders fail"]
    assert headings(text, "h2") == SECTIONS
    for line in (
        "**Impact**: 231 orders failed",
        "> The provider sent prices of yesterday.",
        "| detected | 2026-03-10 12:00:00 |  |  |",
        "| acknowledged | 2026-03-10 12:01:30 | 1m30s | alice |",
        "| mitigated | 2026-03-10 12:12:00 | 12m | bob |",
        "| id | rule | severity | last reason | fired | resolved | worst |",
        "| resolved | 2026-03-10 12:40:00 | 40m | bob |",
        "It is Error rate (D detected, A acknowledged, M mitigated, R resolved).",
        "| commander | bob |",
        "| database | nobody |",
        "| 7 | High Error Rate | warning | Error rate is 8.00 %, over 5 % | 2026-03-10 12:00:00 "
        "| 2026-03-10 12:25:00 | 12.34 % |",
        "- 2026-03-10 11:50:00 **deployment** (platform) bob: v2 is live",
        "- 2026-03-10 12:04:00 **note** alice: It is EURUSD alone",
        "  > 12:04 stale price",
        "- 2026-03-10 12:12:00 **incident** bob says that the harm has stopped",
        "| 31 | 2026-03-10 12:08:00 | failover replica | alice | done: failed over; it got better; error rate "
        "12.10 % before, 0.40 % after |",
        "- [x] 1. Look at the orders (done by alice, 2026-03-10 12:02:00): all of one symbol",
        "- [ ] 2. Call the provider (skipped by bob, 2026-03-10 12:03:00): they called us",
        "- [x] 3. Fail over (done by alice, 2026-03-10 12:10:00, action 31)",
        "- [ ] 4. Tell everybody (not done)",
        "### 2026-03-10 12:41:00 customer, final, by vera",
        "> All is **well** again.",
        "- [ ] Check prices for their age (alice)",
        "- [ ] Thank the provider (nobody has it)",
        "- [x] Lower the limit (bob, done by bob 2026-03-10 12:39:30)",
        "- 1 step of its runbooks: neither done nor skipped.",
        "- 1 follow-up has no owner.",
    ):
        assert line in text.splitlines(), line
    assert text.count("limit") >= 1 and "█" in text


def test_its_figures_are_the_clocks_of_the_incident() -> None:
    took = timings(CLOSED)
    text = render(WHOLE)
    for each in (took.to_acknowledge, took.to_mitigate, took.to_resolve):
        assert each is not None and f"| {span(each)} |" in text


def test_what_nobody_did_is_said_plainly() -> None:
    said = list(missing(Material(BARE, at(9))))
    assert said == [
        "Nobody acknowledged it.",
        "Nobody said when the harm had stopped.",
        "It is not closed.",
        "Nobody was its commander.",
        "No runbook was worked through.",
        "No alert saw it: is there a rule that would have?",
        "No metric tells what it cost.",
        "Nothing is to be done afterwards: was nothing learnt?",
    ]
    text = render(Material(BARE, at(9)))
    assert headings(text, "h2") == SECTIONS and all(f"- {line}" in text for line in said)
    closed = replace(CLOSED, resolution=" ", updates=())
    fires = replace(ALERT, phase=Phase.FIRING, resolved_at=None)
    assert "1 alert of it still fires." in list(missing(replace(WHOLE, alerts=(ALERT, fires))))
    assert "It was closed without a resolution." in list(missing(replace(WHOLE, incident=closed)))
    assert "No final update was written for anybody." in list(missing(replace(WHOLE, incident=closed)))


def closing(number: int, minute: float, who: str, text: str) -> Entry:
    """As the store tells it."""
    told = f"{who} closed INC-12: {text.partition(chr(10))[0]}"
    return Entry(Event(number, at(minute), "incident", Severity.OK, "INC-12", told, who), 12, text)


def test_who_closes_it_says_by_that_that_it_is_mitigated() -> None:
    silent = replace(CLOSED, mitigated_at=None, mitigated_by=None)
    assert "| mitigated | with its end | – |  |" in render(replace(WHOLE, incident=silent)).splitlines()
    still = replace(silent, closed_at=None, closed_by=None)
    assert "| mitigated | – | – |  |" in render(replace(WHOLE, incident=still)).splitlines()


def test_what_it_was_thought_to_be_before_it_was_reopened_stands_before_what_it_was() -> None:
    entries = (closing(5, 20, "alice", "The cache.\n\n- cleared"), closing(6, 40, "bob", CLOSED.resolution))
    earlier = "**Resolution of 2026-03-10 12:20:00**, by alice; it was reopened after that"

    def head(*of: Entry, **changes: object) -> str:
        incident = replace(CLOSED, **changes)  # pyright: ignore[reportArgumentType]
        return render(replace(WHOLE, incident=incident, entries=of)).split("## Figures")[0]

    both = head(*entries)
    assert f"{earlier}\n\n> The cache.\n>\n> - cleared\n\n**Resolution**\n\n> The provider" in both
    assert "it was reopened" not in head(entries[1])
    open_again = head(*entries[:1], closed_at=None, closed_by=None, resolution="")
    assert earlier in open_again and "**Resolution**" not in open_again
    # Nobody else's, and no note that says so.
    others = (replace(entries[0], incident_id=None), replace(entries[0], incident_id=13))
    note = Event(7, at(21), "note", Severity.INFO, "INC-12", entries[0].event.text, "alice")
    assert "it was reopened" not in head(*others, Entry(note, 12), entries[1])


def test_its_plot_fits_a_small_screen_with_the_widest_of_numbers() -> None:
    money = MetricSpec("volume", "Volume", "money", "orders", "sql", "", decimals=2, warning=1, critical=5)
    values = [1_234_567.0] * (postmortem._WIDTH - 1) + [1.0]
    plot = Plot(money, series(*values, start=at(-10)), 1_000_000.0)
    lines = [line.removeprefix("    ") for line in render(replace(WHOLE, plot=plot)).splitlines()]
    start = next(i for i, line in enumerate(lines) if "│" in line)
    # As wide as a panel is on a screen of 80 columns.
    shown = [
        "".join(x.text for x in row) for row in markdown_lines(render(replace(WHOLE, plot=plot)), 78, LOOK)
    ]
    assert any(line.endswith("  limit") for line in lines[start : start + 11])
    assert all(f"  {line}" in shown for line in lines[start : start + 11])


def test_one_that_was_merged_was_not_resolved_and_leaves_the_rest_to_the_other() -> None:
    text = render(replace(WHOLE, incident=replace(CLOSED, merged_into=14)))
    assert "It was merged into INC-14." in text and "| merged | 2026-03-10 12:40:00 | 40m | bob |" in text
    assert "resolved |" not in text.split("## Roles")[0] and "R resolved" not in text
    assert text.endswith("## What is missing\n\nNothing.\n")


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_was_written_changes_its_form(text: str) -> None:
    entry = Entry(Event(9, at(5), text, Severity.INFO, text, text, text), 12, text + "\nmore")
    bad = replace(ALERT, rule=text, summary=text)
    action = replace(FAILOVER, target=text, words=text, requested_by=text)
    spec = replace(RATE, title=text)
    form = Material(hostile(text), at(60), (entry,), False, (action,), (bad,), text, WHOLE.plot, {})
    out = render(replace(form, plot=Plot(spec, series(1, 2, 3), 5.0)))
    assert len(headings(out, "h1")) == 1 and headings(out, "h2") == SECTIONS
    # A row of a table that is cut in two, or ended, would have other cells.
    html = MarkdownIt("commonmark").enable("table").render(out)
    assert html.count("<th>") == 4 + 2 + 7 + 5
    assert html.count("<td>") == 4 * 4 + 6 * 2 + 7 + 5
    assert "\x1b" not in out and "\u202e" not in out and "\x07" not in out


def test_thousands_of_entries_are_told_and_more_than_that_are_said_to_be_left_out() -> None:
    many = [
        Entry(Event(i, at(i / 60), "note", Severity.INFO, "", f"note {i}", "bob"), 12) for i in range(5000)
    ]
    text = render(replace(WHOLE, entries=many, left_out=True))
    assert "Only the last 5,000 entries." in text and text.count("**note**") == 5000
