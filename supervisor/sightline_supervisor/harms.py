"""What the demo can break on purpose: the harms of `sightline-app chaos`, for two minutes."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Mapping
from typing import Final

from sightline_supervisor.errors import SettingInvalid, SupervisorError
from sightline_supervisor.process import describe_exit, find_command
from sightline_supervisor.role import Step
from sightline_supervisor.supervise import last_json

_COMMAND: Final = ("sightline-app", "chaos")
_FOR_S: Final = "120"
_TIMEOUT_S: Final = 120.0


def check_harm(harm: str, environ: Mapping[str, str]) -> None:
    """Ask the application whether it knows a harm, before anything is started.

    Args:
        harm: a name.
        environ: of the application.

    Raises:
        SettingInvalid: it does not; the message names those that there are.
        RoleMissing: the application is not installed.
        SupervisorError: it did not say.
    """
    program, *arguments = (find_command(_COMMAND[0], "app"), *_COMMAND[1:], "list", "--json")
    try:
        done = subprocess.run(
            [program, *arguments], env=dict(environ), capture_output=True, text=True, check=False, timeout=_TIMEOUT_S
        )
    except subprocess.TimeoutExpired as exc:
        raise SupervisorError(f"sightline-app chaos list did not end within {_TIMEOUT_S:g} s.") from exc
    known = last_json(done.stdout)
    if done.returncode or known is None:
        raise SupervisorError(f"sightline-app chaos list {describe_exit(done.returncode)}. {done.stderr}".strip())
    if harm not in known:
        raise SettingInvalid("--break", harm, f"one of {', '.join(known)}")


def chaos_env() -> dict[str, str]:
    """Return what lets the command put faults into the application: a secret of both, for this run."""
    return {"SIGHTLINE_APP_CHAOS_KEY": secrets.token_urlsafe(24)}


def break_step(harm: str, env: Mapping[str, str]) -> Step:
    """Return the command that does a harm and undoes it, also when it is stopped early.

    Args:
        harm: its name.
        env: of the application.
    """
    command = (*_COMMAND, harm, "--for", _FOR_S)
    return Step("chaos", f"breaking on purpose for {_FOR_S} s: {harm}", command, env, extra="app")
