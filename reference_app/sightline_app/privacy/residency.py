"""Data residency: which provider, in which region, may see what of a tenant's texts.

The rules are a small TOML or JSON file (``SIGHTLINE_APP_RESIDENCY_FILE``)::

    [providers.local]                      # matched by address; the longest match counts
    url = "http://127.0.0.1"
    region = "de"

    [providers.openai]
    url = "https://api.openai.com"
    region = "us"

    [defaults]                             # tenants without a section
    region = "de"
    outside = "masked"                     # what a provider of another region sees: all, masked or nothing
    kinds = ["email", "phone", "iban", "card", "ip", "national_id", "secret"]

    [tenants.acme]
    region = "de"
    in_country = true                      # outside is "nothing" unless a provider or region below says otherwise

    [tenants.globex]
    region = "fr"
    regions = { de = "all" }
    providers = { openai = "nothing" }

The most exact rule counts: the tenant's provider, then its region, then whether the regions are the same, then
`outside`. An address that matches no provider has the region ``unknown``, which is outside of every region.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

UNKNOWN: Final = "unknown"
"""Region of an address that no provider's section names, and the name of that provider."""


class Sees(enum.StrEnum):
    """What a provider may see of a text."""

    ALL = "all"
    MASKED = "masked"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Provider:
    """Somebody whom texts are sent to."""

    name: str
    url: str
    region: str


@dataclass(frozen=True)
class TenantRule:
    """What holds for one tenant."""

    region: str
    kinds: tuple[str, ...]
    outside: Sees = Sees.MASKED
    in_country: bool = False
    regions: Mapping[str, Sees] = field(default_factory=dict)
    providers: Mapping[str, Sees] = field(default_factory=dict)


@dataclass(frozen=True)
class Ruling:
    """What one provider may see of one tenant's texts, and why."""

    sees: Sees
    provider: str
    region: str
    reason: str
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Residency:
    """All rules.

    Args:
        providers: known ones.
        defaults: rule of tenants without one of their own; None means that everybody sees everything.
        tenants: rules by tenant.
    """

    providers: tuple[Provider, ...] = ()
    defaults: TenantRule | None = None
    tenants: Mapping[str, TenantRule] = field(default_factory=dict)

    def provider_at(self, url: str) -> Provider:
        """Return the provider of an address."""
        matching = [each for each in self.providers if _is_under(url, each.url)]
        return max(matching, key=lambda each: len(each.url), default=Provider(UNKNOWN, url, UNKNOWN))

    def ruling(self, tenant: str, url: str) -> Ruling:
        """Return what the provider at an address may see of a tenant's texts."""
        rule = self.tenants.get(tenant, self.defaults)
        provider = self.provider_at(url)
        if rule is None:
            return Ruling(Sees.ALL, provider.name, provider.region, "no residency rule")
        sees, reason = _decide(rule, provider)
        return Ruling(sees, provider.name, provider.region, reason, rule.kinds if sees is Sees.MASKED else ())


def _decide(rule: TenantRule, provider: Provider) -> tuple[Sees, str]:
    if provider.name in rule.providers:
        return rule.providers[provider.name], f"the tenant's rule for provider {provider.name}"
    if provider.region in rule.regions:
        return rule.regions[provider.region], f"the tenant's rule for region {provider.region}"
    if provider.region == rule.region != UNKNOWN:
        return Sees.ALL, f"{provider.name} is in the tenant's region {rule.region}"
    where = f"{provider.name} is in region {provider.region}, the tenant in {rule.region}"
    if rule.in_country:
        return Sees.NOTHING, f"{where}; the tenant's data stays in its country"
    return rule.outside, where


def _is_under(url: str, base: str) -> bool:
    """Whether an address begins with another one, and does not only look so (``https://a.example.evil``)."""
    rest = url[len(base) :]
    return url.startswith(base) and (not rest or base.endswith("/") or rest[0] in "/:?")
