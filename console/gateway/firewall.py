"""Vercel's firewall, over its REST API (vercel.com/docs/rest-api, security).

The CLI's `firewall publish` would publish everybody's drafts; the PATCH here changes one rule of the active
configuration and nothing else.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Any

from console.domain.errors import SourceFailed, Unknown
from console.domain.network import Network, covers
from console.domain.text import printable
from console.gateway.effects import Caller, HttpRefused

_CONFIG = "/v1/security/firewall/config"


@dataclass(frozen=True, slots=True)
class Denied:
    """A rule that refuses a network on every host name of the project."""

    id: str
    network: Network
    notes: str


class Firewall(Caller):
    async def deny(self, network: Network, notes: str) -> str:
        """Refuse this network at the edge; the rule's id. Denied already, exactly so: that rule's id, nothing sent."""
        for rule in await self._rules():
            if rule.network == network:
                return rule.id
        value = {"ip": _text(network), "hostname": "*", "action": "deny", "notes": notes}
        await self._patch({"action": "ip.insert", "id": None, "value": value})
        # What the PATCH answers is not documented; the active configuration is.
        try:
            rules = await self._rules()
        except SourceFailed as error:
            raise Unknown(f"the rule was sent, and can't be read back: {error}") from None
        found = next((rule.id for rule in rules if rule.network == network), None)
        if found is None:
            raise Unknown("the rule was sent, and is not in the active configuration")
        return found

    async def allow(self, network: Network) -> int:
        """Take away all rules for exactly this network; how many are gone."""
        gone = 0
        for rule in await self._rules():
            if rule.network != network:
                continue
            try:
                await self._patch({"action": "ip.remove", "id": rule.id, "value": None})
                gone += 1
            except HttpRefused as error:
                if error.status != 404:
                    raise
        return gone

    async def denied(self, network: Network) -> tuple[Denied, ...]:
        """The rules that cover all of this network."""
        return tuple(rule for rule in await self._rules() if covers(rule.network, network))

    async def _rules(self) -> tuple[Denied, ...]:
        """All rules of the active configuration that deny; rules we can't read are somebody else's."""
        url = self._vercel(f"{_CONFIG}/active", projectId=self._required("vercel_project"))
        try:
            data = await self._ask(url, self._required("vercel_token"))
        except HttpRefused as error:
            # A project whose firewall was never touched has no configuration.
            if error.status == 404 and "Config not found" in str(error):
                return ()
            raise
        rules = data.get("ips") if isinstance(data, dict) else None
        if not isinstance(rules, list):
            raise SourceFailed("the firewall's configuration has no list `ips`")
        return tuple(rule for entry in rules if (rule := _denied(entry)) is not None)

    async def _patch(self, body: dict[str, Any]) -> None:
        url = self._vercel(_CONFIG, projectId=self._required("vercel_project"))
        await self._send("PATCH", url, self._required("vercel_token"), body)


def _denied(entry: Any) -> Denied | None:
    if not isinstance(entry, dict) or entry.get("action") != "deny" or entry.get("hostname") != "*":
        return None
    try:
        network = ipaddress.ip_network(str(entry.get("ip")), strict=False)
    except ValueError:
        return None
    return Denied(printable(entry.get("id"), 100), network, printable(entry.get("notes") or ""))


def _text(network: Network) -> str:
    """A single address without its width, as Vercel's own forms write it."""
    return str(network.network_address if network.num_addresses == 1 else network)
