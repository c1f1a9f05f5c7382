"""The least that a Textual app with one store query can be: what the console's cold start is held against."""

import asyncio
import os

import asyncpg
from textual.app import App, ComposeResult
from textual.widgets import Static


class Bare(App[None]):
    def compose(self) -> ComposeResult:
        yield Static("waiting", id="answer")

    def on_mount(self) -> None:
        self.run_worker(self._ask())

    async def _ask(self) -> None:
        connection = await asyncio.wait_for(
            asyncpg.connect(os.environ["BARE_URL"], user="alice", password=os.environ["BARE_PASSWORD"]), 10
        )
        answer = await connection.fetchval("SELECT count(*) FROM console.health")
        self.query_one("#answer", Static).update(f"bare ready {answer}")


if __name__ == "__main__":
    Bare().run()
