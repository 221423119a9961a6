"""Command line over environment over default."""

from pathlib import Path

import pytest

from sightline_supervisor.errors import SettingInvalid
from sightline_supervisor.roles import base_env, demo_env, demo_roles, platform_roles, shared_env
from sightline_supervisor.settings import SupervisorSettings, connectable
from sightline_supervisor.store_keys import StoreKeys


def test_option_wins_over_environment_over_default() -> None:
    """Each source is used only where the stronger one is silent."""
    env = {"SIGHTLINE_STORE_PORT": "18123", "SIGHTLINE_COLLECTOR_HTTP_PORT": "14318", "SIGHTLINE_DASHBOARDS_PORT": ""}
    settings = SupervisorSettings.from_env(env, store_port=28123, collector_port=None)
    assert (settings.store_port, settings.collector_port, settings.dashboards_port) == (28123, 14318, 8501)


@pytest.mark.parametrize("text", ["0", "65536", "http"])
def test_bad_port_names_its_variable(text: str) -> None:
    """The message names what to change."""
    with pytest.raises(SettingInvalid, match="SIGHTLINE_STORE_PORT"):
        SupervisorSettings.from_env({"SIGHTLINE_STORE_PORT": text})


def test_folders_lie_in_the_data_folder_unless_set(tmp_path: Path) -> None:
    """One `--data` moves everything; a role's own variable still wins."""
    settings = SupervisorSettings.from_env({"SIGHTLINE_APP_DATA_DIR": str(tmp_path / "mine")}, data_dir=tmp_path)
    assert settings.folder("store") == tmp_path / "store"
    assert settings.folder("collector_spool") == tmp_path / "spool"
    assert settings.folder("app") == tmp_path / "mine"


def test_roles_find_each_other_by_the_chosen_ports(tmp_path: Path) -> None:
    """A moved port is the same in every role's environment and in the address that is probed."""
    settings = SupervisorSettings(data_dir=tmp_path, store_port=1234, collector_port=2345)
    roles = {role.name: role for role in platform_roles(settings, shared_env(settings))}
    assert roles["store"].health_url == "http://127.0.0.1:1234/ping"
    assert roles["dashboards"].env["SIGHTLINE_STORE_URL"] == "http://127.0.0.1:1234"
    assert roles["store"].env["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://127.0.0.1:2345"
    assert roles["store"].ports[0].flag == "--port-store"


def test_what_the_user_names_is_not_started(tmp_path: Path) -> None:
    """A ClickHouse, Weaviate, Redis or model of the user's own replaces ours, and is passed on."""
    env = {
        "SIGHTLINE_STORE_URL": "http://ch:8123",
        "WEAVIATE_URL": "http://wv",
        "OPENAI_BASE_URL": "https://llm/v1",
        "REDIS_URL": "redis://r:6379/0",
    }
    settings = SupervisorSettings.from_env(env, data_dir=tmp_path)
    own = demo_env(settings, env)
    assert [role.name for role in demo_roles(settings, own, with_weaviate=True, with_redis=True)] == [
        "collector",
        "janitor",
        "dashboards",
        "alerts",
        "app",
    ]
    assert (own["SIGHTLINE_STORE_URL"], own["OPENAI_BASE_URL"]) == ("http://ch:8123", "https://llm/v1")
    assert "SIGHTLINE_PRICED_AS" not in own


def test_alert_rules_are_evaluated_unless_turned_off(tmp_path: Path) -> None:
    """By a role that writes into the store, remembers in the data folder and links to these pages."""
    keys = StoreKeys(admin={"SIGHTLINE_STORE_PASSWORD": "writes"}, reader={"SIGHTLINE_STORE_PASSWORD": "reads"})
    settings = SupervisorSettings.from_env({}, data_dir=tmp_path, dashboards_port=8600)
    (role,) = [each for each in platform_roles(settings, {}, keys) if each.name == "alerts"]
    assert role.command == ("sightline-dashboards", "alerts", "run")
    assert role.env == {
        "SIGHTLINE_STORE_PASSWORD": "writes",
        "SIGHTLINE_ALERTS_STATE_DIR": str(tmp_path / "alerts"),
        "SIGHTLINE_ALERTS_DASHBOARDS_URL": "http://127.0.0.1:8600",
    }
    assert (role.start_after, role.restart.required) == (("store",), False)
    env = {
        "SIGHTLINE_ALERTS_DASHBOARDS_URL": "https://pages.test",
        "SIGHTLINE_ALERTS_STATE_DIR": str(tmp_path / "mine"),
    }
    (role,) = [each for each in platform_roles(SupervisorSettings.from_env(env), {}, keys) if each.name == "alerts"]
    assert set(role.env.values()) == {"writes", "https://pages.test", str(tmp_path / "mine")}
    off = SupervisorSettings.from_env({"SIGHTLINE_ALERTS": "false"}, data_dir=tmp_path)
    assert "alerts" not in [each.name for each in platform_roles(off, {}, keys)]


def test_local_model_is_priced_as_a_hosted_one(tmp_path: Path) -> None:
    """Only where the local model answers, and the user's choice wins."""
    local = SupervisorSettings(data_dir=tmp_path)
    assert demo_env(local, {})["SIGHTLINE_PRICED_AS"] == "openai/gpt-4o-mini"
    chosen = SupervisorSettings.from_env({"SIGHTLINE_PRICED_AS": "anthropic/claude-haiku"}, data_dir=tmp_path)
    assert demo_env(chosen, {})["SIGHTLINE_PRICED_AS"] == "anthropic/claude-haiku"


def test_chosen_model_and_its_key_reach_the_model_and_the_app(tmp_path: Path) -> None:
    """One variable decides for both; the key of the local model is what the app sends."""
    assert demo_env(SupervisorSettings(data_dir=tmp_path), {})["SIGHTLINE_MODEL"] == "smollm2"
    env = {"SIGHTLINE_MODEL": "extractive", "SIGHTLINE_MODEL_API_KEY": "k", "OPENAI_API_KEY": "of-another-service"}
    own = demo_env(SupervisorSettings.from_env(env, data_dir=tmp_path), env)
    assert (own["SIGHTLINE_MODEL"], own["OPENAI_API_KEY"]) == ("extractive", "k")
    settings = SupervisorSettings(data_dir=tmp_path)
    roles = {role.name: role for role in demo_roles(settings, own, with_weaviate=False, with_redis=True)}
    assert (roles["redis"].health_url, roles["redis"].restart.required) == ("tcp://127.0.0.1:8078", False)
    assert "redis" in roles["app"].start_after
    assert roles["model"].health_url == "http://127.0.0.1:8081/health"
    assert not roles["model"].restart.may_restart(1, 3)


def test_roles_neither_use_a_proxy_for_this_machine_nor_report_elsewhere() -> None:
    """A company proxy or an exporter setting of the shell does not lead the roles' traffic away."""
    env = base_env({"NO_PROXY": "intern", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://far", "PATH": "/bin"})
    assert env["NO_PROXY"] == "intern,127.0.0.1,localhost,::1"
    assert env["no_proxy"] == "127.0.0.1,localhost,::1"
    assert "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" not in env
    assert env["PATH"] == "/bin"


@pytest.mark.parametrize(
    ("host", "expected"), [("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("h", "h")]
)
def test_wildcard_addresses_are_reached_on_loopback(host: str, expected: str) -> None:
    """A server that binds everything is asked on this machine."""
    assert connectable(host) == expected
