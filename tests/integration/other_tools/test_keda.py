"""The KEDA objects of `deploy/kubernetes` against KEDA's own definition, which the Go module proxy has."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

pytestmark = pytest.mark.peers

_KEDA = "github.com/kedacore/keda/v2@v2.15.1"
_DEFINITION = f"{_KEDA}/config/crd/bases/keda.sh_scaledobjects.yaml"
_FOLDER = Path(__file__).parents[3] / "deploy" / "kubernetes"


@pytest.fixture(name="validator", scope="module")
def _validator(tmp_path_factory: pytest.TempPathFactory) -> Draft202012Validator:
    """Checks a ScaledObject; the definition stays in Go's cache and is not brought into the project."""
    go = shutil.which("go")
    if go is None:
        pytest.skip("NO GO: the definition of KEDA's ScaledObject cannot be had, so it is not checked")
    command = [go, "mod", "download", "-json", _KEDA]
    env = {**os.environ, "GOFLAGS": "-mod=mod", "GOWORK": "off"}
    where = tmp_path_factory.mktemp("go")
    try:
        done = subprocess.run(command, cwd=where, env=env, capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"NO KEDA: the Go module proxy did not send {_KEDA} within a minute")
    if done.returncode:
        pytest.skip(f"NO KEDA: {_KEDA} cannot be had from the Go module proxy: {done.stdout or done.stderr}")
    with zipfile.ZipFile(json.loads(done.stdout)["Zip"]) as module:
        definition: dict[str, Any] = yaml.safe_load(module.read(_DEFINITION))
    (version,) = [each for each in definition["spec"]["versions"] if each["name"] == "v1alpha1"]
    return Draft202012Validator(_strict(version["schema"]["openAPIV3Schema"]))


def _strict(schema: Any) -> Any:
    """Let objects whose fields are told have no others, as Kubernetes' own validation of unknown fields does."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _strict(value) for name, value in schema.items()}
    if (
        isinstance(found.get("properties"), dict)
        and "additionalProperties" not in found
        and found.get("type") == "object"
    ):
        found["additionalProperties"] = False
    return found


def scaled_objects() -> list[dict[str, Any]]:
    """All of them; what `kubectl apply` reads of `metadata` is no part of the definition."""
    documents = [each for file in sorted(_FOLDER.glob("*.yaml")) for each in yaml.safe_load_all(file.read_text())]
    return [each | {"metadata": {}} for each in documents if each["apiVersion"].startswith("keda.sh/")]


def test_scaled_objects_fit_the_definition(validator: Draft202012Validator) -> None:
    """Every field is one that KEDA knows, with a value of its type."""
    found = scaled_objects()
    assert [each["kind"] for each in found] == ["ScaledObject"]
    for each in found:
        assert not [f"{error.json_path}: {error.message}" for error in validator.iter_errors(each)]


def test_check_sees_a_field_that_keda_does_not_know(validator: Draft202012Validator) -> None:
    """The test above can fail."""
    (each,) = scaled_objects()
    each["spec"]["maxReplicas"] = 3
    assert [error.json_path for error in validator.iter_errors(each)] == ["$.spec"]
