"""The manifests for Kubernetes: their schemas, and that they speak of what the roles really have."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from sightline_app.model_server import gateway
from sightline_app.scaling.signals import ScaleSignals, Watched
from sightline_app.settings import AppSettings, ModelSettings
from sightline_roles.settings import Settings

_FOLDER = Path(__file__).parents[3] / "deploy" / "kubernetes"
_VERSIONS = ("1.33", kubernetes_validate.latest_version())
_METRIC = re.compile(r"\bsightline_\w+")


def documents() -> list[dict[str, Any]]:
    """Everything that the manifests hold."""
    return [each for file in sorted(_FOLDER.glob("*.yaml")) for each in yaml.safe_load_all(file.read_text())]


def deployments() -> dict[str, dict[str, Any]]:
    """The Deployments by name."""
    return {each["metadata"]["name"]: each["spec"] for each in documents() if each["kind"] == "Deployment"}


def container(name: str) -> dict[str, Any]:
    """The one container of a Deployment."""
    (found,) = deployments()[name]["template"]["spec"]["containers"]
    return dict(found)


def plain_environment(name: str) -> dict[str, str]:
    """Variables with a value in the manifest."""
    return {each["name"]: each["value"] for each in container(name)["env"] if "value" in each}


@pytest.mark.parametrize("version", _VERSIONS)
def test_manifests_fit_the_schemas(version: str) -> None:
    """Strictly: a field that Kubernetes does not know is an error. KEDA's kind has a test of its own."""
    checked = [each for each in documents() if not each["apiVersion"].startswith("keda.sh/")]
    for each in checked:
        kubernetes_validate.validate(each, version, strict=True)
    assert {each["kind"] for each in checked} == {
        "Deployment",
        "Service",
        "PodDisruptionBudget",
        "HorizontalPodAutoscaler",
    }


def pages() -> str:
    """What both roles show on `/metrics`, each histogram with an observation."""
    signals = ScaleSignals()
    signals.watch(
        Watched(
            open_answers=lambda: 1,
            waiting_answers=lambda: 1,
            waiting_documents=lambda: 0,
            budgets_used=lambda: {"tokens_per_day": 0.5},
            charged_tokens=lambda: 10,
            refused=lambda: {"tokens_per_day": 1},
        )
    )
    signals.record_first_token(0.3)
    page = signals.page().decode()
    signals.close()
    return page + gateway.Counters(ModelSettings()).text()


def test_every_metric_of_a_manifest_is_on_the_page() -> None:
    """An autoscaler that asks for a name that nobody has would never scale, silently."""
    shown = {sample.name for family in text_string_to_metric_families(pages()) for sample in family.samples}
    named = set(_METRIC.findall((_FOLDER / "autoscaling.yaml").read_text()))
    assert named <= shown, named - shown
    assert {"sightline_app_answers_open", "sightline_model_requests_waiting"} <= named


def test_selectors_and_references_meet() -> None:
    """Services, budgets and autoscalers point at Deployments that are there, by labels that their pods have."""
    found = deployments()
    for each in documents():
        spec = each["spec"]
        if each["kind"] == "Service":
            assert spec["selector"] == found[each["metadata"]["name"]]["template"]["metadata"]["labels"]
        elif each["kind"] == "PodDisruptionBudget":
            assert spec["selector"] == found[each["metadata"]["name"]]["selector"]
        elif "scaleTargetRef" in spec:
            assert spec["scaleTargetRef"]["name"] in found
    assert all("replicas" not in spec for spec in found.values())


def test_every_deployment_has_one_autoscaler() -> None:
    """KEDA makes a HorizontalPodAutoscaler of its own: two on one Deployment would fight."""
    targets = [each["spec"]["scaleTargetRef"]["name"] for each in documents() if "scaleTargetRef" in each["spec"]]
    assert sorted(targets) == sorted(deployments())


def test_pods_are_given_time_to_drain() -> None:
    """They are killed only after the sleep, the drain and some seconds more."""
    app, env = deployments()["sightline-app"]["template"]["spec"], plain_environment("sightline-app")
    sleep_s = container("sightline-app")["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert app["terminationGracePeriodSeconds"] >= sleep_s + float(env["SIGHTLINE_APP_DRAIN_S"]) + 10


@pytest.mark.parametrize(("name", "settings"), [("sightline-app", AppSettings), ("sightline-model", ModelSettings)])
def test_variables_are_settings(name: str, settings: type[Settings]) -> None:
    """Each is one that the role reads, or OpenTelemetry's; the values can be."""
    known = set(_variables(settings))
    names = {each["name"] for each in container(name)["env"]}
    assert {each for each in names - known if not each.startswith("OTEL_")} == set()
    secrets = dict.fromkeys(names & {"OPENAI_API_KEY", "SIGHTLINE_MODEL_API_KEY"}, "secret")
    settings.from_env({**plain_environment(name), **secrets})


def _variables(settings: type[Settings]) -> Iterator[str]:
    for each in dataclasses.fields(settings):
        if "env" in each.metadata:
            yield from (variable.format(prefix=settings.prefix) for variable in each.metadata["env"])
        elif isinstance(each.default_factory, type) and issubclass(each.default_factory, Settings):
            yield from _variables(each.default_factory)


def test_probes_ask_for_paths_that_are_there() -> None:
    """The app restarts only where it does not answer at all, and leaves the Service where it is not ready."""
    probes = {kind: container("sightline-app")[f"{kind}Probe"]["httpGet"]["path"] for kind in ("liveness", "readiness")}
    assert probes == {"liveness": "/stats", "readiness": "/readyz"}
