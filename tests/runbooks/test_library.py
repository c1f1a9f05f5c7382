"""The shipped books with an installation's own over them: file by file, and what is broken loses nothing."""

from pathlib import Path

from console.domain.book import Checklist, Runbook
from console.runbooks.library import Library, Shelf, check, key_of
from tests.runbooks.words import SHELF, WORDS

OWN = "---\ntitle: {title}\n---\n## Immediate\n- [ ] {step}\n"
NAMES = {key_of(book) for book in SHELF.books}


def put(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def titled(shelf: Shelf, name: str) -> str:
    (title,) = [book.title for book in shelf.books if book.name == name]
    return title


def test_an_own_file_replaces_the_shipped_one_or_is_one_more(tmp_path: Path) -> None:
    put(tmp_path, "runbooks/security-breach.md", OWN.format(title="Ours", step="Call us"))
    put(tmp_path, "runbooks/our-own.md", OWN.format(title="Another", step="Call them"))
    put(tmp_path, "runbooks/README.md", "how we write them")
    put(tmp_path, "runbooks/notes.txt", "no book")
    library = Library(tmp_path)
    shelf = library.load(WORDS)
    assert shelf.broken == ()
    assert {key_of(book) for book in shelf.books} == NAMES | {("runbook", "our-own")}
    assert titled(shelf, "security-breach") == "Ours"
    # Taken away again, the shipped one is in force, whatever was before.
    seen = library.stamp()
    (tmp_path / "runbooks/security-breach.md").unlink()
    assert library.stamp() != seen
    assert titled(library.load(WORDS, shelf.books), "security-breach") == "Security breach"


def test_a_broken_own_file_keeps_what_was_in_force_and_is_told(tmp_path: Path) -> None:
    library = Library(tmp_path)
    file = put(tmp_path, "runbooks/our-own.md", OWN.format(title="Good", step="Call"))
    good = library.load(WORDS)
    seen = library.stamp()
    file.write_text("---\ntitle: Bad\n---\n## Immediately\n", encoding="utf-8")
    put(tmp_path, "runbooks/never-good.md", "x")
    put(tmp_path, "checklists/daily-health-checks.md", "---\ntitle: Bad\n")
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/customer-final.md").write_bytes(b"---\n\xff\n")
    assert library.stamp() != seen
    found = library.load(WORDS, good.books)
    assert {key_of(book) for book in found.books} == {key_of(book) for book in good.books}
    assert (
        titled(found, "our-own") == "Good" and titled(found, "daily-health-checks") == "Daily health checks"
    )
    assert [problem.removeprefix(f"{tmp_path}/") for problem in found.broken] == [
        "runbooks/never-good.md:1: expected front matter (title: ...) between two lines ---",
        "runbooks/our-own.md:4: no such section: Immediately; did you mean Immediate?",
        "checklists/daily-health-checks.md:1: this front matter has no end: expected another line ---",
        "templates/customer-final.md: cannot be read: 'utf-8' codec can't decode byte 0xff in position 4: "
        "invalid start byte",
    ]
    assert found.lost == {found.broken[0]}, "of never-good.md nothing was in force"
    # Without anything from before, the shipped one stands in for a broken one of its name.
    assert {key_of(book) for book in library.load(WORDS).books} == NAMES


def test_while_the_own_folder_cannot_be_read_what_was_in_force_stays(tmp_path: Path) -> None:
    folder = tmp_path / "books"
    put(folder, "runbooks/our-own.md", OWN.format(title="Good", step="Call"))
    library = Library(folder)
    good, seen = library.load(WORDS), library.stamp()
    folder.rename(tmp_path / "away")
    assert library.stamp() != seen
    found = library.load(WORDS, good.books)
    assert found.books == good.books and found.broken[0].startswith(f"{folder}: expected a folder runbooks")
    put(tmp_path, "books/runbooks", "no folder")
    found = library.load(WORDS, good.books)
    assert found == Shelf(good.books, (f"{folder}/runbooks: cannot be read: Not a directory",))
    (folder / "runbooks").unlink()
    (folder / "runbooks").mkdir()
    assert {key_of(book) for book in library.load(WORDS, found.books).books} == NAMES


def test_a_folder_without_books_a_bad_name_and_a_doubled_alias_are_told(tmp_path: Path) -> None:
    assert Library(tmp_path / "none").load(WORDS).broken == (
        f"{tmp_path}/none: expected a folder runbooks, checklists, templates in it",
    )
    put(tmp_path, "runbooks/Our Own.md", OWN.format(title="Good", step="Call"))
    text = OWN.format(title="Mine\naliases: Order Execution Failure", step="Call")
    put(tmp_path, "runbooks/mine.md", text)
    told = [problem.removeprefix(f"{tmp_path}/runbooks/") for problem in Library(tmp_path).load(WORDS).broken]
    assert told[0].startswith("Our Own.md: expected a name of a-z, 0-9 and -")
    assert told[1].startswith(
        "mine.md:1: Order Execution Failure is what order-execution-failure.md is called"
    )


def test_files_are_checked_wherever_they_are(tmp_path: Path) -> None:
    ours = put(tmp_path, "ours.md", OWN.format(title="Good", step="Call"))
    put(tmp_path, "fridays.md", "---\ntitle: F\nrhythm: weekly\nrule: FREQ=WEEKLY\nat: 9:00\n---\n- [ ] x\n")
    put(tmp_path, "first.md", "---\ntitle: F\naudience: customer\nkind: initial\n---\n{{ titel }}\n")
    assert [type(book) for book in check(ours, WORDS).books] == [Runbook]
    shelf = check(tmp_path, WORDS)
    assert [type(book) for book in shelf.books] == [Checklist, Runbook]
    assert shelf.broken == (f"{tmp_path}/first.md:6: no such placeholder: titel; did you mean title?",)
    assert check(tmp_path / "no.md", WORDS).broken == (f"{tmp_path}/no.md: no such file or folder",)
    put(tmp_path, "two.md", "---\nlevel: 7\n---\n## Immediate\n- [ ] x {screen: 77}\n")
    assert [fault.partition(": ")[0] for fault in check(tmp_path / "two.md", WORDS).broken] == [
        f"{tmp_path}/two.md:{line}" for line in (2, 2, 5)
    ]
    (tmp_path / "empty").mkdir()
    assert check(tmp_path / "empty", WORDS).broken == (f"{tmp_path}/empty: no file NAME.md in it",)
