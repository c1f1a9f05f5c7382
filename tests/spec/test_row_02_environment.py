"""Row 2: tables, policies, the list of functions and POST health-check, each with its evidence."""

from tests.demo import Demo

CHECKS = {"env.tables", "env.policies", "env.procedures", "env.functions", "env.health_check"}


def test_the_environment_is_told_with_its_evidence(demo: Demo) -> None:
    report = demo.json("validate", "--env")
    found = {check["id"]: check for check in report["checks"]}
    assert found.keys() == CHECKS
    assert all(check["status"] == "passed" and check["evidence"] for check in found.values()), report
    # What is counted is what `tradex sandbox psql` shows.
    sql = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
    tables = demo.run("sandbox", "psql", "platform", "-Atc", sql).stdout.strip()
    assert f"{tables} public tables" in found["env.tables"]["evidence"]
    assert f"on all {tables} public tables" in found["env.policies"]["evidence"]
    for name in ("execute-order", "get-stock-price", "risk-monitoring", "health-check"):
        assert name in found["env.functions"]["evidence"]
    assert found["env.health_check"]["evidence"] == "POST health-check: HTTP 200"
    assert demo.ask("validate", "--env").returncode == 0


async def test_a_table_without_policies_and_one_that_is_gone_are_named(demo: Demo) -> None:
    platform = await demo.platform()
    try:
        await platform.execute(
            "CREATE TABLE public.forgotten (id int); ALTER TABLE public.user_sessions RENAME TO sessions_of_old"
        )
        report = demo.json("validate", "--env", code=1)
    finally:
        await platform.execute(
            "DROP TABLE public.forgotten; ALTER TABLE public.sessions_of_old RENAME TO user_sessions"
        )
        await platform.close()
    failed = {c["id"]: c["evidence"] for c in report["checks"] if c["status"] == "failed"}
    assert failed.keys() == {"env.tables", "env.policies"}
    assert "user_sessions" in failed["env.tables"] and "forgotten" in failed["env.policies"]
    assert demo.json("validate", "--env")["overall"] == "passed"
