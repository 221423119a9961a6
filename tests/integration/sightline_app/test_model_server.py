"""`sightline-model` with the real SmolLM2 in llama.cpp, as a process of its own; all answers are short and greedy."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from rich.console import Console
from role_process import Role, free_port

from sightline import semconv
from sightline.testing import captured
from sightline_app.errors import ModelRefused, ModelUnavailable
from sightline_app.generator import Generator
from sightline_app.model_server import weights
from sightline_app.settings import AppSettings, ModelSettings, RouteSettings
from sightline_supervisor.process import Launcher
from sightline_supervisor.roles import model_role
from sightline_supervisor.screen import Screen
from sightline_supervisor.settings import SupervisorSettings
from sightline_supervisor.supervise import Supervisor

NAME = "smollm2-135m-instruct"
SYSTEM = "You answer in one short sentence and cite passages like [1]. " * 3
MESSAGES = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "[1] Tea is hot.\n\nIs tea hot?"}]


def chat(**more: Any) -> dict[str, Any]:
    """A greedy request of few tokens."""
    return {"model": NAME, "messages": MESSAGES, "max_tokens": 8, "temperature": 0, "seed": 1, **more}


def start(folder: Path, name: str = "model", **env: str) -> tuple[Role, str]:
    """A running server and its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    role = Role(
        ["sightline-model"], {"SIGHTLINE_MODEL_PORT": str(port), **env}, f"{url}/health", folder / f"{name}.log"
    )
    role.start()
    return role, url


@pytest.fixture(scope="module", name="url")
def _url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    role, url = start(tmp_path_factory.mktemp("model"))
    yield url
    assert role.stop() == 0, role.tail()


def chunks(answer: str) -> list[dict[str, Any]]:
    """The data of a stream."""
    return [json.loads(line[6:]) for line in answer.splitlines() if line.startswith("data: {")]


def test_second_answer_reads_its_prompt_from_the_cache(url: str) -> None:
    """Almost no token is read again; with the same cache the same request gives the same text."""
    told = []
    for _ in range(3):
        body = chat(stream=True, stream_options={"include_usage": True})
        answer = httpx.post(f"{url}/v1/chat/completions", json=body, timeout=60)
        assert answer.headers["content-type"].startswith("text/event-stream")
        found = chunks(answer.text)
        text = "".join(each["choices"][0]["delta"].get("content") or "" for each in found if each["choices"])
        told.append((text, found[-1]["usage"], found[-1]["timings"]))
    (_, _, first), (text, usage, timings), (again, _, _) = told
    assert text
    assert text == again
    assert timings["cache_n"] >= first["cache_n"]
    assert usage["prompt_tokens_details"]["cached_tokens"] == timings["cache_n"] > 20
    assert timings["cache_n"] + timings["prompt_n"] == usage["prompt_tokens"]
    assert 0 < usage["completion_tokens"] <= 8


def test_what_is_asked_for_is_checked_before_it_costs_anything(url: str) -> None:
    """Another model, no JSON, and paths of the engine that are not for clients."""
    post = f"{url}/v1/chat/completions"
    other = httpx.post(post, json=chat(model="gpt-4o"))
    assert (other.status_code, other.json()["error"]["code"]) == (404, "model_not_found")
    assert httpx.post(post, content=b"{").status_code == 400
    assert httpx.post(post, json=chat(messages="x")).status_code == 400
    for path in ("/slots", "/props", "/completion", "/v1/embeddings"):
        assert httpx.get(url + path).status_code == 404
    foreign = httpx.post(post, json=chat(), headers={"origin": "https://evil.example"})
    assert (foreign.status_code, "access-control-allow-origin" in foreign.headers) == (403, False)


def test_client_that_leaves_frees_its_slot(url: str) -> None:
    """Queue and slots are on /metrics, and an abandoned answer is computed no further."""

    def processing() -> float:
        page = httpx.get(f"{url}/metrics").text
        assert "sightline_model_slots 2\n" in page
        assert "sightline_model_requests_waiting 0\n" in page
        (line,) = (line for line in page.splitlines() if line.startswith("llamacpp:requests_processing "))
        return float(line.split()[1])

    with httpx.stream(
        "POST", f"{url}/v1/chat/completions", json=chat(stream=True, max_tokens=3000, ignore_eos=True)
    ) as answer:
        lines = answer.iter_lines()  # kept: without it the stream is closed
        next(lines)
        assert processing() == 1
    deadline = time.monotonic() + 10
    while processing() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processing() == 0


async def test_model_span_tells_queue_and_prompt_apart(url: str) -> None:
    """It names the real provider, what was cached and how long the server read; there is no note."""
    settings = AppSettings(model_base_url=f"{url}/v1", max_output_tokens=4, temperature=0)
    generator = Generator(settings)
    await generator.learn_note()
    with captured(capture="full") as spans:
        async for _ in generator.stream(MESSAGES, time.monotonic() + 60):
            pass
    await generator.close()
    model = spans.attributes(stage="model")
    assert generator.note is None
    assert semconv.MODEL_NOTE not in model
    assert (model[semconv.GEN_AI_PROVIDER_NAME], model[semconv.GEN_AI_REQUEST_MODEL]) == ("llama.cpp", NAME)
    waited = model[semconv.MODEL_QUEUE_DURATION] + model[semconv.MODEL_PROMPT_DURATION]
    assert waited == pytest.approx(model[semconv.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK], abs=0.05)
    assert model[semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS] > 20
    assert model[semconv.MODEL_OUTPUT_DURATION] > 0


async def test_deadline_holds_while_the_model_is_waited_for() -> None:
    """A server that accepts and says nothing: the request ends at its own time limit, and the message names it."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        base_url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        generator = Generator(AppSettings(model_base_url=base_url, request_timeout_s=7))
        begun = time.monotonic()
        with pytest.raises(ModelUnavailable, match="longer than SIGHTLINE_APP_REQUEST_TIMEOUT_S=7"):
            async for _ in generator.stream(MESSAGES, begun + 0.2):
                pass
        assert time.monotonic() - begun < 5
        await generator.close()


async def test_two_models_run_beside_each_other(url: str, tmp_path: Path) -> None:
    """A second server on another port, with a file, a name and a key of its own, is the app's second endpoint."""
    file = weights.find(ModelSettings()).path
    env = {"SIGHTLINE_MODEL_FILE": str(file), "SIGHTLINE_MODEL_NAME": "second", "SIGHTLINE_MODEL_API_KEY": "k2"}
    env |= {"SIGHTLINE_MODEL_SLOTS": "1", "SIGHTLINE_MODEL_MAX_WAITING": "0", "SIGHTLINE_MODEL_CONTEXT_TOKENS": "512"}
    role, second_url = start(tmp_path, **env)
    try:
        settings = AppSettings(
            model_base_url=f"{url}/v1",
            route=RouteSettings(large_base_url=f"{second_url}/v1", large_model="second", large_api_key="k2"),
            max_output_tokens=2,
        )
        for endpoint in (settings.endpoint, settings.large_endpoint):
            generator = Generator(settings, endpoint)
            found = [chunk async for chunk in generator.stream(MESSAGES)]
            assert {chunk["model"] for chunk in found} == {endpoint.model if endpoint else ""}
            await generator.close()
        assert httpx.get(f"{second_url}/v1/models").json()["error"]["code"] == "invalid_api_key"
        keyed = {"authorization": "Bearer k2"}
        long = chat(model="second", stream=True, max_tokens=400, ignore_eos=True)
        with httpx.stream("POST", f"{second_url}/v1/chat/completions", json=long, headers=keyed) as answer:
            lines = answer.iter_lines()
            next(lines)
            full = httpx.post(f"{second_url}/v1/chat/completions", json=chat(model="second"), headers=keyed)
            assert full.status_code == 503
            assert "SIGHTLINE_MODEL_MAX_WAITING=0" in full.json()["error"]["message"]
            assert role.process is not None
            role.process.send_signal(signal.SIGTERM)  # while it streams
            begun = time.monotonic()
            assert role.process.wait(10) == 0, role.tail()
            assert time.monotonic() - begun < 4
            with contextlib.suppress(httpx.RemoteProtocolError):
                assert "[DONE]" not in "".join(lines)
    finally:
        role.stop()
    assert "Traceback" not in role.tail()


def run(**env: str) -> tuple[int, str]:
    """Exit code and standard error of a server that cannot start."""
    command = [Path(sys.executable).with_name("sightline-model")]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SIGHTLINE_")}
    done = subprocess.run(command, env=kept | env, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


def test_start_that_cannot_work_ends_with_code_2_and_the_reason(url: str, tmp_path: Path) -> None:
    """A taken port, a wrong hash, and an architecture that the engine does not know."""
    code, said = run(SIGHTLINE_MODEL_PORT=url.rpartition(":")[2])
    assert code == 2
    assert "SIGHTLINE_MODEL_PORT" in said
    assert "Address already in use" in said
    file = tmp_path / "odd.gguf"
    shutil.copyfile(weights.find(ModelSettings()).path, file)
    with pytest.raises(ModelRefused, match="has the SHA-256"):
        weights.find(ModelSettings(file=file, sha256="1" * 64))
    with file.open("r+b") as odd:
        head = odd.read(4096)
        odd.seek(head.index(b"llama", head.index(b"general.architecture")))
        odd.write(b"lxama")
    port = str(free_port())
    code, said = run(SIGHTLINE_MODEL_PORT=port, SIGHTLINE_MODEL_FILE=str(file), SIGHTLINE_MODEL_SHA256=weights.SHA256)
    assert (code, "has the SHA-256" in said) == (2, True)
    code, said = run(SIGHTLINE_MODEL_PORT=port, SIGHTLINE_MODEL_FILE=str(file))
    assert (code, f"llama.cpp cannot load {file}" in said) == (2, True)
    assert "lxama" in said


@contextlib.asynccontextmanager
async def supervised(folder: Path, port: int) -> AsyncIterator[io.StringIO]:
    """The model as a role of the supervisor; its screen as text."""
    out = io.StringIO()
    screen = Screen(Console(file=out, width=200))
    env = {"SIGHTLINE_MODEL_PORT": str(port), "SIGHTLINE_MODEL_SLOTS": "1"}
    launcher = Launcher(folder / "logs", 5.0, dict(os.environ))
    async with Supervisor(launcher, screen) as supervisor:
        await supervisor.start([model_role(SupervisorSettings(data_dir=folder, model_port=port), env)])
        yield out


async def test_killed_model_is_a_clear_error_and_comes_back(tmp_path: Path) -> None:
    """Kill -9 in the middle of an answer: the app's error says what happened; after the restart it answers again."""
    port = free_port()
    generator = Generator(AppSettings(model_base_url=f"http://127.0.0.1:{port}/v1", max_output_tokens=300))
    async with supervised(tmp_path, port) as screen:
        answer = generator.stream([*MESSAGES, {"role": "user", "content": "Count from one to a hundred."}])
        await anext(answer)
        (pid,) = _pids(port)
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(ModelUnavailable, match=r"the model at .* broke off"):
            async for _ in answer:
                pass
        with pytest.raises(ModelUnavailable, match="is not reachable"):
            async for _ in generator.stream(MESSAGES):
                pass
        deadline = time.monotonic() + 30
        while screen.getvalue().count("model ready") < 2 and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        assert "model was ended by SIGKILL" in screen.getvalue()
        assert [chunk async for chunk in generator.stream([{"role": "user", "content": "Hi"}], time.monotonic() + 30)]
    await generator.close()


def _pids(port: int) -> list[int]:
    import psutil

    return [
        each.pid
        for each in psutil.Process().children(recursive=True)
        if each.environ().get("SIGHTLINE_MODEL_PORT") == str(port) and "sightline-model" in " ".join(each.cmdline())
    ]
