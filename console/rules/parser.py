"""From the text of a condition to its tree. What is wrong is told with its place in the text, what was expected there,
and what was probably meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from console.domain import duration
from console.domain.errors import Misuse
from console.domain.metric import MetricSpec
from console.domain.text import printable
from console.rules.condition import Condition

if TYPE_CHECKING:
    from lark import Lark
    from lark.exceptions import UnexpectedInput

_LONGEST = 1000
_KEYWORDS = ("and", "or", "not", "for", "keep_firing_for")
_SLIPS = {
    "=": "==", "===": "==", "=>": ">=", "=<": "<=", "<>": "!=", "!==": "!=", "~=": "!=", "!": "not",
    "&&": "and", "&": "and", "||": "or", "|": "or", ">>": ">", "<<": "<", "≥": ">=", "≤": "<=", "≠": "!=",
}  # fmt: skip
_RUN = re.compile(r"[=<>!&|~≥≤≠]+")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9.]+\S*|\S")
# What may come next, in words, in this order.
_WORDS = (
    ({"NAME", "QUANTITY"}, "a metric, a number or a parenthesis"),
    ({"SPAN"}, duration.EXPECTED),
    ({"COMPARATOR"}, "a comparison (> >= < <= == !=)"),
    ({"AND"}, "and"),
    ({"OR"}, "or"),
    ({"RPAR"}, "a closing parenthesis"),
    ({"FOR", "KEEP"}, "for 2m"),
    ({"$END"}, "the end"),
)


class Slip(Misuse):
    """What is wrong in a text, and where: characters [start, end) of it, of which there is at least one."""

    def __init__(self, problem: str, text: str, start: int, end: int) -> None:
        self.problem = problem
        self.text = text
        self.start = min(start, len(text))
        self.end = max(end, self.start + 1)
        super().__init__(pointed(f"column {self.start + 1}: {problem}", text, self.start, self.end))


def pointed(message: str, line: str, start: int, end: int) -> str:
    """`message`, below it the line, and carets beneath its characters [start, end)."""
    carets = "^" * max(min(end, len(line)) - start, 1)
    # A line may be longer than what printable() leaves of it: the place comes first.
    cut = max(start - 300, 0)
    return f"{message}\n    {printable(line[cut:], 600)}\n    {' ' * (start - cut)}{carets[:200]}"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """What was probably meant by a word that is not known."""
    found = difflib.get_close_matches(word, list(known), 1, 0.6)
    return found[0] if found else None


def suggested(word: str, known: Collection[str]) -> str:
    """`; did you mean X?`, or what is known where that is little, or nothing."""
    near = nearest(word, known)
    if near:
        return f"; did you mean {near}?"
    return f"; known: {', '.join(sorted(known))}" if 0 < len(known) <= 20 else ""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A condition with the durations written behind it, None for those that are not."""

    condition: Condition
    for_: timedelta | None = None
    keep_firing_for: timedelta | None = None


def parse(text: str, specs: Mapping[str, MetricSpec]) -> Parsed:
    """The tree of `text`, its metrics and units checked against `specs`. Raises Slip."""
    from lark.exceptions import UnexpectedInput

    from console.rules import meaning

    if len(text) > _LONGEST:
        raise Slip(f"expected a condition of at most {_LONGEST} characters", text, _LONGEST, _LONGEST + 1)
    try:
        tree = _grammar().parse(text)
    except UnexpectedInput as error:
        raise _explained(error, text) from None
    condition = meaning.condition(meaning.subtree(tree.children[0]), text, specs)
    spans = {"for": None, "keep_firing_for": None} | _durations(tree.children[1:], text)
    return Parsed(condition, spans["for"], spans["keep_firing_for"])


@cache
def _grammar() -> Lark:
    from lark import Lark

    rules = Path(__file__).with_name("condition.lark").read_text(encoding="utf-8")
    return Lark(
        rules,
        parser="lalr",
        propagate_positions=True,
        maybe_placeholders=False,
        g_regex_flags=re.ASCII | re.IGNORECASE,
    )


def _durations(trees: Iterable[Any], text: str) -> dict[str, timedelta | None]:
    found: dict[str, timedelta | None] = {}
    for tree in trees:
        word, first, last = tree.children[0], tree.children[1], tree.children[-1]
        key = word.lower()
        span = duration.parse(text[first.start_pos : last.end_pos])
        if key in found:
            raise Slip(f"{key} is there twice", text, word.start_pos, word.end_pos)
        if span is None:
            raise Slip(f"expected {duration.EXPECTED}, at most 366 days", text, first.start_pos, last.end_pos)
        found[key] = span
    return found


def _explained(error: UnexpectedInput, text: str) -> Slip:
    """The parser's complaint in words."""
    from lark.exceptions import UnexpectedToken

    start = len(text)
    if isinstance(error, UnexpectedToken):
        accepted = {str(name) for name in error.accepts or ()}
        if error.token.type != "$END":
            start = error.token.start_pos or 0
    else:
        accepted = {str(name) for name in getattr(error, "allowed", None) or ()}
        start = error.pos_in_stream or 0
    word = match[0] if (match := _WORD.match(text, start)) else ""
    return (
        _slip_of_operator(text, start)
        or _slip_of_text(text, start, word)
        or _slip_of_place(text, start, word, accepted)
        or Slip(
            f"expected {_in_words(accepted)}, not {printable(word, 40) if word else 'the end'}",
            text, start, start + len(word),
        )
    )  # fmt: skip


def _slip_of_operator(text: str, at: int) -> Slip | None:
    """An operator as other languages write it; the one at fault may have been read in part."""
    for run in _RUN.finditer(text):
        if run.start() <= at < run.end() and run[0] in _SLIPS:
            return Slip(
                f"there is no {run[0]} here; did you mean {_SLIPS[run[0]]}?", text, run.start(), run.end()
            )
    return None


def _slip_of_text(text: str, at: int, word: str) -> Slip | None:
    if word in ("'", '"') and text.count(word) % 2:
        return Slip("this quote is not closed", text, at, len(text))
    if word == ")":
        return Slip("no parenthesis is open here", text, at, at + 1)
    if word and word in "‘’“”":
        return Slip("expected plain quotes, ' or \"", text, at, at + 1)
    return None


def _slip_of_place(text: str, at: int, word: str, accepted: set[str]) -> Slip | None:
    """A word that is known but stands in the wrong place, or one that is nearly known."""
    end = at + len(word)
    lower = word.lower()
    if lower in ("for", "keep_firing_for") and "SPAN" not in accepted and "FOR" not in accepted:
        problem = "expected a metric or a number before it"
        if not accepted & {"NAME", "QUANTITY"}:
            problem = "it holds for the whole condition and comes last, outside of parentheses"
        return Slip(f"{lower}: {problem}", text, at, end)
    if (
        "FOR" in accepted
        and "NAME" not in accepted
        and "COMPARATOR" not in accepted
        and lower in ("and", "or")
    ):
        return Slip(f"{lower}: for and keep_firing_for come last, after the whole condition", text, at, end)
    before = text[:at].rstrip()
    if word[:1].isalpha() and "NAME" not in accepted and before[-1:].isdigit():
        if "SPAN" in accepted:
            return Slip(f"expected {duration.EXPECTED}, not {printable(word, 40)}", text, at, end)
        near = nearest(lower, _KEYWORDS)
        if near is None:
            units = "%, ms or s"
            return Slip(f"no such unit: {printable(word, 40)}; expected {units}", text, at, end)
    if word[:1].isalpha() and "NAME" not in accepted and (near := nearest(lower, _KEYWORDS)):
        return Slip(
            f"expected {_in_words(accepted)}, not {printable(word, 40)}; did you mean {near}?", text, at, end
        )
    return None


def _in_words(accepted: set[str]) -> str:
    parts = [words for terminals, words in _WORDS if terminals & accepted]
    return " or ".join(filter(None, (", ".join(parts[:-1]), parts[-1]))) if parts else "nothing more"
