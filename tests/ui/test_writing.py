"""What is written: Markdown as rows of cells, and drafts in files."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from screens.drafts import Draft, Drafts
from themes.palette import DARK
from widgets.cells import measure
from widgets.glyphs import UNICODE
from widgets.look import Look
from widgets.markdown_panel import markdown_lines

LOOK = Look(DARK, UNICODE)


def plain(text: str, width: int = 40) -> list[str]:
    return ["".join(s.text for s in line) for line in markdown_lines(text, width, LOOK)]


def test_headings_lists_boxes_tables_quotes_and_code_have_their_rows() -> None:
    text = (
        "# Title\nSome **bold** and `code`\nwith [a link](http://x/y).\n\n- [x] done\n- [ ] a step that is longer"
        " than the row is wide\n  - below\n\n3. three\n4. four\n\n> said\n\n| a | b |\n|---|---|\n| 1 | **2** |\n\n"
        "```\n  kept  as it is\n```\n\n***"
    )
    assert plain(text) == [
        *("Title", "", "Some bold and code with a link", "(http://x/y).", ""),
        *("· [✓] done", "· [ ] a step that is longer than the row", "  is wide", "  · below", ""),
        *("3. three", "4. four", "", "│ said", "", "a  b", "────", "1  2", ""),
        *("    kept  as it is", "", "─" * 40),
    ]


def test_markup_and_html_are_text() -> None:
    assert plain("[/] [@click=app.quit]x[/] <b>y</b> \x1b]52;c;eA==\x07") == [
        "[/] [@click=app.quit]x[/] <b>y</b>",
        "␛]52;c;eA==␇",
    ]


_BITS = st.lists(
    st.sampled_from(
        ["# ", "- ", "1. ", "> ", "|", "---", "\n", "\n\n", "    ", "```", "**", "`", "[a](b)", "価格", "x "]
    )
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.builds("".join, _BITS), st.integers(12, 60))
def test_no_row_is_wider_than_its_panel(text: str, width: int) -> None:
    for line in markdown_lines(text, width, LOOK):
        assert measure(line) <= width
        assert all(s.text.isprintable() for s in line)


def test_a_draft_is_read_again_and_a_broken_one_is_none(tmp_path: Path) -> None:
    drafts = Drafts(tmp_path / "drafts")
    first = drafts.read("note-a/../b")
    assert first.text == "" and drafts.read("note-a/../b").nonce != first.nonce
    assert drafts.write("note-a/../b", Draft(first.nonce, "one\ntwo")) == ""
    [file] = (tmp_path / "drafts").iterdir()
    assert drafts.read("note-a/../b") == Draft(first.nonce, "one\ntwo")
    assert Draft(first.nonce, "one").key != Draft(first.nonce, "two").key
    for broken in ("", "[]", '{"nonce": 1}', "\x00"):
        file.write_text(broken)
        assert drafts.read("note-a/../b").text == ""
    drafts.drop("note-a/../b")
    drafts.drop("note-a/../b")
    assert not file.exists()


def test_where_no_draft_can_be_kept_that_is_said_and_nothing_else_happens(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = Drafts(tmp_path / "file").write("note", Draft("n", "text"))
    assert said.startswith("no draft is kept: ")
    assert Drafts(None).write("note", Draft("n", "text")) == ""
