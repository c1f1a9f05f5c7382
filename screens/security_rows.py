"""Rows and words of security findings: who attacks, how hard, whom, and what became of it. Pure."""

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from functools import partial

from console.domain import duration
from console.domain import format as fmt
from console.domain.finding import Detector, Finding, FindingChange, FindingState
from console.domain.snapshot import Snapshot
from screens.alert_rows import moment
from screens.paragraphs import Labels, Line
from widgets.action_states import finding_state
from widgets.cells import EMPTY, Cells, cells, join, measure, piece
from widgets.live_table import Column, Deferred, Entry, Group, Row
from widgets.look import Look
from widgets.states import UNKNOWN, severity_state

_LABELS = Labels(10)
_ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_ID_SHOWN = 8

FINDING_COLUMNS = (
    Column("", 1),
    Column("finding", 14),
    Column("source", None),
    Column("failed", 7, right=True),
    Column("peak", 6, right=True),
    Column("users", 6, right=True),
    Column("in", 4, right=True),
    Column("first", 6),
    Column("age", 4, right=True),
    Column("state", 11),
    Column("suggested", 18),
)
FINDING_COLUMNS_COMPACT = (
    Column("", 1),
    Column("source", None),
    Column("failed", 6, right=True),
    Column("peak", 5, right=True),
    Column("users", 5, right=True),
    Column("in", 3, right=True),
    Column("age", 4, right=True),
    Column("state", 11),
)
ACCOUNT_COLUMNS = (Column("", 1), Column("", None), Column("", 13))
CHANGE_COLUMNS = (Column("", 5), Column("", 9), Column("", None))


def kind_words(finding: Finding) -> str:
    """`brute force`"""
    return finding.kind.replace("_", " ").lower()


def finding_entries(findings: Iterable[Finding], row: Callable[[Finding], Row]) -> list[Entry]:
    """In the order in which they come, which is that of a list."""
    return [Deferred(str(finding.id), partial(row, finding)) for finding in findings]


def finding_row(finding: Finding, look: Look, now: datetime, *, compact: bool, greyed: bool) -> Row:
    severity, state = severity_state(finding.severity), finding_state(finding.state)
    loud = finding.counts
    role = "stale" if greyed else severity.role if loud else "muted"
    name = look("stale" if greyed else "strong" if loud else "text", bold=loud and not greyed)
    numbers = [
        cells(f"{finding.count:,}", look("strong" if loud else "text", bold=loud)),
        cells(f"{finding.peak:,}", look("text")),
        cells(finding.users_text, look("text")),
        # Who got in matters most.
        cells(finding.affected_text if finding.affected else "", look("crit", bold=True)),
    ]
    word: Cells = (
        piece(f"{look.glyphs[state.glyph]} ", look("stale" if greyed else state.role)),
        piece(state.word, look("stale" if greyed else "muted" if state.calm else state.role)),
    )
    glyph = cells(look.glyphs[severity.glyph], look(role))
    age = cells(fmt.age(now - finding.last_at), look("muted"))
    if compact:
        return Row(str(finding.id), (glyph, cells(finding.source, name), *numbers, age, word))
    suggested = ""
    if finding.action and loud:
        suggested = f"B {finding.action.replace('_', ' ')} {duration.written(finding.action_for)}"
    return Row(
        str(finding.id),
        (
            *(glyph, cells(kind_words(finding), name), cells(finding.source, name), *numbers),
            *(
                cells(moment(finding.first_at, now), look("muted")),
                age,
                word,
                cells(suggested, look("accent")),
            ),
        ),
    )


def verdict_line(snapshot: Snapshot, look: Look, width: int) -> Line:
    """How many attacks nothing contains, what is in force, and whether anybody watches; where it is narrow, who does
    is left out first."""
    found = snapshot.open_findings
    blocked = sum(f.state is FindingState.BLOCKED for f in snapshot.findings)
    force = [e for e in snapshot.effects if e.lifted_at is None]
    blind = _blind(snapshot.detectors) if snapshot.control else ""
    if found:
        words = fmt.counted(found, "open attack")
        head: Cells = (piece(f" {look.glyphs['crit']} {words.upper()} ", look.chip("crit")),)
    elif not snapshot.control:
        head = (piece(f" {look.glyphs['stale']} READING ", look.chip("stale")),)
    elif blind:
        # Where nobody can look, nothing that was found says nothing.
        head = (piece(f" {look.glyphs[UNKNOWN.glyph]} UNKNOWN: {blind} ", look.chip(UNKNOWN.role)),)
    else:
        head = (piece(f" {look.glyphs['ok']} NO OPEN ATTACK ", look.chip("ok")),)
    counts = (
        (blocked, "attacker blocked", "attackers blocked"),
        (sum(e.kind == "block_ip" for e in force), "block in force", "blocks in force"),
        (sum(e.kind == "suspend_account" for e in force), "account suspended", "accounts suspended"),
    )
    parts: list[Cells] = [
        (piece(f"{n} ", look("strong", bold=True)), piece(one if n == 1 else many, look("muted")))
        for n, one, many in counts
        if n
    ]
    if blind and found:
        left = (*head, piece("  "), *join(parts, cells("   ")))
        return left, cells(f"{look.glyphs['warn']} {blind}", look("warn"))
    if blind:
        return head, join(parts, cells("   "))
    watch = ", ".join(d.name.replace("_", " ") for d in snapshot.detectors)
    left = (*head, piece("  "), *join(parts, cells("   ")))
    right = cells(f"watching: {watch}" if watch else "", look("faint"))
    return left, right if measure(left) + measure(right) + 2 < width else EMPTY


def _blind(detectors: Sequence[Detector]) -> str:
    """Why nobody watches, or not for everything; "" when all do."""
    if not detectors:
        return "no detector has run yet: nobody watches"
    return "; ".join(f"{d.name.replace('_', ' ')} can't run: {d.reason}" for d in detectors if d.reason)


def finding_lines(finding: Finding, look: Look, now: datetime, width: int, *, most: int = 3) -> list[Line]:
    """Why it is a finding, since when, what became of it, and the command that is equal to the suggestion."""
    severity, state = severity_state(finding.severity), finding_state(finding.state)
    head = (
        piece(f"{look.glyphs[severity.glyph]} ", look(severity.role if finding.counts else "muted")),
        piece(f"{kind_words(finding)} ", look("text")),
        piece(finding.source, look("strong", bold=True)),
    )
    lines: list[Line] = [
        (head, (piece(f" {look.glyphs[state.glyph]} {state.word.upper()} ", look.chip(state.role)),))
    ]
    window = duration.written(finding.window)
    lines += _LABELS.text(
        "why",
        f"{finding.summary}; the limit is {finding.threshold:,} within {window}",
        look,
        width,
        most=most,
    )
    when = (
        f"first {moment(finding.first_at, now)}, over the limit {moment(finding.attack_at, now)}, "
        f"last {fmt.age(now - finding.last_at)} ago"
    )
    lines += _LABELS.text("when", when, look, width, most=1)
    lines += _LABELS.text(*_fate(finding), look, width)
    if finding.command and finding.counts:
        rows = most if most > 2 else 1
        lines += _LABELS.text("command", finding.command, look, width, role="muted", most=rows)
    return lines


def _fate(finding: Finding) -> tuple[str, str]:
    if finding.dismissed_by is not None:
        return "dismissed", f"by {finding.dismissed_by}: {finding.dismissed_reason}"
    if finding.state is FindingState.BLOCKED:
        end = finding.blocked_until
        until = "without an end" if end is None else f"until {end:%d %b} {fmt.clock(end)} UTC"
        return "blocked", until
    if finding.state is FindingState.QUIET:
        return "quiet", "no failure for a whole window, and no block"
    return "", ""


def account_entries(finding: Finding, snapshot: Snapshot, look: Look) -> list[Entry]:
    """Accounts that somebody got into first; then those that were only tried, which are victims."""
    suspended = {e.target for e in snapshot.effects if e.kind == "suspend_account" and e.lifted_at is None}
    entries: list[Entry] = []
    if finding.affected:
        entries.append(Group(f"logged in after the attack {finding.affected_text}"))
        entries += [_account(user, "affected", suspended, look) for user in finding.affected]
    tried = [user for user in finding.users if user not in finding.affected]
    if tried:
        more = "+" if finding.users_more else ""
        entries.append(Group(f"only tried {len(tried)}{more}: nobody got in"))
        entries += [_account(user, "", suspended, look) for user in tried]
    return entries


def account_name(user: str) -> str:
    """As people name it; of one that only has an id its beginning."""
    return user[:_ID_SHOWN] if _ID.fullmatch(user) else user


def _account(user: str, word: str, suspended: set[str], look: Look) -> Row:
    if user in suspended:
        glyph, role, words = "blocked", "info", "suspended"
    elif word:
        glyph, role, words = "firing", "crit", "S suspends it"
    else:
        glyph, role, words = "dot", "muted", ""
    return Row(
        user,
        (
            cells(look.glyphs[glyph], look(role)),
            cells(account_name(user), look("strong" if word else "text", bold=bool(word))),
            cells(words, look("info" if words == "suspended" else "accent")),
        ),
    )


def change_entries(changes: Sequence[FindingChange], look: Look) -> list[Entry]:
    """What it went through, the latest first."""
    return [
        Row(
            str(i),
            (
                cells(fmt.clock(change.at, seconds=False), look("muted")),
                cells(change.kind, look("text")),
                cells(", ".join(filter(None, (change.actor, change.text))), look("muted")),
            ),
        )
        for i, change in enumerate(changes)
    ]
