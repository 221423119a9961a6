"""Who asks: the API key of a request, its tenant and its user.

Without a file of keys the app is open, on loopback only, and believes the tenant and the user that a request names.
With one, every request needs a key: that of a member or an editor says the tenant, that of a service lets the request
name it. A key that is revoked, or a file that goes away, closes and never opens.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from sightline_app.conversation.session_key import checked_id
from sightline_app.errors import InvalidSetting, RequestRefused
from sightline_app.limits.api_keys import EDITOR, SERVICE, KeyRing
from sightline_app.limits.rules import NAMES, Limits
from sightline_app.settings import AppSettings
from sightline_roles.host_check import is_loopback

_log = logging.getLogger("sightline.app")
_CHALLENGE = {"www-authenticate": 'Bearer realm="sightline-app"'}
_PUBLIC = "public"


@dataclass(frozen=True)
class Caller:
    """Who asks."""

    tenant: str | None
    """None: the request names none and no key says one."""
    user: str | None
    role: str
    limits: Limits
    key_id: str = ""
    """Empty where the app is open."""

    @property
    def reads_as(self) -> str:
        """The tenant whose documents and sessions the request reaches."""
        return self.tenant or _PUBLIC

    def check_writes(self) -> None:
        """Refuse whoever may not change documents.

        Raises:
            RequestRefused: 403.
        """
        if self.role not in {EDITOR, SERVICE}:
            raise RequestRefused(
                f"this API key has the role {self.role!r}; documents are changed with {EDITOR!r} or {SERVICE!r}: "
                "`sightline-app keys create --role`",
                kind="role_forbidden",
                status=403,
            )

    @property
    def owner(self) -> str:
        """Whose rates and budgets a request counts against, beside its user's."""
        return f"key {self.key_id}" if self.key_id else f"tenant {self.reads_as}"

    @property
    def user_owner(self) -> str:
        """Whose user budgets it counts against."""
        return f"user {self.reads_as}/{self.user or ''}"


class Access:
    """Lets requests in by their headers.

    Args:
        settings: address, file of keys, and the limits of keys that have none of their own.

    Raises:
        InvalidSetting: the app listens beyond loopback and has no file of keys.
        KeysUnusable: the file cannot be read or trusted.
    """

    def __init__(self, settings: AppSettings) -> None:
        limits = settings.limits
        self._defaults = Limits(**{name: getattr(limits, name) for name in NAMES})
        self._ring = None if limits.keys_file is None else KeyRing(limits.keys_file)
        if self._ring is None:
            if not is_loopback(settings.host) and not limits.allow_open:
                raise InvalidSetting(
                    settings.variable("host"),
                    settings.host,
                    "beyond loopback set SIGHTLINE_APP_KEYS_FILE, or SIGHTLINE_APP_ALLOW_OPEN=true behind a gateway "
                    "that checks callers",
                )
            _log.warning("no SIGHTLINE_APP_KEYS_FILE: the app is open to everybody who reaches %s", settings.host)
        elif not len(self._ring):
            _log.warning("%s holds no key: `sightline-app keys create` makes the first one", limits.keys_file)

    @property
    def is_open(self) -> bool:
        """Whether requests pass without a key."""
        return self._ring is None

    def caller(self, headers: Mapping[str, str]) -> Caller:
        """Say who sends a request.

        Args:
            headers: of the request, by lower-case name.

        Raises:
            RequestRefused: 401 without a valid key, 403 for another key's tenant, 400 for an id that none can be.
        """
        tenant = checked_id(headers.get("x-tenant-id"), "tenant")
        user = checked_id(headers.get("x-user-id"), "user")
        if self._ring is None:
            return Caller(tenant, user, SERVICE, self._defaults)
        token = _token(headers)
        if not token:
            raise RequestRefused(
                "an API key is needed: send `Authorization: Bearer KEY` or `x-api-key: KEY`",
                kind="api_key_missing",
                status=401,
                headers=_CHALLENGE,
            )
        key = self._ring.find(token)
        if key is None:
            raise RequestRefused("this API key is not valid", kind="api_key_invalid", status=401, headers=_CHALLENGE)
        if key.role != SERVICE and tenant not in (None, key.tenant):
            raise RequestRefused("this API key belongs to another tenant", kind="tenant_forbidden", status=403)
        own = {name: value for name in NAMES if (value := getattr(key, name)) is not None}
        return Caller(tenant or key.tenant, user, key.role, self._defaults.replaced(own), key.id)


def _token(headers: Mapping[str, str]) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "").strip()
