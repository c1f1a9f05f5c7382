import asyncio
from console.checks.registry import POST, PRE
from tests.checks.conftest import Stage, failures
from tests.checks.test_env_and_pre import applied

async def test_both(stage: Stage) -> None:
    known = await applied(stage)
    for _ in range(6):
        a, b = await asyncio.gather(stage.run(PRE, migrations=known), stage.run(POST))
        print(failures(a), failures(b))
