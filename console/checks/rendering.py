"""A report for other programs and for people: JUnit XML and Markdown. Pure."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from console.domain.check import CheckReport, CheckStatus
from console.domain.format import counted

# XML 1.0 has no way to write these at all.
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(report: CheckReport, name: str) -> str:
    """One suite called `name`. What nobody could be asked, or a person has to look at, is skipped: no pass."""
    waiting = report.count(CheckStatus.WARNING) + report.count(CheckStatus.MANUAL)
    seconds = sum(result.duration_ms for result in report.results) / 1000
    counts = {
        "name": name,
        "tests": str(len(report.results)),
        "failures": str(report.count(CheckStatus.FAILED)),
        "errors": "0",
        "skipped": str(waiting),
        "time": f"{seconds:.3f}",
    }
    suites = ET.Element("testsuites", counts)
    suite = ET.SubElement(suites, "testsuite", counts)
    for result in report.results:
        case = ET.SubElement(
            suite,
            "testcase",
            {"classname": result.group, "name": result.id, "time": f"{result.duration_ms / 1000:.3f}"},
        )
        evidence = _NO_XML.sub("\ufffd", result.evidence)
        match result.status:
            case CheckStatus.PASSED:
                ET.SubElement(case, "system-out").text = evidence
            case CheckStatus.FAILED:
                ET.SubElement(case, "failure", {"message": evidence, "type": "failed"}).text = result.title
            case _:
                ET.SubElement(case, "skipped", {"message": f"{result.status}: {evidence}"})
    ET.indent(suites)
    return ET.tostring(suites, encoding="unicode", xml_declaration=True) + "\n"


def markdown(report: CheckReport, name: str) -> str:
    """A heading, the sum in one line, and a table."""
    lines = [
        f"# {name}: {report.overall}",
        "",
        summary(report),
        "",
        "| check | status | evidence | ms |",
        "|---|---|---|--:|",
    ]
    lines += [
        f"| {_cell(r.id)} | {r.status} | {_cell(r.evidence)} | {r.duration_ms:.0f} |" for r in report.results
    ]
    return "\n".join(lines) + "\n"


def summary(report: CheckReport) -> str:
    """`7 of 8 passed (87.50 %), 1 failed`."""
    rate = "" if report.success_rate_pct is None else f" ({report.success_rate_pct:.2f} %)"
    parts = [f"{report.count(CheckStatus.PASSED)} of {len(report.results)} passed{rate}"]
    counts = {status: report.count(status) for status in CheckStatus}
    if count := counts[CheckStatus.FAILED]:
        parts.append(f"{count} failed")
    if count := counts[CheckStatus.WARNING]:
        parts.append(counted(count, "warning"))
    if count := counts[CheckStatus.MANUAL]:
        parts.append(f"{count} by hand")
    return ", ".join(parts)


def _cell(text: str) -> str:
    """Text from elsewhere in a cell: it opens no column, no markup and no HTML."""
    return re.sub(r"([\\|`*_\[\]<>~#&])", r"\\\1", text)
