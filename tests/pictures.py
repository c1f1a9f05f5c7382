"""`python -m tests.pictures`: draw the README's pictures from the real app on a real, running demo."""

import asyncio
import tempfile
from pathlib import Path

from console.app import TradexApp
from console.feed import LiveFeed
from tests.demo import Demo

DOCS = Path(__file__).resolve().parent.parent / "docs"


async def draw(demo: Demo, *keys: str) -> str:
    """What `keys` lead to at 120x40, once it is full."""
    password = (demo.state / "secrets" / "alice").read_text()
    app = TradexApp(LiveFeed(demo.info["store_url"], user="alice", password=password), theme="dark")
    async with app.run_test(size=(120, 40)) as pilot:
        while not app.feed.snapshot.health:
            await pilot.pause(0.1)
        for key in keys:
            await pilot.press(key)
            await pilot.pause(5)
        return app.export_screenshot(title="tradex")


def deploying(demo: Demo) -> None:
    """The second of two deployments, while it is watched."""
    agreed = ("--reason", "the new price cache", "--yes", "--typed", "sandbox")
    demo.run("deploy", "v2.9.0", *agreed)
    demo.run("deploy", "v2.11.0", *agreed, "--no-wait")
    asyncio.run(asyncio.sleep(4))
    (DOCS / "deploy.svg").write_text(asyncio.run(draw(demo, "7")))


def main() -> None:
    DOCS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        demo = Demo(Path(folder) / "state")
        demo.start()
        try:
            asyncio.run(asyncio.sleep(60))  # so that the live part of the plots is more than a dot
            for name, key in {"health": "1", "metrics": "2"}.items():
                (DOCS / f"{name}.svg").write_text(asyncio.run(draw(demo, key)))
            demo.run("drill", "errors", "--for", "120")
            asyncio.run(asyncio.sleep(45))
            (DOCS / "alerts.svg").write_text(asyncio.run(draw(demo, "4")))
            (DOCS / "incident.svg").write_text(asyncio.run(draw(demo, "5", "a", "space")))
            demo.run("drill", "--stop")
            demo.run("drill", "brute-force", "--for", "60")
            asyncio.run(asyncio.sleep(20))
            (DOCS / "plan.svg").write_text(asyncio.run(draw(demo, "8", "B")))
            deploying(demo)
        finally:
            demo.stop()


if __name__ == "__main__":
    main()
