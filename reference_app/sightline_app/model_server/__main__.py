"""``sightline-model``: serve one local model through an OpenAI-compatible API, on loopback by default.

SIGHTLINE_MODEL=smollm2 (the default) is SmolLM2-135M-Instruct in llama.cpp, from installed packages: nothing is
downloaded. SIGHTLINE_MODEL=extractive answers with sentences of the prompt, without a language model.
SIGHTLINE_MODEL_FILE serves another GGUF file. Several servers run beside each other on different SIGHTLINE_MODEL_PORT.

Exit codes: 0 stopped by a signal; 1 failed; 2 a setting or the model's file cannot be used; 3 the language model is not
installed or cannot run on this processor.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from sightline_app.errors import InvalidSetting, ModelNotInstalled, ModelRefused
from sightline_app.log_output import log_to_stderr
from sightline_app.serving import run
from sightline_app.settings import ModelSettings
from sightline_roles.serving import listen

NOT_INSTALLED = 3
"""Exit code where the language model cannot run here."""

_STOP_GRACE_S = 1


def _serve_extractive(settings: ModelSettings) -> int:
    from sightline_app.model_server.extractive_api import NOTE, create_app  # noqa: PLC0415

    opened = listen(settings)
    pace = f"{settings.tokens_per_s:g} tokens/s" if settings.tokens_per_s else "unpaced"
    app, title = create_app(settings, settings.name), f"{settings.name} ({NOTE}, {pace})"
    return run(app, opened, title, settings, grace_s=_STOP_GRACE_S)


def _serve_llama(settings: ModelSettings) -> NoReturn:
    from sightline_app.model_server.gateway import EndQuietly, create_app  # noqa: PLC0415
    from sightline_app.model_server.llama import Engine, load_library  # noqa: PLC0415
    from sightline_app.model_server.weights import find  # noqa: PLC0415

    load_library()
    weights = find(settings)
    opened = listen(settings)
    try:
        with Engine(settings, weights) as engine:
            title = f"{settings.name} (llama.cpp, {engine.threads} threads, {settings.slots} slots)"
            app = EndQuietly(create_app(settings, engine))
            code = run(app, opened, title, settings, grace_s=_STOP_GRACE_S)
    finally:
        opened.close()
    # The engine has nothing to save, and its regular end waits some seconds for idle connections.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _check(settings: ModelSettings) -> int:
    if settings.model != "extractive":
        from sightline_app.model_server.llama import load_library  # noqa: PLC0415
        from sightline_app.model_server.weights import find  # noqa: PLC0415

        load_library()
        weights = find(settings)
        checked = f"SHA-256 {weights.sha256}" if weights.sha256 else "SHA-256 not checked"
        sys.stdout.write(f"{settings.name}: {weights.path}, {weights.size_bytes / 1e6:.0f} MB, {checked}\n")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the server; see the module's docstring for exit codes."""
    parser = argparse.ArgumentParser(
        prog="sightline-model", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="only check that the model can be served here")
    options = parser.parse_args(argv)
    log_to_stderr()
    try:
        settings = ModelSettings.from_env(os.environ)
        if options.check:
            return _check(settings)
        return _serve_extractive(settings) if settings.model == "extractive" else _serve_llama(settings)
    except (InvalidSetting, ModelRefused) as exc:
        sys.stderr.write(f"sightline-model: {exc}\n")
        return 2
    except ModelNotInstalled as exc:
        sys.stderr.write(f"sightline-model: {exc}\n")
        return NOT_INSTALLED


if __name__ == "__main__":
    sys.exit(main())
