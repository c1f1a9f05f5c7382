from pathlib import Path

import pytest

from console.domain.errors import Misuse
from console.settings import MASK, load

TOML = """
[store]
url = "postgresql://ops@db.internal/console"
[agent]
tick_s = 30
[environments.production.platform]
base_url = "https://trade.example"
[environments.staging]
time_scale = 2.0
[environments.staging.agent]
tick_s = 5
"""


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in [n for n in os.environ if n.startswith("TRADEX_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "none"))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(TOML)
    return path


def origin(loaded: object, name: str) -> tuple[str, str]:
    value = next(v for v in loaded.values if v.name == name)  # type: ignore[attr-defined]
    return value.value, value.origin


def test_each_layer_goes_over_the_one_below(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(file=file, environment="production").settings.agent.tick_s == 30
    assert load(file=file, environment="staging").settings.agent.tick_s == 5
    monkeypatch.setenv("TRADEX_AGENT__TICK_S", "7")
    assert load(file=file, environment="staging").settings.agent.tick_s == 7
    assert load(file=file, environment="staging", flags={"agent.tick_s": 9}).settings.agent.tick_s == 9


def test_every_value_says_where_it_comes_from(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEX_CONSOLE__BELL", "false")
    loaded = load(file=file, environment="staging", flags={"console.theme": "light"})
    assert origin(loaded, "store.url") == ("postgresql://ops@db.internal/console", f"{file}:3")
    assert origin(loaded, "agent.tick_s") == ("5.0", f"{file}:11")
    assert origin(loaded, "console.bell") == ("False", "TRADEX_CONSOLE__BELL")
    assert origin(loaded, "console.theme")[1] == "flag for console.theme"
    assert origin(loaded, "agent.lease_ttl_s")[1] == "default"


def test_secrets_are_masked(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEX_STORE__PASSWORD", "hunter2")
    loaded = load(file=file, environment="staging")
    assert origin(loaded, "store.password")[0] == MASK
    assert "hunter2" not in repr(loaded)


def test_production_is_never_chosen_by_itself(file: Path) -> None:
    with pytest.raises(Misuse, match="choose an environment with --env: production, staging"):
        load(file=file)
    with pytest.raises(Misuse, match="no environment 'prod'"):
        load(file=file, environment="prod")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[agent]\ntick = 3\n", ":2: no such setting agent.tick; did you mean agent.tick_s?"),
        ("[agent]\ntick_s = 'soon'\n", ":2: agent.tick_s: expected"),
        (
            "[platform]\n\nbase_url = 'ftp://x'\n",
            ":3: platform.base_url: expected a URL that starts with http",
        ),
        ("[store]\nurl = 'postgresql://a:secret@h/d'\n", ":2: store.url: expected a URL without a password"),
        ("[store\n", ":1: not TOML"),
        ("[environments]\nx = 1\n", r"expected tables \[environments.NAME\]"),
    ],
)
def test_a_slip_in_the_file_names_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(Misuse, match=message):
        load(file=path)


def test_a_slip_in_a_variable_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEX_AGENT__TICK_S", "soon")
    with pytest.raises(Misuse, match=r"TRADEX_AGENT__TICK_S: agent.tick_s: expected a valid number"):
        load()
    monkeypatch.delenv("TRADEX_AGENT__TICK_S")
    monkeypatch.setenv("TRADEX_AGNET__TICK_S", "3")
    with pytest.raises(
        Misuse, match="TRADEX_AGNET__TICK_S: no such setting; did you mean TRADEX_AGENT__TICK_S"
    ):
        load()


def test_a_wrong_password_is_never_repeated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[store]\npassword = 12345\n")
    with pytest.raises(Misuse) as error:
        load(file=path)
    assert "12345" not in str(error.value)


def test_a_secret_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    from console.sections import secret

    path = tmp_path / "password"
    path.write_text("hunter2\n")
    path.chmod(0o644)
    with pytest.raises(Misuse, match="expected mode 0600"):
        secret(None, path)
    path.chmod(0o600)
    found = secret(None, path)
    assert found is not None
    assert found.get_secret_value() == "hunter2"


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match="no such file"):
        load(file=tmp_path / "absent.toml")
