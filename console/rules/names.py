"""How the names of rules tell where a rule comes from."""

THRESHOLD, PROBE, COLLECTION, CONFIGURATION, ACTIONS, CHECKLISTS = PREFIXES = (
    "threshold:", "probe:", "collection:", "configuration:", "actions:", "checklists:",
)  # fmt: skip
"""What the names of rules begin with that no file declares."""


def named(rule: str) -> bool:
    """Whether a rule file declares the rule of this name."""
    return not rule.startswith(PREFIXES)
