"""One running demo for all acceptance tests of a worker; they run one after another on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.demo import Demo


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "demo" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("demo"))


@pytest.fixture(scope="package")
def demo(quick_folder: Path) -> Iterator[Demo]:
    """A demo that is live, and ends with the last of these tests: it takes a fifth of a core all the while. The
    folder's name has a space, as a person's may."""
    running = Demo(quick_folder / "state of" / "a demo")
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture(autouse=True)
def _no_drill_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "demo" in request.fixturenames:
        request.getfixturevalue("demo").ask("drill", "--stop")
