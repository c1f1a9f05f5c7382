from hypothesis import given
from hypothesis import strategies as st

from console.domain.text import printable

HOSTILE = [
    "\x1b]52;c;aGk=\x07",
    "\x9b31m",
    "\u202etxt.exe",
    "\u2066a\u2069",
    "a\r\nb",
    "\x7f",
    "\ufeff",
    "\u200b",
]


@given(st.text())
def test_no_control_or_bidi_character_survives(text: str) -> None:
    shown = printable(text)
    for char in shown:
        code = ord(char)
        assert code >= 0x20
        assert not 0x7F <= code <= 0x9F
        assert code not in (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C)
    shown.encode()


@given(st.text())
def test_printable_text_is_left_alone_the_second_time(text: str) -> None:
    assert printable(printable(text)) == printable(text)


def test_hostile_text_becomes_visible_symbols() -> None:
    assert printable("\x1b]52;c;aGk=\x07") == "␛]52;c;aGk=␇"
    for text in HOSTILE:
        assert printable(text) != text


def test_names_in_any_script_stay_as_they_are() -> None:
    for name in ("Jörg Müller", "李雷", "👩\u200d🔧", "e\u0301", "नमस्ते"):
        assert printable(name) == name


def test_long_text_is_cut_with_an_ellipsis() -> None:
    assert printable("x" * 600, 10) == "x" * 9 + "…"
