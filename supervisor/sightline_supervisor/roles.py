"""The roles of Sightline as the supervisor sees them: console script, addresses, and the environment that ties them."""

from __future__ import annotations

from collections.abc import Mapping

from sightline_supervisor.role import PortUse, RestartPolicy, Role
from sightline_supervisor.settings import SupervisorSettings, connectable
from sightline_supervisor.store_keys import NO_KEYS, StoreKeys

DEFAULT_PRICED_AS = "openai/gpt-4o-mini"
"""Hosted model whose prices the demo puts on the tokens of the local, free one."""
CANNOT_BE_HAD = 3
"""Exit code of `sightline-weaviate --install-only` and `sightline-redis --find-only` when no server is to be had."""
MODEL_NOT_INSTALLED = 3
"""Exit code of `sightline-model` when the language model is not installed or cannot run on this processor."""
_LOOPBACK = "127.0.0.1,localhost,::1"


def base_env(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment that all roles start from.

    The user's own OpenTelemetry exporter settings are left out, because the roles report to the collector that runs
    beside them; proxies are kept, but never used for this machine.
    """
    env = {
        name: value
        for name, value in environ.items()
        if not name.startswith("OTEL_EXPORTER_OTLP_") and name not in ("OTEL_TRACES_EXPORTER", "OTEL_SDK_DISABLED")
    }
    for name in ("NO_PROXY", "no_proxy"):
        env[name] = ",".join(part for part in (env.get(name, ""), _LOOPBACK) if part)
    env["PYTHONUNBUFFERED"] = "1"
    env.setdefault("TQDM_MININTERVAL", "1")  # progress bars in logs once a second
    return env


def shared_env(settings: SupervisorSettings) -> dict[str, str]:
    """Return the variables by which the roles find each other and their folders."""
    return {
        "SIGHTLINE_STORE_URL": settings.store_address,
        "SIGHTLINE_STORE_HOST": settings.store_host,
        "SIGHTLINE_STORE_PORT": str(settings.store_port),
        "SIGHTLINE_STORE_DATA_DIR": str(settings.folder("store")),
        "SIGHTLINE_COLLECTOR_HOST": settings.collector_host,
        "SIGHTLINE_COLLECTOR_HTTP_PORT": str(settings.collector_port),
        "SIGHTLINE_COLLECTOR_GRPC_PORT": str(settings.collector_grpc_port),
        "SIGHTLINE_COLLECTOR_SPOOL_DIR": str(settings.folder("collector_spool")),
        "SIGHTLINE_COLLECTOR_KEYS_FILE": str(settings.data_dir / "keys.json"),
        "SIGHTLINE_DASHBOARDS_HOST": settings.dashboards_host,
        "SIGHTLINE_DASHBOARDS_PORT": str(settings.dashboards_port),
        "OTEL_EXPORTER_OTLP_ENDPOINT": settings.collector_address,
    }


def demo_env(settings: SupervisorSettings, environ: Mapping[str, str]) -> dict[str, str]:
    """Return `shared_env` and what the reference application, its model and its Weaviate need."""
    env = {
        **shared_env(settings),
        "SIGHTLINE_APP_HOST": settings.app_host,
        "SIGHTLINE_APP_PORT": str(settings.app_port),
        "SIGHTLINE_APP_DATA_DIR": str(settings.folder("app")),
        "SIGHTLINE_MODEL_HOST": settings.model_host,
        "SIGHTLINE_MODEL_PORT": str(settings.model_port),
        "OPENAI_BASE_URL": settings.model_address,
        "SIGHTLINE_WEAVIATE_HOST": settings.weaviate_host,
        "SIGHTLINE_WEAVIATE_PORT": str(settings.weaviate_port),
        "SIGHTLINE_WEAVIATE_GRPC_PORT": str(settings.weaviate_grpc_port),
        "SIGHTLINE_WEAVIATE_DATA_DIR": str(settings.folder("weaviate")),
        "SIGHTLINE_REDIS_HOST": settings.redis_host,
        "SIGHTLINE_REDIS_PORT": str(settings.redis_port),
        "SIGHTLINE_REDIS_DATA_DIR": str(settings.folder("redis")),
        "SIGHTLINE_APP_DASHBOARDS_URL": environ.get("SIGHTLINE_APP_DASHBOARDS_URL") or settings.dashboards_address,
        # Scores and the pages need questions, passages and answers; they stay on this machine.
        "SIGHTLINE_CAPTURE": environ.get("SIGHTLINE_CAPTURE") or "full",
        # A model's price is looked up when it is first seen; the summary should not wait half a minute for it.
        "SIGHTLINE_JANITOR_PRICES_INTERVAL_S": environ.get("SIGHTLINE_JANITOR_PRICES_INTERVAL_S") or "5",
    }
    if settings.openai_base_url is None:
        env["OPENAI_API_KEY"] = environ.get("SIGHTLINE_MODEL_API_KEY") or environ.get("OPENAI_API_KEY") or "local"
        env["SIGHTLINE_MODEL"] = settings.model or "smollm2"
    priced_as = settings.priced_as or (DEFAULT_PRICED_AS if settings.openai_base_url is None else None)
    if priced_as:
        env["SIGHTLINE_PRICED_AS"] = priced_as
    return env


def _port(settings: SupervisorSettings, name: str, flag: str) -> PortUse:
    host = f"{name.removesuffix('_grpc')}_host"
    return PortUse(
        getattr(settings, host), getattr(settings, f"{name}_port"), flag, SupervisorSettings.variable(f"{name}_port")
    )


def store_role(settings: SupervisorSettings, env: Mapping[str, str]) -> Role:
    """Return the embedded store: chDB in a process of its own, speaking ClickHouse's HTTP interface.

    It runs statements of others and needs no secret, so it is given none.
    """
    return Role(
        name="store",
        command=("sightline-store", "serve"),
        health_url=f"{settings.store_address}/ping",
        env=env,
        without_secrets=True,
        ports=(_port(settings, "store", "--port-store"),),
        ready_timeout_s=settings.ready_timeout_s,
        extra="embedded",
        address=settings.store_address,
    )


def collector_role(settings: SupervisorSettings, env: Mapping[str, str]) -> Role:
    """Return the collector; it accepts durably while the store is still starting, so it waits for nothing."""
    return Role(
        name="collector",
        command=("sightline-collector", "serve"),
        health_url=f"{settings.collector_address}/healthz",
        env=env,
        ports=(
            _port(settings, "collector", "--port-collector"),
            _port(settings, "collector_grpc", "--port-collector-grpc"),
        ),
        ready_timeout_s=settings.ready_timeout_s,
        extra="collector",
        address=settings.collector_address,
    )


def janitor_role(settings: SupervisorSettings, env: Mapping[str, str]) -> Role:
    """Return the housekeeping of the store; of several on one store, one acts."""
    return Role(
        name="janitor",
        command=("sightline-store", "janitor"),
        env=env,
        start_after=("store",),
        ready_timeout_s=settings.ready_timeout_s,
        restart=RestartPolicy(required=False),
        extra="collector",
    )


def dashboards_role(settings: SupervisorSettings, env: Mapping[str, str]) -> Role:
    """Return the dashboards."""
    return Role(
        name="dashboards",
        command=("sightline-dashboards",),
        health_url=f"{settings.dashboards_address}/_stcore/health",
        env=env,
        ports=(_port(settings, "dashboards", "--port-dashboards"),),
        ready_timeout_s=settings.ready_timeout_s,
        extra="dashboards",
        address=settings.dashboards_address,
    )


def alerts_role(settings: SupervisorSettings, env: Mapping[str, str]) -> Role:
    """Return the evaluator of alert rules; of several on one store, one acts. The rest goes on without it."""
    return Role(
        name="alerts",
        command=("sightline-dashboards", "alerts", "run"),
        env={
            **env,
            "SIGHTLINE_ALERTS_STATE_DIR": str(settings.folder("alerts")),
            "SIGHTLINE_ALERTS_DASHBOARDS_URL": settings.alerts_dashboards_url or settings.dashboards_address,
        },
        start_after=("store",),
        ready_timeout_s=settings.ready_timeout_s,
        restart=RestartPolicy(required=False),
        extra="dashboards",
    )


def weaviate_role(settings: SupervisorSettings, env: Mapping[str, str]) -> Role:
    """Return the local Weaviate server."""
    return Role(
        name="weaviate",
        command=("sightline-weaviate",),
        health_url=f"{settings.weaviate_address}/v1/.well-known/ready",
        env=env,
        ports=(
            _port(settings, "weaviate", "--port-weaviate"),
            _port(settings, "weaviate_grpc", "--port-weaviate-grpc"),
        ),
        ready_timeout_s=settings.ready_timeout_s,
        restart=RestartPolicy(final_codes=frozenset({2, CANNOT_BE_HAD})),
        extra="app",
        address=settings.weaviate_address,
    )


def redis_role(settings: SupervisorSettings, env: Mapping[str, str]) -> Role:
    """Return the local Redis, which keeps conversations and limits; without it the app goes on and says so."""
    return Role(
        name="redis",
        command=("sightline-redis",),
        health_url=f"tcp://{connectable(settings.redis_host)}:{settings.redis_port}",
        env=env,
        ports=(_port(settings, "redis", "--port-redis"),),
        ready_timeout_s=settings.ready_timeout_s,
        restart=RestartPolicy(final_codes=frozenset({2, CANNOT_BE_HAD}), required=False),
        extra="app",
        address=f"redis://{connectable(settings.redis_host)}:{settings.redis_port}",
    )


def model_role(settings: SupervisorSettings, env: Mapping[str, str]) -> Role:
    """Return the local, OpenAI-compatible model server; it is ready when the model is loaded."""
    return Role(
        name="model",
        command=("sightline-model",),
        health_url=f"{settings.model_address.removesuffix('/v1')}/health",
        restart=RestartPolicy(final_codes=frozenset({2, MODEL_NOT_INSTALLED})),
        env=env,
        ports=(_port(settings, "model", "--port-model"),),
        ready_timeout_s=settings.ready_timeout_s,
        extra="app",
        address=settings.model_address,
    )


def app_role(settings: SupervisorSettings, env: Mapping[str, str]) -> Role:
    """Return the reference application."""
    return Role(
        name="app",
        command=("sightline-app", "serve"),
        health_url=f"{settings.app_address}/healthz",
        env=env,
        ports=(_port(settings, "app", "--port-app"),),
        start_after=("store", "collector", "weaviate", "redis", "model"),
        ready_timeout_s=settings.ready_timeout_s,
        extra="app",
        address=settings.app_address,
    )


def platform_roles(settings: SupervisorSettings, env: Mapping[str, str], keys: StoreKeys = NO_KEYS) -> list[Role]:
    """Return what `sightline up` runs: store (unless another one is named), collector, janitor, dashboards, alerts."""
    store = [] if settings.store_url else [store_role(settings, env)]
    return [
        *store,
        collector_role(settings, {**env, **keys.admin}),
        janitor_role(settings, {**env, **keys.admin}),
        dashboards_role(settings, {**env, **keys.reader}),
        *([alerts_role(settings, {**env, **keys.admin})] if settings.alerts else []),
    ]


def demo_roles(
    settings: SupervisorSettings,
    env: Mapping[str, str],
    keys: StoreKeys = NO_KEYS,
    *,
    with_weaviate: bool,
    with_redis: bool,
) -> list[Role]:
    """Return what the demo runs; Weaviate, Redis and the model only where no other one is named."""
    roles = platform_roles(settings, env, keys)
    if with_weaviate and not settings.weaviate_url:
        roles.append(weaviate_role(settings, env))
    if with_redis and not settings.redis_secret_url:
        roles.append(redis_role(settings, env))
    if settings.openai_base_url is None:
        roles.append(model_role(settings, env))
    return [*roles, app_role(settings, {**env, **keys.admin})]
