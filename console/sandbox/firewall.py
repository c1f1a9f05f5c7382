"""The simulated Vercel's firewall in front of the frontend, and the project's pause. Its own service: it needs neither
the platform's database nor its keys. No HTTP here.
"""

from __future__ import annotations

import ipaddress
import secrets
import time
from typing import Any

from console.sandbox.kept import Kept
from console.sandbox.limits import BlockList

PROJECT = "prj_tradex"
TEAM = "team_tradex"


class Firewall:
    """The project's state at Vercel."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        state = kept.section("vercel")
        self.rules: list[dict[str, str]] = state.get("rules", [])
        self.version: int = state.get("version", 0)
        self.updated_at: str = state.get("updated_at", "")
        self.paused: bool = state.get("paused", False)
        self._denied = BlockList()
        self._apply()

    def refuses(self, address: str) -> bool:
        return self._denied.refuses(address)

    def insert(self, ip: str, hostname: str, action: str, notes: str) -> str:
        """A rule's new id. The same address twice makes two rules, as it does there."""
        rule = {
            "id": f"ip_{secrets.token_hex(8)}",
            "hostname": hostname,
            "ip": ip,
            "notes": notes,
            "action": action,
        }
        self._change([*self.rules, rule])
        return rule["id"]

    def remove(self, rule_id: str) -> dict[str, str] | None:
        """The rule that is gone now, None when there was none."""
        gone = next((r for r in self.rules if r["id"] == rule_id), None)
        if gone is not None:
            self._change([r for r in self.rules if r["id"] != rule_id])
        return gone

    def pause(self, paused: bool) -> bool:
        """Whether that is a change."""
        if self.paused == paused:
            return False
        self.paused = paused
        self._save()
        return True

    def config(self) -> dict[str, Any]:
        """The active configuration in Vercel's shape."""
        return {
            "ownerId": TEAM, "projectKey": PROJECT, "id": f"waf_{self.version}", "version": self.version,
            "updatedAt": self.updated_at, "firewallEnabled": True, "crs": {}, "rules": [], "ips": self.rules,
            "changes": [],
        }  # fmt: skip

    def _change(self, rules: list[dict[str, str]]) -> None:
        self.rules = rules
        self.version += 1
        self.updated_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._save()
        self._apply()

    def _save(self) -> None:
        state = {
            "rules": self.rules,
            "version": self.version,
            "updated_at": self.updated_at,
            "paused": self.paused,
        }
        self._kept.put("vercel", state)

    def _apply(self) -> None:
        self._denied.replace(
            ipaddress.ip_network(r["ip"], strict=False) for r in self.rules if r["action"] == "deny"
        )
