"""llama.cpp in this process: its own HTTP server on a Unix socket, with one model.

The socket is in a folder that only this user can open; `gateway` is the only way in from outside. The engine's server
has no check of the Host header and answers pages of any origin, so it must not listen on a port.

Threads of the engine are told to sleep where they wait for each other (`OMP_WAIT_POLICY`): by default they spin, and
where other processes use the cores, a spinning thread keeps the one that it waits for from running.
"""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from pathlib import Path
from typing import Any

from sightline_app.errors import ModelNotInstalled, ModelRefused
from sightline_app.model_server.weights import WITHOUT, Weights
from sightline_app.settings import ModelSettings

_LOG_WARNINGS = 2
_CACHE_MIB = 256
_REPEAT_PENALTY = 1.1
"""Where a request names none: without it, small models repeat a sentence until their tokens are used up."""
_BATCH_TOKENS = 256
_NEEDED_FLAGS = ("avx2", "bmi2", "f16c", "fma")
_CPU_INFO = Path("/proc/cpuinfo")


def missing_cpu_flags(cpu_info: str) -> list[str]:
    """Return what an x86-64 processor lacks of the instructions that the engine's wheel is compiled for.

    Args:
        cpu_info: the text of ``/proc/cpuinfo``.
    """
    line = next((line for line in cpu_info.splitlines() if line.startswith("flags")), "")
    flags = set(line.partition(":")[2].split())
    return [flag for flag in _NEEDED_FLAGS if flags and flag not in flags]


def load_library() -> Any:
    """Return the module `xllamacpp`.

    Raises:
        ModelNotInstalled: it is not installed, or this processor cannot run it.
    """
    if platform.machine() == "x86_64" and _CPU_INFO.is_file():
        missing = missing_cpu_flags(_CPU_INFO.read_text())
        if missing:  # the import would end this process with SIGILL
            raise ModelNotInstalled(
                f"this processor lacks {', '.join(missing)}, which llama.cpp's wheel needs. Name an OpenAI-compatible "
                f"endpoint in OPENAI_BASE_URL, {WITHOUT}"
            )
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when the library is loaded
    try:
        import xllamacpp  # noqa: PLC0415 - 34 MB that the extractive server does not need
    except ImportError as exc:
        raise ModelNotInstalled(
            f"llama.cpp cannot be loaded on {platform.system()} {platform.machine()} ({exc}). "
            f'Install it: pip install "sightline-platform[app]", {WITHOUT}'
        ) from exc
    return xllamacpp


def default_threads() -> int:
    """Return one fewer than the cores that this process may use, at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores - 1)


class Engine:
    """A loaded model; a context manager.

    Args:
        settings: name, threads, slots and context.
        weights: the file to load.

    Raises:
        ModelNotInstalled: llama.cpp is not installed.
        ModelRefused: llama.cpp cannot load the file.
    """

    def __init__(self, settings: ModelSettings, weights: Weights) -> None:
        library = load_library()
        self.threads = settings.threads or default_threads()
        self._folder = Path(tempfile.mkdtemp(prefix="sightline-model-"))  # mode 0700
        self.socket = self._folder / "llama.sock"
        self._server: Any = None
        try:
            self._server = library.Server(_parameters(library, settings, weights, self.socket, self.threads))
        except RuntimeError as exc:
            self.close()
            raise ModelRefused(
                f"llama.cpp cannot load {weights.path}; the lines above say why, for example an architecture that it "
                "does not know, or too little memory for SIGHTLINE_MODEL_SLOTS x SIGHTLINE_MODEL_CONTEXT_TOKENS"
            ) from exc

    def close(self) -> None:
        """Remove the socket; the engine itself ends with the process."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _parameters(library: Any, settings: ModelSettings, weights: Weights, socket: Path, threads: int) -> Any:
    parameters = library.CommonParams()
    parameters.model.path = str(weights.path)
    parameters.model_alias = {settings.name}
    parameters.hostnames = [str(socket)]
    parameters.offline = True
    parameters.ui = False
    parameters.cors_origins = ""
    parameters.use_jinja = True
    parameters.verbosity = _LOG_WARNINGS
    parameters.n_parallel = settings.slots
    parameters.n_ctx = settings.slots * settings.context_tokens
    parameters.n_batch = parameters.n_ubatch = _BATCH_TOKENS  # a long prompt holds up other slots for one batch only
    parameters.sampling.penalty_repeat = _REPEAT_PENALTY
    parameters.cache_prompt = True
    parameters.cache_ram_mib = _CACHE_MIB
    parameters.endpoint_metrics = True
    parameters.endpoint_slots = False  # it shows prompts
    parameters.n_threads_http = settings.slots + settings.max_waiting + 4  # one for each open request, and /metrics
    for cpu in (parameters.cpuparams, parameters.cpuparams_batch):
        cpu.n_threads = threads
        cpu.poll = 0
    return parameters
