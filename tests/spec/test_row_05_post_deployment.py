"""Row 5: the eight validations after a deployment, with the report and its success rate."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from tests.demo import Demo

CHECKS = (
    "database_connectivity",
    "edge_functions",
    "api_endpoints",
    "authentication",
    "order_execution",
    "real_time_updates",
    "security_headers",
    "monitoring",
)


def test_all_eight_pass_and_no_order_is_left(demo: Demo) -> None:
    def well() -> Any:
        answer = demo.json("validate", "--post", code=None)
        return answer if answer["overall"] == "passed" else None

    # On a machine that is busy enough one of them may take too long.
    report = demo.until(well, 60)
    assert tuple(check["id"] for check in report["checks"]) == CHECKS
    assert report["summary"] == {
        "total": 8, "passed": 8, "failed": 0, "warnings": 0, "manual": 0, "success_rate_pct": 100.0,
    }  # fmt: skip
    found = {check["id"]: check["evidence"] for check in report["checks"]}
    assert "401 without a token" in found["authentication"] and "HTTP 429 within" in found["authentication"]
    assert "insufficient_funds" in found["order_execution"]
    # The account that they order with has never had one.
    left = (
        "SELECT count(*) FROM orders o JOIN profiles p ON p.id = o.user_id WHERE p.email LIKE 'synthetic.%'"
    )
    assert demo.run("sandbox", "psql", "platform", "-Atc", left).stdout.strip() == "0"


def test_what_fails_is_counted_named_and_the_exit_code(demo: Demo, tmp_path: Path) -> None:
    assert demo.ask("drill", "websocket-down", "--for", "60").returncode == 0
    junit, markdown = tmp_path / "junit.xml", tmp_path / "report.md"
    report = demo.json("validate", "--post", "--junit", str(junit), "--markdown", str(markdown), code=1)
    assert report["overall"] == "failed"
    summary, failed = report["summary"], [c for c in report["checks"] if c["status"] == "failed"]
    assert summary["total"] == 8 and summary["failed"] == len(failed) >= 1
    assert summary["success_rate_pct"] == round(100 * summary["passed"] / 8, 2) < 100
    assert "HTTP 503" in next(c["evidence"] for c in failed if c["id"] == "real_time_updates")
    suite = ET.parse(junit).getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("8", str(len(failed)))
    assert markdown.read_text().startswith("# tradex validate --post: failed")
