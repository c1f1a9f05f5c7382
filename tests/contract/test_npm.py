"""What `npm` does in a deployment: install, build, audit, what is outdated."""

import json
import shutil
from pathlib import Path

import pytest

from console.sandbox import releases
from tests.sandbox.deploying import Workshop


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The files of the first release, without a repository around them."""
    for name, content in releases.tree("v2.8.1").items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_the_build_makes_a_bundle_and_says_its_size(shop: Workshop, tree: Path) -> None:
    assert "added 16 packages" in shop.ok(tree, "npm", "ci")
    said = shop.ok(tree, "npm", "run", "build")
    bundle = next((tree / "dist" / "assets").iterdir())
    assert f"dist/assets/{bundle.name}" in said and f"{bundle.stat().st_size / 1000:.2f} kB" in said
    assert (
        "formatMoney" in bundle.read_text()
        and f"./assets/{bundle.name}" in (tree / "dist/index.html").read_text()
    )


def test_a_build_that_fails_says_where_and_leaves_the_last_one(shop: Workshop, tree: Path) -> None:
    shop.ok(tree, "npm", "ci")
    shop.ok(tree, "npm", "run", "build")
    (tree / "frontend/src/format.ts").write_bytes(releases.tree("v2.12.0")["frontend/src/format.ts"])
    done = shop.run(tree, "npm", "run", "build")
    assert done.code == 1
    assert (
        'frontend/src/orders.ts (1:9): "formatMoney" is not exported by "frontend/src/format.ts"' in done.err
    )
    assert (tree / "dist" / "index.html").exists()


def test_nothing_builds_before_it_is_installed(shop: Workshop, tree: Path) -> None:
    done = shop.run(tree, "npm", "run", "build")
    assert done.code == 127 and "vite: not found" in done.err and not (tree / "dist").exists()


def test_ci_refuses_a_lock_file_that_does_not_fit(shop: Workshop, tree: Path) -> None:
    package = json.loads((tree / "package.json").read_text())
    package["dependencies"]["left-pad"] = "^1.3.0"
    (tree / "package.json").write_text(json.dumps(package))
    done = shop.run(tree, "npm", "ci")
    assert done.code == 1 and "npm error code EUSAGE" in done.err
    (tree / "package-lock.json").unlink()
    assert shop.run(tree, "npm", "ci").code == 1


def test_audit_counts_the_lock_files_vulnerabilities(shop: Workshop, tree: Path) -> None:
    done = shop.run(tree, "npm", "audit", "--json")
    report = json.loads(done.out)
    assert done.code == 1 and report["auditReportVersion"] == 2
    counts = report["metadata"]["vulnerabilities"]
    assert counts == {"info": 0, "low": 1, "moderate": 2, "high": 0, "critical": 0, "total": 3}
    assert report["vulnerabilities"]["cookie"]["via"][0]["severity"] == "low"
    lock = (tree / "package-lock.json").read_text()
    for old, new in (("0.6.0", "1.0.2"), ("0.21.5", "0.25.4"), ("5.4.10", "6.3.5")):
        lock = lock.replace(f'"version": "{old}"', f'"version": "{new}"')
    (tree / "package-lock.json").write_text(lock)
    done = shop.run(tree, "npm", "audit", "--json")
    assert done.code == 0 and json.loads(done.out)["metadata"]["vulnerabilities"]["total"] == 0


def test_outdated_lists_what_has_a_newer_version(shop: Workshop, tree: Path) -> None:
    done = shop.run(tree, "npm", "outdated", "--json")
    rows = json.loads(done.out)
    assert done.code == 1 and rows["cookie"]["wanted"] == "0.6.0" and rows["cookie"]["latest"] != "0.6.0"
    assert "current" not in rows["cookie"], "nothing is installed"
    shop.ok(tree, "npm", "ci")
    rows = json.loads(shop.run(tree, "npm", "outdated", "--json").out)
    assert rows["vite"]["current"] == "5.4.10"
    shutil.rmtree(tree / "node_modules")


def test_a_flag_that_npm_does_not_know_is_a_warning(shop: Workshop, tree: Path) -> None:
    done = shop.run(tree, "npm", "ci", "--sideways")
    assert done.code == 0 and 'Unknown cli config "--sideways"' in done.err
    assert shop.run(tree, "npm", "publish").code == 1
