"""Tokens that nobody issued, and reports for other programs."""

from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.checks import rendering, tokens
from console.domain.check import CheckReport, CheckResult, CheckStatus
from console.sandbox.tokens import BadToken, user_token, verify

_SECRET = "a secret of the platform that is long enough"
_NOW = datetime.now(UTC).replace(microsecond=0)
_TOKEN = user_token(_SECRET, "0000", "a@x.example", now=_NOW)


def test_forged_and_unsigned_tokens_have_the_same_claims_and_no_platform_takes_them() -> None:
    for forged in (tokens.resigned(_TOKEN), tokens.unsigned(_TOKEN)):
        claims = jwt.decode(forged, options={"verify_signature": False})
        assert claims == jwt.decode(_TOKEN, options={"verify_signature": False})
        with pytest.raises(BadToken):
            verify(_SECRET, forged)
    assert verify(_SECRET, tokens.resigned(_TOKEN, _SECRET.encode())).user_id == "0000", (
        "sound but for its key"
    )


def test_a_token_says_when_it_runs_out() -> None:
    assert tokens.expires_at(_TOKEN) == _NOW + timedelta(hours=1)


@given(st.text() | st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*", fullmatch=True))
def test_anything_else_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):
        tokens.expires_at(text)


def report(*evidence: tuple[CheckStatus, str]) -> CheckReport:
    return CheckReport(
        tuple(
            CheckResult(f"a.{n}", f"Check {n}", "group", status, text, 12.34)
            for n, (status, text) in enumerate(evidence)
        )
    )


_FOUR = report(
    (CheckStatus.PASSED, "fine <&>"),
    (CheckStatus.FAILED, "bad \"quoted\" \ufffe \udcff ␛"),
    (CheckStatus.WARNING, "no source: x"),
    (CheckStatus.MANUAL, "look | <b>"),
)  # fmt: skip


def test_junit_parses_whatever_the_evidence_and_only_passed_checks_pass() -> None:
    suite = ET.fromstring(rendering.junit(_FOUR, "tradex validate --post"))[0]
    assert {k: suite.get(k) for k in ("name", "tests", "failures", "skipped")} == {
        "name": "tradex validate --post",
        "tests": "4",
        "failures": "1",
        "skipped": "2",
    }
    cases = {case.get("name"): case[0] for case in suite}
    assert [part.tag for part in cases.values()] == ["system-out", "failure", "skipped", "skipped"]
    assert cases["a.0"].text == "fine <&>"
    assert cases["a.1"].get("message") == 'bad "quoted" \ufffd \ufffd ␛'
    assert cases["a.2"].get("message") == "warning: no source: x"


def test_markdown_keeps_its_columns() -> None:
    lines = rendering.markdown(_FOUR, "x").splitlines()
    assert lines[:3] == ["# x: failed", "", "1 of 4 passed (25.00 %), 1 failed, 1 warning, 1 by hand"]
    assert lines[-1] == r"| a.3 | manual | look \| \<b\> | 12 |"


def test_the_documented_shape() -> None:
    data = _FOUR.as_json()
    assert data["overall"] == "failed"
    assert data["summary"] == {
        "total": 4, "passed": 1, "failed": 1, "warnings": 1, "manual": 1, "success_rate_pct": 25.0,
    }  # fmt: skip
    assert data["checks"][0] == {
        "id": "a.0", "title": "Check 0", "group": "group", "status": "passed", "evidence": "fine <&>",
        "duration_ms": 12.3,
    }  # fmt: skip
