"""All books: the shipped files with an installation's own over them, file by file. One that is broken changes nothing,
and is told with its line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from console.domain.book import Checklist, Runbook, Template
from console.domain.errors import Misuse
from console.domain.text import printable
from console.located import stamp
from console.runbooks.markdown import Broken
from console.runbooks.reading import AUDIENCES, RHYTHMS, UPDATES, Vocabulary, read
from console.store.books import Book, kind_of

SHIPPED = Path(__file__).resolve().parent.parent / "defaults"
FOLDERS = {"runbooks": "runbook", "checklists": "checklist", "templates": "template"}
"""Where the files of each kind are, below a folder of books."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")
_NO_BOOKS = ("readme.md", "changelog.md", "license.md")

Key = tuple[str, str]
"""A book's kind and name."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """What is in force, in the order of lists, and all that is wrong with the files: `file:line: expected ...` each.
    `lost` are the faults of files of which nothing is in force."""

    books: tuple[Book, ...]
    broken: tuple[str, ...] = ()
    lost: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Library:
    """The shipped books, and those of the folder `own`, which has runbooks/, checklists/ and templates/ below it."""

    own: Path | None = None

    def stamp(self) -> object:
        """Another one as soon as a file is there, gone or changed. To be taken before `load`."""
        try:
            files = [file for root in self._roots() for _, file in _files_of(root)]
        except Misuse as error:
            return str(error)
        return files, stamp(*files)

    def load(self, words: Vocabulary, before: Iterable[Book] = ()) -> Shelf:
        """All of them. In the place of one that is broken stands the one of `before`, else the shipped one; where the
        own folder can't be read, all of `before` stay."""
        kept = {key_of(book): book for book in before}
        found: dict[Key, Book] = {}
        broken: list[str] = []
        lost: set[str] = set()
        for root in self._roots():
            try:
                files = _files_of(root)
            except Misuse as error:
                broken.append(printable(error, 500))
                found |= kept
                continue
            for kind, file in files:
                try:
                    book = _read(kind, file, words)
                    _alone(book, file, found)
                except Misuse as error:
                    faults = _faults(error)
                    broken += faults
                    if (old := kept.get((kind, file.stem))) is not None:
                        found[kind, file.stem] = old
                    elif (kind, file.stem) not in found:
                        lost.update(faults)
                else:
                    found[key_of(book)] = book
        return Shelf(tuple(sorted(found.values(), key=_order)), tuple(broken), frozenset(lost))

    def _roots(self) -> Sequence[Path]:
        return (SHIPPED,) if self.own is None else (SHIPPED, self.own)


def key_of(book: Book) -> Key:
    """Its kind and name, of which there is one."""
    return kind_of(book), book.name


def check(path: Path, words: Vocabulary) -> Shelf:
    """The book in this file, or all in this folder: a folder of books, one of its three, or any with such files. What
    a file is that is in none of the three is told by its front matter."""
    if not path.exists():
        return Shelf((), (f"{path}: no such file or folder",))
    below = [path / folder for folder in FOLDERS if (path / folder).is_dir()]
    try:
        files = [path] if not path.is_dir() else [file for place in below or [path] for file in _files(place)]
    except Misuse as error:
        return Shelf((), (printable(error, 500),))
    found: dict[Key, Book] = {}
    broken: list[str] = [] if files else [f"{path}: no file NAME.md in it"]
    for file in files:
        try:
            book = _read(FOLDERS.get(file.absolute().parent.name) or _guess(file), file, words)
            _alone(book, file, found)
        except Misuse as error:
            broken += _faults(error)
        else:
            found[key_of(book)] = book
    return Shelf(tuple(found.values()), tuple(broken))


def _faults(error: Misuse) -> list[str]:
    """All that is wrong with a file, a line each."""
    return [printable(fault, 500) for fault in (error.faults if isinstance(error, Broken) else [error])]


def _files_of(root: Path) -> list[tuple[str, Path]]:
    """Of a folder of books: each file with its kind. Raises Misuse for one that can't be read, or is none."""
    if not any((root / folder).exists() for folder in FOLDERS):
        raise Misuse(f"{root}: expected a folder {', '.join(FOLDERS)} in it")
    return [(kind, file) for folder, kind in FOLDERS.items() for file in _files(root / folder)]


def _files(folder: Path) -> list[Path]:
    """Those with a book in them, by name; none where there is no such folder. Raises Misuse."""
    try:
        return sorted(
            file
            for file in folder.iterdir()
            if file.suffix == ".md"
            and not file.name.startswith((".", "_"))
            and file.name.lower() not in _NO_BOOKS
            and not file.is_fifo()
        )
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Misuse(f"{folder}: cannot be read: {printable(error.strerror)}") from None


def _read(kind: str, file: Path, words: Vocabulary) -> Book:
    if not _NAME.fullmatch(file.stem):
        raise Misuse(f"{file}: expected a name of a-z, 0-9 and -, as in order-execution-failure.md")
    return read(kind, file, words)


def _guess(file: Path) -> str:
    """What a file is by the keys that only such files have."""
    try:
        head = file.read_text(encoding="utf-8", errors="replace").split("\n---", 1)[0]
    except OSError:
        return "runbook"
    if re.search(r"^(rule|rhythm|at):", head, re.MULTILINE):
        return "checklist"
    return "template" if re.search(r"^audience:", head, re.MULTILINE) else "runbook"


def _alone(book: Book, file: Path, found: Mapping[Key, Book]) -> None:
    """Misuse where a rule that names this runbook could mean another one as well."""
    if not isinstance(book, Runbook):
        return
    for other in found.values():
        if isinstance(other, Runbook) and other.name != book.name:
            for alias in sorted(_called(book) & _called(other)):
                raise Misuse(
                    f"{file}:1: {alias} is what {other.place} is called already: take it out of one of them, or "
                    f"replace that one by a file of the same name"
                )


def _called(book: Runbook) -> set[str]:
    return {book.name, book.title, *book.aliases}


def _order(book: Book) -> tuple[int, int, int, str]:
    """Runbooks by title, checklists by how often they come, templates by whom they are for and when."""
    match book:
        case Checklist():
            return 1, RHYTHMS.index(book.rhythm), 0, book.title.casefold()
        case Template():
            return 2, AUDIENCES.index(book.audience), UPDATES.index(book.kind), book.title.casefold()
    return 0, 0, 0, book.title.casefold()
