"""The model repository for Triton: what its files say of tensors fits together and fits the graph."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from sightline_app.embeddings import graph, weights

_FOLDER = Path(__file__).parents[3] / "deploy" / "triton"
_MODELS = ("minilm", "minilm_tokens", "minilm_network")


def config(model: str) -> str:
    """The configuration of a model, without comments."""
    text = (_FOLDER / "model_repository" / model / "config.pbtxt").read_text()
    return re.sub(r"#.*", "", text)


def tensors(model: str, kind: str) -> dict[str, str]:
    """Names and dims of the inputs or outputs of a model."""
    (block,) = re.findall(rf"^{kind} \[(.*?)\s\]\n", config(model), re.DOTALL | re.MULTILINE)
    return dict(re.findall(r'name: "(\w+)" data_type: \w+ dims: \[ (-?\d+) \]', block))


@pytest.mark.parametrize("model", _MODELS)
def test_each_model_is_in_a_folder_of_its_name_with_a_version(model: str) -> None:
    """Triton looks there."""
    assert f'name: "{model}"' in config(model)
    assert (_FOLDER / "model_repository" / model / "1").is_dir()


def test_steps_pass_on_what_the_models_have() -> None:
    """Texts in, vectors out; every tensor between the steps is written by one and read by the other."""
    assert (tensors("minilm", "input"), tensors("minilm", "output")) == ({"TEXT": "1"}, {"VECTOR": "384"})
    steps = re.findall(r'model_name: "(\w+)".*?(?=model_name|\Z)', config("minilm"), re.DOTALL)
    assert steps == ["minilm_tokens", "minilm_network"]
    first, second = re.split(r'model_name: "minilm_network"', config("minilm"))
    maps = r'{kind}_map {{ key: "(\w+)" value: "(\w+)" }}'
    written = dict(re.findall(maps.format(kind="output"), first))
    read = dict(re.findall(maps.format(kind="input"), second))
    assert set(written) == set(tensors("minilm_tokens", "output"))
    assert set(read) == set(tensors("minilm_network", "input"))
    assert set(written.values()) == set(read.values())


def test_network_has_the_tensors_of_the_graph() -> None:
    """Of the one that `sightline-app quantize` builds."""
    told = str(graph.__doc__)
    named = {*tensors("minilm_network", "input"), *tensors("minilm_network", "output")}
    assert named == {"input_ids", "attention_mask", "vectors"}
    assert all(f"``{name}``" in told for name in named)
    assert tensors("minilm_network", "output") == {"vectors": str(weights.DIMENSIONS)}
    assert "dynamic_batching" in config("minilm_network")


def test_tokens_are_those_that_the_model_reads() -> None:
    """The Python backend's file can be read, and pads to the same length as the tensors say."""
    source = (_FOLDER / "model_repository" / "minilm_tokens" / "1" / "model.py").read_text()
    names = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    assert names["MAX_TOKENS"] == weights.MAX_TOKENS
    assert set(tensors("minilm_tokens", "output").values()) == {str(weights.MAX_TOKENS)}
    assert all(f'"{name}"' in source for name in tensors("minilm_tokens", "output"))


def test_manifest_fits_the_schema() -> None:
    """Strictly, as those of `deploy/kubernetes`."""
    for each in yaml.safe_load_all((_FOLDER / "triton.yaml").read_text()):
        kubernetes_validate.validate(each, "1.33", strict=True)


def test_files_say_that_they_were_not_run() -> None:
    """Whoever takes them must know."""
    assert "not run" in (_FOLDER / "README.md").read_text()
    assert "Not run" in (_FOLDER / "triton.yaml").read_text()
