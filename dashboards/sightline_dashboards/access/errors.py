"""What can go wrong with access.

::

    ValueError
    └── AccessInvalid   a file of rules or keys, or the settings about them, cannot be used
    StoreError
    └── NotAllowed      nobody is signed in, or there is no key of the store for who is
"""

from __future__ import annotations

from sightline_store.errors import StoreError


class AccessInvalid(ValueError):
    """A file of rules or keys cannot be used; the message names it and what it needs."""


class NotAllowed(StoreError):
    """What is asked for is not for this viewer. Retrying does not help; the message can be shown to the viewer."""
