"""The sections of the settings: what each value means, and what is wrong with it."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from console.places import read_secret, state_dir


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StoreSettings(_Section):
    """The console's own PostgreSQL."""

    url: str | None = None
    """postgresql://USER@HOST:PORT/DATABASE, without a password."""
    user: str | None = None
    """Log in as this person instead of the one in the URL."""
    password: SecretStr | None = None
    password_file: Path | None = None
    """A file (mode 0600) that holds the password and nothing else."""

    @field_validator("url")
    @classmethod
    def _postgres(cls, url: str | None) -> str | None:
        if url is not None and not re.match(r"postgres(ql)?://", url):
            raise ValueError("a URL like postgresql://user@host:5432/database")
        if url is not None and re.match(r"postgres(ql)?://[^/@]*:[^/@]+@", url):
            raise ValueError("a URL without a password (use password_file, or a variable for the password)")
        return url


class PlatformSettings(_Section):
    """Where the trading platform answers. A door that is unset is 'no source', never an error."""

    base_url: str | None = None
    """http(s)://HOST: /health, /metrics, /status and /api/* are below it."""
    functions_url: str | None = None
    """Edge functions; by default base_url + /functions/v1."""
    websocket_url: str | None = None
    cache_url: str | None = None
    """redis://HOST:PORT"""
    database_url: str | None = None
    """postgresql://READER@HOST:PORT/DATABASE of the platform, a read-only role, without a password."""
    database_password: SecretStr | None = None
    database_password_file: Path | None = None
    metrics_url: str | None = None
    """Prometheus text; by default base_url + /metrics."""
    api_key: SecretStr | None = None
    """Bearer token (a JWT) for functions, API and websocket."""
    api_key_file: Path | None = None
    ops_database_url: str | None = None
    """postgresql://WRITER@HOST:PORT/DATABASE of the platform, the role of actions, without a password."""
    ops_database_password: SecretStr | None = None
    ops_database_password_file: Path | None = None
    deploy_database_url: str | None = None
    """The same of the role that owns the tables: only migrations use it; by default ops_database_url."""
    deploy_database_password: SecretStr | None = None
    deploy_database_password_file: Path | None = None
    service_key: SecretStr | None = None
    """The project's service_role key: GoTrue's admin calls and ops_url. Only actions use it."""
    service_key_file: Path | None = None
    auth_url: str | None = None
    """GoTrue; by default base_url + /auth/v1."""
    ops_url: str | None = None
    """Where this installation is scaled and failed over; by default base_url + /ops/v1."""
    vercel_url: str = "https://api.vercel.com"
    vercel_project: str | None = None
    """The id of the frontend's project (prj_...)."""
    vercel_team: str | None = None
    """The id of its team (team_...); unset for a personal account."""
    vercel_token: SecretStr | None = None
    vercel_token_file: Path | None = None
    supabase_url: str = "https://api.supabase.com"
    supabase_project: str | None = None
    supabase_token: SecretStr | None = None
    supabase_token_file: Path | None = None
    staff: tuple[str, ...] = ()
    """Ids or e-mail addresses of accounts that are never suspended, beside those of tier staff."""
    allow_list: tuple[str, ...] = ()
    """Addresses and networks that are never blocked: offices, partners, the platform's own proxies."""
    functions: tuple[str, ...] = ("execute-order", "get-stock-price", "risk-monitoring")
    health_function: str = "health-check"
    external_apis: dict[str, str] = Field(default_factory=dict)
    """Name of each outside provider and the URL that says whether it answers."""
    probe_timeout_s: dict[str, float] = Field(default_factory=dict)
    """Time-out by component, where it differs from the default."""
    vulnerability_report: Path | None = None
    """The output of `npm audit --json` for the running release, kept fresh by your pipeline."""
    catalogue: Path | None = None
    """A metrics.yaml of your own, merged over the shipped one entry by entry."""
    logs: Path | None = None
    """A logs.yaml of your own, merged likewise: which logs are followed."""
    diagnosis: Path | None = None
    """A diagnosis.yaml of your own, merged likewise: what the platform is asked about an alert."""
    security: Path | None = None
    """A security.yaml of your own, merged likewise: what is watched for attacks."""

    @field_validator(
        "base_url", "functions_url", "metrics_url", "auth_url", "ops_url", "vercel_url", "supabase_url"
    )
    @classmethod
    def _http(cls, url: str | None) -> str | None:
        if url is not None and not re.match(r"https?://[^/]", url):
            raise ValueError("a URL that starts with http:// or https://")
        return url.rstrip("/") if url else url

    @field_validator("allow_list")
    @classmethod
    def _networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            try:
                ipaddress.ip_network(network)
            except ValueError:
                raise ValueError("addresses and networks like 192.0.2.7 or 2001:db8::/32") from None
        return networks

    @field_validator("probe_timeout_s")
    @classmethod
    def _positive(cls, timeouts: dict[str, float]) -> dict[str, float]:
        if any(not 0 < t <= 60 for t in timeouts.values()):
            raise ValueError("seconds between 0 and 60")
        return timeouts

    def resolved(self) -> PlatformSettings:
        """With the URLs that follow from base_url filled in and the secrets read from their files."""
        base = self.base_url
        return self.model_copy(
            update={
                "functions_url": self.functions_url or (base and f"{base}/functions/v1"),
                "metrics_url": self.metrics_url or (base and f"{base}/metrics"),
                "database_password": secret(self.database_password, self.database_password_file),
                "api_key": secret(self.api_key, self.api_key_file),
                "auth_url": self.auth_url or (base and f"{base}/auth/v1"),
                "ops_url": self.ops_url or (base and f"{base}/ops/v1"),
                "ops_database_password": secret(self.ops_database_password, self.ops_database_password_file),
                "service_key": secret(self.service_key, self.service_key_file),
                "vercel_token": secret(self.vercel_token, self.vercel_token_file),
                "deploy_database_url": self.deploy_database_url or self.ops_database_url,
                "deploy_database_password": secret(
                    self.deploy_database_password, self.deploy_database_password_file
                )
                or (
                    None
                    if self.deploy_database_url
                    else secret(self.ops_database_password, self.ops_database_password_file)
                ),
                "supabase_token": secret(self.supabase_token, self.supabase_token_file),
            }
        )


class AgentSettings(_Section):
    """The headless watch."""

    name: str | None = None
    """How consoles show it; by default the host's name and the process number."""
    tick_s: float = Field(default=30.0, ge=0.5, le=300)
    """Seconds between two collections."""
    lease_ttl_s: float = Field(default=3.0, ge=1, le=60)
    """After this long without a sign of life another agent takes over."""
    health_port: int | None = Field(default=None, ge=0, le=65535)
    """Serve /health and /metrics on this loopback port; off when unset, 0 picks a free one."""


class AlertingSettings(_Section):
    """When somebody is told."""

    rules: Path | None = None
    """Your alert_rules.yaml, instead of the shipped one. Read again when it changes, and on SIGHUP."""
    file: Path | None = None
    """An alerting.yaml of your own, merged over the shipped one: verbs, types, inhibitions, timings."""


class ActionsSettings(_Section):
    """What can be done to the platform."""

    file: Path | None = None
    """An actions.yaml of your own, merged over the shipped one: commands, HTTP calls and SQL of this installation."""


class BooksSettings(_Section):
    """What is written down for people to go by."""

    folder: Path | None = None
    """A folder of your own with runbooks/, checklists/ and templates/ in it: a file there stands in the place of the
    shipped one of the same name, or is one more. Read again when it changes."""


class ChecksSettings(_Section):
    """How a release is validated: as two synthetic accounts of the platform, which only the checks use."""

    account: str | None = None
    """E-mail of one without any money: its order is refused, and that refusal is what is checked."""
    account_password_file: Path | None = None
    other_account: str | None = None
    """E-mail of one that owns something (an order, a position), which the first must not see."""
    other_account_password_file: Path | None = None
    expired_token_file: Path | None = None
    """An access token of the platform that has run out; without it nobody knows whether expiry is looked at."""
    every_s: float | None = Field(default=None, ge=300)
    """The checklist of the newest commit that could be deployed runs by itself when that is another one, something was
    deployed, or it is so old; unset: only when somebody asks. It builds the commit: scripts of the repository run on
    the agent's machine, without secrets."""


class DeploySettings(_Section):
    """What is deployed, and with what."""

    repository: str | None = None
    """The platform's git repository: a path, or a URL that asks for no password."""
    branch: str = "main"
    """What is deployed from it."""
    first: str | None = None
    """The tag or commit that ran before the first deployment from here."""
    pipelines: Path | None = None
    """A folder with a deploy.yaml and a rollback.yaml of your own, instead of the shipped ones."""
    folder: Path | None = None
    """Where the repository is mirrored and checked out; by default in the state folder."""
    path: tuple[Path, ...] = ()
    """Folders with the vendors' programs (supabase, vercel, npm), before those of PATH."""
    env: dict[str, str] = Field(default_factory=dict)
    """Variables that these programs get, without secrets."""

    @property
    def place(self) -> Path:
        """The folder in use."""
        return self.folder or state_dir() / "deployments"


class ConsoleSettings(_Section):
    """How the console looks and behaves for this person."""

    theme: Literal["dark", "light", "high-contrast", "16-colours"] = "dark"
    ascii: bool = False
    """Draw with ASCII characters only."""
    bell: bool = True


def secret(value: SecretStr | None, file: Path | None) -> SecretStr | None:
    """The secret itself, or the first line of its file. A file that others can read is refused."""
    if value is not None or file is None:
        return value
    return SecretStr(read_secret(file))


def plain(value: SecretStr | None, file: Path | None = None) -> str | None:
    """The same in clear, for the call that needs it."""
    found = secret(value, file)
    return None if found is None else found.get_secret_value()
