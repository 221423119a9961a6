"""The file of SIGHTLINE_DASHBOARDS_ACCESS_FILE: which role, tenant and rights somebody has who has signed in.

::

    [[people]]
    user = "ann@example.org"     # one person
    role = "editor"

    [[people]]
    claim = "groups"             # everybody who has this value in this claim
    value = "acme-support"
    role = "reviewer"
    tenant = "acme"
    content = false

    [[people]]
    everyone = true              # everybody else who has signed in
    role = "viewer"
    tenant_claim = "org"         # this claim names the tenant

The first entry that fits somebody counts; whom none fits sees nothing. Without `tenant` and `tenant_claim` somebody
sees all tenants. `content` is true unless it says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sightline_dashboards.access.toml_file import entries, typed
from sightline_dashboards.access.viewers import Role, Viewer

_KEYS = frozenset({"user", "claim", "value", "everyone", "role", "tenant", "tenant_claim", "content"})
_WHOM = ("user", "claim", "everyone")


@dataclass(frozen=True)
class Identity:
    """Somebody who has signed in.

    Attributes:
        name: unique among those who sign in.
        claims: what else is said of them by whoever signed them in.
    """

    name: str
    claims: Mapping[str, Any] = field(default_factory=dict)

    def values(self, claim: str) -> Sequence[str]:
        """The texts of a claim, which may be one text or a list of them."""
        value = self.claims.get(claim)
        found = value if isinstance(value, list | tuple) else [value]
        return [each for each in found if isinstance(each, str) and each]


@dataclass(frozen=True)
class Rule:
    """One entry of the file; its fields are the entry's keys."""

    user: str
    claim: str
    value: str
    role: Role
    tenant: str
    tenant_claim: str
    content: bool

    def fits(self, identity: Identity) -> bool:
        """Whether it is about somebody."""
        if self.user:
            return self.user.casefold() == identity.name.casefold()
        return not self.claim or self.value in identity.values(self.claim)

    def viewer(self, identity: Identity) -> Viewer | None:
        """What somebody whom it fits may do; None where the claim of the tenant does not name exactly one."""
        tenant = self.tenant
        if self.tenant_claim:
            named = identity.values(self.tenant_claim)
            if len(named) != 1:
                return None
            tenant = named[0]
        return Viewer(identity.name, self.role, tenant, self.content)


def read(document: dict[str, Any]) -> list[Rule]:
    """The entries of the file.

    Raises:
        ValueError: an entry cannot be; the message says which.
    """
    found = []
    for number, entry in enumerate(entries(document, "people", _KEYS), 1):
        try:
            found.append(_rule(entry))
        except ValueError as exc:
            raise ValueError(f"entry {number} of [[people]]: {exc}") from None
    if not found:
        raise ValueError("has no [[people]] entry: nobody could see anything")
    return found


def viewer(rules: Sequence[Rule], identity: Identity) -> Viewer | None:
    """What somebody may do; None where no rule lets them see anything."""
    rule = next((rule for rule in rules if rule.fits(identity)), None)
    return None if rule is None else rule.viewer(identity)


def _rule(entry: dict[str, Any]) -> Rule:
    if sum(name in entry for name in _WHOM) != 1 or not typed(entry, "everyone", True):
        raise ValueError("needs one of `user`, `claim` with `value`, and `everyone = true`")
    if ("claim" in entry) != ("value" in entry):
        raise ValueError("needs `claim` and `value` together")
    if "tenant" in entry and "tenant_claim" in entry:
        raise ValueError("has `tenant` and `tenant_claim`; needs one of them, or none for all tenants")
    role = typed(entry, "role", "")
    if role not in {each.value for each in Role}:
        raise ValueError(f"role is {role!r}; needs {', '.join(each.value for each in Role)}")
    return Rule(
        user=typed(entry, "user", ""),
        claim=typed(entry, "claim", ""),
        value=typed(entry, "value", ""),
        role=Role(role),
        tenant=typed(entry, "tenant", ""),
        tenant_claim=typed(entry, "tenant_claim", ""),
        content=typed(entry, "content", True),
    )
