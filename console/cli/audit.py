"""`tradex audit`: who asked for what and what became of it, the proof that nobody changed the story, and all of it as a
file."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from console.cli.connect import with_store
from console.cli.tables import GLYPH, csv_cell, print_table, table
from console.domain.action import AuditEntry
from console.domain.errors import Misuse
from console.domain.format import iso
from console.domain.text import printable
from console.places import private

if TYPE_CHECKING:
    from rich.table import Table

    from console.store.audit import Verdict
    from console.store.pool import Store

_ANCHOR = re.compile(r"(\d{1,18}) ([0-9a-f]{64})? ?(\S+)\s*", re.ASCII)
_COLUMNS = ("seq", "at", "actor", "verb", "subject", "action", "detail", "hash")


@click.group(invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Of the list.")
@click.pass_context
def audit(ctx: click.Context, as_json: bool) -> None:
    """Who asked for what, what was refused, planned, approved, done. Without a command: the latest entries."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_, as_json=as_json)


@audit.command("list")
@click.option("-n", "--limit", type=click.IntRange(1, 10_000), default=50, help="So many, the latest.")
@click.option("--action", "action_id", metavar="ID", type=click.IntRange(1, 2**63 - 1), help="Of one action.")
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def list_(
    options: dict[str, Any], limit: int = 50, action_id: int | None = None, as_json: bool = False
) -> None:
    """The latest entries, the newest first."""

    async def read(store: Store) -> list[AuditEntry]:
        from console.store import audit as stored

        return await stored.recent(store, limit=limit, action_id=action_id)

    found = with_store(options, read)
    if as_json:
        click.echo(json.dumps([entry_json(e) for e in found], indent=2))
    elif found:
        print_table(_table(found))
    else:
        click.echo("nothing is in the audit" + (f" of action {action_id}" if action_id else ""))


@audit.command()
@click.option("--anchor", type=click.Path(path_type=Path), help="Also against what was written down then.")
@click.option(
    "--write-anchor", type=click.Path(path_type=Path), help="Write down how it is now; keep it elsewhere."
)
@click.option("--json", "as_json", is_flag=True)
@click.pass_obj
def verify(options: dict[str, Any], anchor: Path | None, write_anchor: Path | None, as_json: bool) -> None:
    """Prove that no entry was changed, removed or put in. Exit code 1 with the first that does not fit.

    Whoever owns the database can rewrite the whole chain, or cut its tail off: an anchor that is kept elsewhere, one
    line `NUMBER HASH TIME`, finds that too.
    """
    known = None if anchor is None else _read_anchor(anchor)

    async def prove(store: Store) -> tuple[Verdict, str]:
        from console.store import audit as stored

        return await stored.verify(store, known), iso(await store.now())

    verdict, at = with_store(options, prove)
    good = not verdict.problem
    if as_json:
        shown = {
            "state": "unbroken" if good else "broken",
            "at": at,
            "entries": verdict.entries,
            "seq": verdict.seq,
            "hash": verdict.hash,
            "problem": verdict.problem or None,
            "broken_at": verdict.broken_at,
        }
        click.echo(json.dumps(shown, indent=2))
    elif good:
        click.echo(f"{GLYPH['ok']} {verdict.entries:,} entries, unbroken")
    else:
        click.echo(f"{GLYPH['critical']} {verdict.problem}; the {verdict.entries:,} before it are unbroken")
    if not good:
        raise SystemExit(1)
    if write_anchor is not None:
        with written(write_anchor) as out:
            out.write(f"{verdict.seq} {verdict.hash} {at}\n")


@audit.command()
@click.option(
    "--json", "form", flag_value="json", default=True, help="JSON, one entry a line, exactly as stored."
)
@click.option("--csv", "form", flag_value="csv", help="For a spreadsheet: control characters made visible.")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.pass_obj
def export(options: dict[str, Any], form: str, file: Path | None) -> None:
    """All entries, the oldest first, into FILE or to standard output."""

    async def write(store: Store, out: IO[str]) -> int:
        from console.store import audit as stored

        return await _rows(stored.entries(store), _csv(out) if form == "csv" else _lines(out))

    if file is None:
        with_store(options, lambda store: write(store, sys.stdout))
        return
    with written(file) as out:
        count = with_store(options, lambda store: write(store, out))
    click.echo(f"{count:,} entries in {printable(file)}")


def entry_json(entry: AuditEntry) -> dict[str, Any]:
    """The documented shape of one entry."""
    return {
        "id": entry.seq,
        "state": entry.verb,
        "at": iso(entry.at),
        "actor": entry.actor,
        "subject": entry.subject,
        "action": entry.action_id,
        "detail": _detail(entry.detail),
        "hash": entry.hash,
    }


def _detail(text: str) -> Any:
    """The detail as JSON; one that was cut because it was too long to show stays text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


async def _rows(entries: AsyncIterator[AuditEntry], write: Callable[[AuditEntry], object]) -> int:
    count = 0
    async for entry in entries:
        write(entry)
        count += 1
    return count


def _lines(out: IO[str]) -> Callable[[AuditEntry], object]:
    """`detail` stays text: its hash is over exactly these characters. The time is to the microsecond."""

    def write(e: AuditEntry) -> None:
        row = (e.seq, e.at.isoformat(), e.actor, e.verb, e.subject, e.action_id, e.detail, e.hash)
        out.write(json.dumps(dict(zip(_COLUMNS, row, strict=True))) + "\n")

    return write


def _csv(out: IO[str]) -> Callable[[AuditEntry], object]:
    rows = csv.writer(out)
    rows.writerow(_COLUMNS)

    def write(e: AuditEntry) -> None:
        action = "" if e.action_id is None else e.action_id
        rows.writerow(
            (
                e.seq,
                e.at.isoformat(),
                csv_cell(e.actor),
                csv_cell(e.verb),
                csv_cell(e.subject),
                action,
                csv_cell(e.detail),
                e.hash,
            )
        )

    return write


def _table(found: Sequence[AuditEntry]) -> Table:
    from rich.text import Text

    rows = table("entry", "at", "who", "did", "what", "action", "note", right={"entry", "action"})
    for entry in found:
        detail = _detail(entry.detail)
        said = detail.get("text", "") if isinstance(detail, dict) else entry.detail
        rows.add_row(
            str(entry.seq),
            iso(entry.at),
            Text(entry.actor),
            Text(entry.verb),
            Text(entry.subject),
            "" if entry.action_id is None else str(entry.action_id),
            Text(printable(said)),
        )
    return rows


def _read_anchor(file: Path) -> tuple[int, str]:
    """Number and hash of an entry. Raises Misuse."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misuse(f"{file}: expected an anchor: {error}") from None
    found = _ANCHOR.fullmatch(text)
    if found is None or bool(found[2]) != (int(found[1]) > 0):
        raise Misuse(f"{file}: expected one line `NUMBER HASH TIME`, as --write-anchor writes it")
    return int(found[1]), found[2] or ""


@contextmanager
def written(file: Path) -> Iterator[IO[str]]:
    """A file that is there whole or not at all, for its owner's eyes. Raises Misuse where it can't be written."""
    try:
        with private(file) as out:
            yield out
    except OSError as error:
        raise Misuse(f"{printable(file)} can't be written: {error.strerror}") from None
