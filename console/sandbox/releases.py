"""The simulated platform's source code: a git repository of its releases, and the tree of each one as plain files.

The first release is the tree in `repository/`; the later ones are the commits below. Nothing here says which release
is a bad one: that is in its code.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from console.domain.errors import TradexError

MIGRATIONS = "supabase/migrations"
BASELINE = ("20250911160000", "platform_schema")
"""Version and name of the migration that schema.sql is."""
FIRST = "v2.8.1"
"""What runs before anything is deployed."""
_EXECUTE_ORDER = "supabase/functions/execute-order/index.ts"
_REFERENCE = "20251006090000"
_LEGACY = "20251103101500"


@dataclass(frozen=True, slots=True)
class Commit:
    """`edits` are (path, old, new); `tag` says that it is a release."""

    author: str
    at: str
    message: str
    put: dict[str, str] = field(default_factory=dict)
    edits: tuple[tuple[str, str, str], ...] = ()
    tag: str = ""


def _release(author: str, at: str, old: str, new: str, *edits: tuple[str, str, str]) -> Commit:
    """The commit that gives a release its number."""
    numbers = [
        (f, f'"version": "{old}"', f'"version": "{new}"') for f in ("package.json", "package-lock.json")
    ]
    return Commit(author, at, f"Release {new}", edits=(*numbers, *edits), tag=f"v{new}")


_COMMITS = (
    Commit("Ines Haddad", "2025-10-06T09:12:00", "Orders carry the reference their client gave them", put={
        f"{MIGRATIONS}/{_REFERENCE}_order_client_reference.sql":
            "ALTER TABLE public.orders ADD COLUMN client_reference text;\n"
            "COMMENT ON COLUMN public.orders.client_reference IS 'what the client calls this order; null without';\n",
        f"migrations/rollback-{_REFERENCE}.sql":
            "ALTER TABLE public.orders DROP COLUMN client_reference;\n"
            f"DELETE FROM supabase_migrations.schema_migrations WHERE version = '{_REFERENCE}';\n",
    }),
    Commit("Jonas Weber", "2025-10-08T14:40:00", "Prices stay in the cache for 8 s, over a slow second of a provider",
           edits=(("supabase/functions/get-stock-price/index.ts", "PRICE_TTL_S = 5", "PRICE_TTL_S = 8"),)),
    _release("Mei Tanaka", "2025-10-14T08:30:00", "2.8.1", "2.9.0", (
        "frontend/src/main.ts", "  row.textContent", "  row.title = symbol;\n  row.textContent")),
    Commit("Tom Okafor", "2025-10-21T16:55:00", "Market orders are protected against slippage more tightly",
           edits=((_EXECUTE_ORDER, "MAX_SLIPPAGE_BPS = 25", "MAX_SLIPPAGE_BPS = 1"),)),
    _release("Mei Tanaka", "2025-10-23T08:30:00", "2.9.0", "2.10.0"),
    Commit("Ines Haddad", "2025-10-23T11:05:00",
           "25 bps of slippage are allowed again: most fills are off by more than 1",
           edits=((_EXECUTE_ORDER, "MAX_SLIPPAGE_BPS = 1;", "MAX_SLIPPAGE_BPS = 25;"),)),
    Commit("Jonas Weber", "2025-11-03T10:15:00", "The old system's customer numbers go: nobody reads them", put={
        f"{MIGRATIONS}/{_LEGACY}_drop_legacy_ref.sql":
            "ALTER TABLE public.profiles DROP COLUMN IF EXISTS legacy_ref;\n",
    }),
    _release("Mei Tanaka", "2025-11-04T08:30:00", "2.10.0", "2.11.0"),
    Commit("Tom Okafor", "2025-11-11T17:20:00", "One formatter for prices", edits=(
        ("frontend/src/format.ts", "formatMoney", "formatPrice"),)),
    _release("Mei Tanaka", "2025-11-12T08:30:00", "2.11.0", "2.12.0"),
)  # fmt: skip


@cache
def _history() -> tuple[tuple[Commit, dict[str, bytes]], ...]:
    """Each commit with the files it changed."""
    tree = dict(_files(resources.files("console.sandbox").joinpath("repository"), ""))
    schema = resources.files("console.sandbox").joinpath("schema.sql").read_bytes()
    tree[f"{MIGRATIONS}/{'_'.join(BASELINE)}.sql"] = schema
    first = Commit("Mei Tanaka", "2025-09-30T08:30:00", f"Release {FIRST[1:]}", tag=FIRST)
    found = [(first, dict(tree))]
    for commit in _COMMITS:
        changed = {path: text.encode() for path, text in commit.put.items()}
        for path, old, new in commit.edits:
            before = changed.get(path, tree.get(path, b"")).decode()
            if old not in before:
                raise TradexError(f"{path}: {old!r} is not in the release before {commit.message!r}")
            changed[path] = before.replace(old, new).encode()
        tree |= changed
        found.append((commit, changed))
    return tuple(found)


def _files(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        if entry.is_dir():
            yield from _files(entry, f"{prefix}{entry.name}/")
        else:
            yield prefix + entry.name, entry.read_bytes()


def tags() -> list[str]:
    """All releases, oldest first."""
    return [commit.tag for commit, _ in _history() if commit.tag]


def tree(tag: str) -> dict[str, bytes]:
    """The files of a release by their path. Raises KeyError."""
    files: dict[str, bytes] = {}
    for commit, changed in _history():
        files |= changed
        if commit.tag == tag:
            return files
    raise KeyError(tag)


def version(files: dict[str, bytes]) -> str:
    """What its package.json calls a tree."""
    return str(json.loads(files["package.json"])["version"])


def ensure_repository(path: Path) -> Path:
    """The bare repository at `path`, made unless it is there: the same commits each time, branch main, a tag for each
    release. Needs `git`; raises TradexError where it is missing or fails."""
    if path.exists():
        return path
    part = path.with_name(f".{path.name}.{os.getpid()}")
    shutil.rmtree(part, ignore_errors=True)
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        _git("init", "--quiet", "--bare", "--initial-branch=main", "--object-format=sha1", str(part))
        _git("-C", str(part), "fast-import", "--quiet", stdin=_stream())
        try:
            part.rename(path)
        except OSError:
            if not path.exists():  # somebody else was quicker
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return path


def _git(*argv: str, stdin: bytes = b"") -> None:
    # Neither this user's settings nor those of the machine, a template's hooks for one, belong into it.
    environment = {"PATH": os.environ.get("PATH", ""), "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
                   "GIT_TEMPLATE_DIR": ""}  # fmt: skip
    try:
        subprocess.run(
            ["git", *argv], input=stdin, env=environment, check=True, capture_output=True, timeout=60
        )
    except FileNotFoundError:
        raise TradexError(
            "git is not in PATH: the sandbox's releases are commits of a git repository"
        ) from None
    except subprocess.CalledProcessError as error:
        raise TradexError(f"git {argv[0]} failed: {error.stderr.decode(errors='replace').strip()}") from None


def _stream() -> bytes:
    """All commits as `git fast-import` reads them (git-fast-import(1))."""
    out = bytearray()

    def data(content: bytes) -> None:
        out.extend(b"data %d\n%s\n" % (len(content), content))

    for number, (commit, changed) in enumerate(_history(), 1):
        email = commit.author.lower().replace(" ", ".") + "@trade-x.example"
        at = int(datetime.fromisoformat(commit.at).replace(tzinfo=UTC).timestamp())
        out += b"commit refs/heads/main\nmark :%d\n" % number
        for role in ("author", "committer"):
            out += f"{role} {commit.author} <{email}> {at} +0000\n".encode()
        data(f"{commit.message}\n".encode())
        for path, content in sorted(changed.items()):
            out += f"M 100644 inline {path}\n".encode()
            data(content)
        if commit.tag:
            out += f"reset refs/tags/{commit.tag}\nfrom :{number}\n\n".encode()
    return bytes(out)
