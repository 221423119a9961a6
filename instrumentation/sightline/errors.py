"""Errors of the library.

```
SightlineError             root: catch this one
└── SettingsError          a setting cannot be used; never retry, fix the setting
```

Only ``configure()`` and ``TracingSettings`` raise them, at start-up, where a person reads them. Nothing
that runs inside a request raises: see ``sightline.faults``.
"""


class SightlineError(Exception):
    """Root of all errors that this library raises."""


class SettingsError(SightlineError):
    """A setting cannot be used. Never retry; the message names setting, value and way out.

    Attributes:
        setting: name of the environment variable or argument.
        value: the value that was refused, without what may be secret in it.
    """

    def __init__(self, setting: str, value: str, way_out: str) -> None:
        super().__init__(f"{setting} is {value!r}; {way_out}")
        self.setting = setting
        self.value = value
