"""`sightline up`: store, collector and dashboards for somebody's own application."""

from __future__ import annotations

import time
import webbrowser
from collections.abc import Mapping
from dataclasses import dataclass

from sightline_supervisor.drift_runs import compute_drift
from sightline_supervisor.folder_lock import FolderLock
from sightline_supervisor.ports import check_ports
from sightline_supervisor.process import Launcher
from sightline_supervisor.role import Role, Step
from sightline_supervisor.roles import base_env, platform_roles, shared_env
from sightline_supervisor.screen import Screen
from sightline_supervisor.settings import SupervisorSettings, connectable
from sightline_supervisor.store_keys import StoreKeys, is_ours, key_file, store_keys
from sightline_supervisor.supervise import Supervisor

STORE = "store"
"""Name of the role that is the embedded store."""
CUT_OFF_PATIENCE_S = 8.0
"""Wait this long, in seconds, for the ports of a run that was killed: its processes end within the grace period."""


@dataclass(frozen=True)
class UpOptions:
    """What the command line says beside the settings."""

    open_browser: bool = False
    """Open the dashboards in the browser when they are ready."""


def check_start(lock: FolderLock, roles: list[Role], screen: Screen) -> None:
    """Check the ports of all roles, patiently when the last run on this folder was cut off.

    Raises:
        PortsTaken: nothing was started.
    """
    if lock.last_run_was_cut_off:
        screen.event("·", "The last run on this folder was cut off; its lock is taken over.")
    check_ports(roles, CUT_OFF_PATIENCE_S if lock.last_run_was_cut_off else 0.0)


async def start_store(supervisor: Supervisor, screen: Screen, roles: list[Role], env: Mapping[str, str]) -> None:
    """Start the store where it is among `roles`, and bring its tables and views up to date before anything uses them.

    A store with rows is backed up before it is changed; where that backup lies is shown.

    Raises:
        StepFailed: the store cannot be upgraded; its log says why and what to do.
    """
    await supervisor.start(role for role in roles if role.name == STORE)
    step = Step("migrate", "bringing the tables up to date", ("sightline-store", "migrate"), env, extra="collector")
    result = await supervisor.run_step(step)
    if "-- snapshot" in result.stdout:
        screen.done("The store was upgraded:")
        screen.block(result.stdout)


def open_page(address: str) -> None:
    """Open an address in the browser, where there is one."""
    webbrowser.open(address)


async def up(settings: SupervisorSettings, environ: Mapping[str, str], options: UpOptions, screen: Screen) -> None:
    """Run until a role fails for good (`RoleFailed`) or somebody asks for the end (`Stopped`)."""
    begun = time.monotonic()
    env = shared_env(settings)
    roles = platform_roles(settings, env)
    with FolderLock(settings.data_dir) as lock:
        check_start(lock, roles, screen)
        launcher = Launcher(settings.data_dir / "logs", settings.stop_timeout_s, base_env(environ))
        async with Supervisor(launcher, screen, grace_s=settings.stop_timeout_s) as supervisor:
            keys = await supervisor.guard(store_keys(settings, base_env(environ)))
            tell_renewed(keys, screen)
            roles = platform_roles(settings, env, keys)
            await supervisor.guard(start_store(supervisor, screen, roles, {**env, **keys.admin}))
            await supervisor.guard(supervisor.start(role for role in roles if role.name != STORE))
            screen.done(f"Sightline is ready in {time.monotonic() - begun:.1f} s. Ctrl-C stops it.")
            screen.console.print(_welcome(settings), soft_wrap=True, markup=False)
            if is_ours(settings, environ):
                screen.console.print(key_hint(settings), soft_wrap=True, markup=False)
            if options.open_browser:
                open_page(settings.dashboards_address)
            await supervisor.guard(compute_drift(supervisor, screen, {**env, **keys.reader}, settings.drift_window_s))
            await supervisor.run_until_stopped()


def tell_renewed(keys: StoreKeys, screen: Screen) -> None:
    """Say which keys were replaced: whoever holds the old ones is let in no more."""
    for file in keys.renewed:
        screen.warn(f"The store's key in {file} no longer held; a new one was made.")


def key_hint(settings: SupervisorSettings) -> str:
    """Say how another terminal may ask the store."""
    return f"""Ask the store from another terminal (reads; admin.key beside it writes):
  export SIGHTLINE_STORE_URL={settings.store_address}
  export SIGHTLINE_STORE_PASSWORD=$(cat {key_file(settings, "reader")})
"""


def _welcome(settings: SupervisorSettings) -> str:
    return f"""
  Dashboards     {settings.dashboards_address}
  OTLP over HTTP {settings.collector_address}
  OTLP over gRPC {connectable(settings.collector_host)}:{settings.collector_grpc_port}

Trace your own code:
  pip install ./instrumentation
  export OTEL_EXPORTER_OTLP_ENDPOINT={settings.collector_address}
  import sightline; sightline.configure(service_name="my-app")   # then @sightline.request above your handler
"""
