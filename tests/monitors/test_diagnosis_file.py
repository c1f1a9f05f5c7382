"""What ships in diagnosis.yaml, how an own file overrides it, and what is said about a wrong one."""

from pathlib import Path

import pytest

from console.domain.errors import Misuse
from console.monitors import diagnosis_file


def own(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "own.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_both_kinds_ship_with_four_tables_and_samples_that_lead_to_logs() -> None:
    plans = diagnosis_file.load()
    assert set(plans.kinds) == {"errors", "performance"}
    for plan in plans.kinds.values():
        assert len(plan.sections) == 4 and plan.samples is not None
        assert {"id", "at", "user"} <= {name for name, _ in plan.samples.columns}
        for ask in (*plan.sections, plan.samples):
            assert ask.timeout_s == 3 and ask.empty and ask.none is None
        assert all(ask.bar in dict(ask.columns) for ask in plan.sections)
    assert [log.source for log in plans.logs] == ["functions", "orders"]


def test_an_own_entry_changes_only_its_keys_and_columns_as_a_whole(tmp_path: Path) -> None:
    text = """
diagnoses:
  errors:
    sections:
      reason: {title: Why, limit: 3}
      symbol: {columns: {symbol: ""}, bar: symbol}
    samples: {timeout: 5s}
  logins:
    sections:
      who: {title: Who, columns: {who: ""}, sql: "SELECT 1 AS who;"}
logs:
  orders: {none: nobody writes them}
"""
    plans, shipped = diagnosis_file.load(own(tmp_path, text)), diagnosis_file.load()
    reason, symbol, *rest = plans.kinds["errors"].sections
    before = shipped.kinds["errors"].sections
    assert (reason.title, reason.limit, reason.sql, reason.columns) == (
        "Why",
        3,
        before[0].sql,
        before[0].columns,
    )
    assert (symbol.columns, symbol.sql) == ((("symbol", ""),), before[1].sql)
    assert tuple(rest) == before[2:]
    samples = plans.kinds["errors"].samples
    assert samples is not None and samples.timeout_s == 5
    assert plans.kinds["performance"] == shipped.kinds["performance"]
    (who,) = plans.kinds["logins"].sections
    assert (who.sql, who.parameters, plans.kinds["logins"].samples) == ("SELECT 1 AS who", 0, None)
    assert [log.none for log in plans.logs] == [None, "no source: nobody writes them"]


REASON = "diagnoses: {errors: {sections: {reason: {%s}}}}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("diagnosis: {}", r":1: no such section: diagnosis; did you mean diagnoses\?"),
        ("diagnoses: {errors: {section: {}}}", r"no such key of a diagnosis: section; did you mean sections\?"),
        (REASON % "limits: 3", r":1: no such key of a table: limits; did you mean limit\?"),
        (REASON % "limit: 51", r":1: limit: expected a whole number from 1 to 50, not 51"),
        (REASON % "limit: 1.5", r"limit: expected a whole number"),
        (REASON % "timeout: 1h", r"timeout: expected at most 10s, not '1h'"),
        (REASON % "timeout: soon", r"timeout: expected a duration such as"),
        (REASON % "bar: reson", r"bar: expected one of reason, failures, share, users, not 'reson'"),
        (REASON % "columns: {reason: furlong}", r":1: reason: expected a unit \(ms, s, %"),
        (REASON % "columns: {}", r"columns: expected 1 to 12 names"),
        (REASON % "columns: [reason]", r"columns: expected a mapping"),
        (REASON % "sql: ''", r"sql: expected a text"),
        (REASON % "sql: SELECT $2", r"sql: expected \$1 \(the window's start\) wherever \$2"),
        ("diagnoses: {errors: {sections: {new: {sql: SELECT 1, columns: {a: ''}}}}}", r":1: title: expected a text"),
        ("diagnoses: {errors: {sections: 3}}", r"sections: expected a mapping, not 3"),
        ("diagnoses: 3", r"diagnoses: expected a mapping, not 3"),
        ("logs: {functions: {sql: SELECT $1}}", r"with \$1 to \$5 \(\$2, \$3, \$4, \$5 missing\)"),
        ("logs: {functions: {limit: 3}}", r"no such key of a log: limit"),
        ("a: [", r":\d: not YAML"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(Misuse, match=f"own.yaml.*{message}"):
        diagnosis_file.load(own(tmp_path, text))


def test_too_many_sections_are_refused(tmp_path: Path) -> None:
    many = ", ".join(f"s{i}: {{title: t, sql: SELECT 1, columns: {{a: ''}}}}" for i in range(5))
    with pytest.raises(Misuse, match="sections: expected at most 8 of them"):
        diagnosis_file.load(own(tmp_path, f"diagnoses: {{errors: {{sections: {{{many}}}}}}}"))
