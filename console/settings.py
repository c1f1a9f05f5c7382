"""Settings: defaults < config.toml < TRADEX_* variables < flags, each value with its origin.

A wrong key or value is a Misuse that names the file and line, the variable or the flag, and what is expected.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from console.domain.errors import Misuse
from console.domain.text import printable
from console.origins import Layers, origin, variable
from console.places import PREFIX, config_file, set_variables
from console.sections import (
    ActionsSettings,
    AgentSettings,
    AlertingSettings,
    BooksSettings,
    ChecksSettings,
    ConsoleSettings,
    DeploySettings,
    PlatformSettings,
    StoreSettings,
)

MASK = "********"


class Settings(BaseModel):
    """The effective settings of one environment."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    environment: str = ""
    time_scale: float = Field(default=1.0, gt=0, le=1000)
    """How much faster windows and durations run than the clock (10 in the sandbox)."""
    store: StoreSettings = StoreSettings()
    platform: PlatformSettings = PlatformSettings()
    agent: AgentSettings = AgentSettings()
    alerting: AlertingSettings = AlertingSettings()
    actions: ActionsSettings = ActionsSettings()
    deploy: DeploySettings = DeploySettings()
    checks: ChecksSettings = ChecksSettings()
    books: BooksSettings = BooksSettings()
    console: ConsoleSettings = ConsoleSettings()


@dataclass(frozen=True, slots=True)
class Effective:
    """One value as `config show` prints it: dotted name, value (secrets masked), origin."""

    name: str
    value: str
    origin: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings with what is needed to say where each value came from."""

    settings: Settings
    values: tuple[Effective, ...]
    file: Path | None


def load(
    *, file: Path | None = None, environment: str | None = None, flags: Mapping[str, Any] | None = None
) -> Loaded:
    """Read everything and choose the environment.

    `file` must exist when it is given; the default one may be absent. `flags` are dotted names, such as
    `{"agent.tick_s": 2}`. Raises Misuse.
    """
    path = file or config_file()
    if (file is not None or "TRADEX_CONFIG" in os.environ) and not path.exists():
        raise Misuse(f"{path}: no such file")
    text, raw = _read(path) if path.exists() else ("", {})
    name, merged = _choose(raw, environment or os.environ.get("TRADEX_ENV"), path)
    if name:
        merged["environment"] = name
    layers: Layers = [("file", merged), ("variable", _variables()), ("flag", _nested(flags or {}))]
    data: dict[str, Any] = {}
    for _, layer in layers:
        data = _merge(data, layer)
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        raise Misuse(_explain(error, layers, path, text, name)) from None
    return Loaded(settings, tuple(_effective(settings, layers, path, text, name)), path if text else None)


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_text()
        return text, tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise Misuse(f"{path}: cannot be read: {error}") from None
    except tomllib.TOMLDecodeError as error:
        where = re.search(r"\(at line (\d+)", str(error))
        line = f":{where.group(1)}" if where else ""
        raise Misuse(f"{path}{line}: not TOML: {printable(error)}") from None


def _choose(raw: dict[str, Any], wanted: str | None, path: Path) -> tuple[str, dict[str, Any]]:
    """The sections at the top with those of the chosen environment merged over them."""
    rest = {key: value for key, value in raw.items() if key != "environments"}
    environments = raw.get("environments", {})
    if not isinstance(environments, dict) or not all(isinstance(e, dict) for e in environments.values()):
        raise Misuse(f"{path}: [environments]: expected tables [environments.NAME]")
    wanted = wanted or rest.get("environment")
    if not environments:
        return str(wanted or ""), rest
    if wanted is None:
        if len(environments) > 1:
            raise Misuse(f"choose an environment with --env: {', '.join(sorted(environments))}")
        wanted = next(iter(environments))
    if wanted not in environments:
        raise Misuse(f"no environment {printable(wanted)!r}: {path} has {', '.join(sorted(environments))}")
    return str(wanted), _merge(rest, environments[wanted])


def _variables() -> dict[str, Any]:
    """TRADEX_STORE__URL=x as {"store": {"url": "x"}}, read by pydantic-settings."""
    names = set_variables()
    known = [variable(dotted) for dotted in _fields(Settings)]
    for name in names:
        if not any(name == k or name.startswith(f"{k}__") for k in known):
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(known)}"
            raise Misuse(f"{printable(name)}: no such setting{hint}")
    if not names:
        return {}
    # Imported only here: it doubles the time to the first screen, and most consoles set no variable.
    from pydantic_settings import BaseSettings, EnvSettingsSource
    from pydantic_settings.exceptions import SettingsError

    class Reader(BaseSettings):
        store: StoreSettings = StoreSettings()
        platform: PlatformSettings = PlatformSettings()
        agent: AgentSettings = AgentSettings()
        alerting: AlertingSettings = AlertingSettings()
        actions: ActionsSettings = ActionsSettings()
        deploy: DeploySettings = DeploySettings()
        checks: ChecksSettings = ChecksSettings()
        books: BooksSettings = BooksSettings()
        console: ConsoleSettings = ConsoleSettings()
        time_scale: float = 1.0
        environment: str = ""

    try:
        return EnvSettingsSource(Reader, env_prefix=PREFIX, env_nested_delimiter="__")()
    except SettingsError as error:
        raise Misuse(f"a {PREFIX}* variable: expected JSON for a list or table: {printable(error)}") from None


def _fields(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _fields(field.annotation, f"{prefix}{name}.")
        else:
            yield prefix + name


def _nested(flags: Mapping[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for dotted, value in flags.items():
        if value is None:
            continue
        *parents, last = dotted.split(".")
        place = out
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return out


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _explain(error: ValidationError, layers: Layers, path: Path, text: str, env: str) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    loc = tuple(str(part) for part in first["loc"])
    where = origin(loc, layers, path, text, env)
    dotted = ".".join(loc)
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(dotted, list(_fields(Settings)), 1, 0.5)
        return f"{where}: no such setting {printable(dotted)}" + (
            f"; did you mean {near[0]}?" if near else ""
        )
    expected = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    hidden = any(word in dotted for word in ("password", "key", "token"))
    came = "" if hidden else f", not {printable(repr(first['input']), 80)}"
    return f"{where}: {printable(dotted)}: expected {printable(expected)}{came}"


def _effective(settings: Settings, layers: Layers, path: Path, text: str, env: str) -> Iterator[Effective]:
    for dotted in _fields(Settings):
        loc = tuple(dotted.split("."))
        value: Any = settings
        for part in loc:
            value = getattr(value, part)
        shown = "" if value is None else MASK if isinstance(value, SecretStr) else printable(value)
        yield Effective(dotted, shown, origin(loc, layers, path, text, env))
