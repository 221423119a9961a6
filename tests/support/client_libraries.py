"""Tries ``instrument()`` on the real client libraries of many makers, in the versions that are named here.

`python tests/support/client_libraries.py [SET ...]` makes each set of libraries a virtual environment in the cache
folder and runs ``tests/integration/test_instrumented_*.py`` in it. They are no dependencies of this project: together
they are some 200 packages, and some exclude each other. What cannot run (no server, another version) is named by
pytest. The table in instrumentation/README.md tells what these runs found.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = Path(os.environ.get("SIGHTLINE_CACHE_DIR") or Path.home() / ".cache" / "sightline") / "client-libraries"


def _contrib(version: str, *names: str) -> list[str]:
    return [f"opentelemetry-instrumentation-{name}=={version}" for name in names]


SETS = {
    "brokers-and-web": [
        *["redis==8.1.0", "confluent-kafka==2.16.1", "aiokafka==0.14.0", "kafka-python==3.0.12", "pika==1.4.4"],
        *["aio-pika==10.2.1", "psycopg[binary]==3.3.9", "psycopg2-binary==2.9.13", "asyncpg==0.32.0"],
        *["requests==2.34.2", "urllib3==2.8.0", "aiohttp==3.14.5", "httpx==0.28.1", "httpx2==2.16.2"],
        *["flask==3.1.3", "starlette==1.10.0", "grpcio==1.78.2", "sqlalchemy==2.0.58"],
        *_contrib("0.66b1", "redis", "confluent-kafka", "aiokafka", "kafka-python", "pika", "aio-pika"),
        *_contrib("0.66b1", "psycopg", "psycopg2", "asyncpg", "sqlalchemy"),
        *_contrib("0.66b1", "requests", "urllib3", "aiohttp-client", "httpx", "flask", "starlette", "grpc"),
    ],
    "models": [
        *["anthropic==2.12.0", "groq==1.7.0", "mistralai==3.7.0", "google-genai==3.4.0", "ollama==0.6.3"],
        *["openinference-instrumentation-anthropic==3.1.0", "openinference-instrumentation-groq==0.1.33"],
        *["openinference-instrumentation-mistralai==2.2.2", "openinference-instrumentation-google-genai==1.4.14"],
        *_contrib("0.62.4", "ollama"),
    ],
    "older-models": [
        *["cohere==5.21.1", "boto3==1.44.5", "litellm==1.106.2"],
        *["openinference-instrumentation-bedrock==0.1.61", "openinference-instrumentation-litellm==0.1.51"],
        *_contrib("0.62.4", "cohere"),
    ],
    "vectors": [
        *["pymilvus==3.0.2", "milvus-lite==3.2.2", "qdrant-client==1.20.0", "chromadb==1.5.9", "pinecone==8.1.2"],
        *_contrib("0.62.4", "qdrant", "chromadb"),
        *_contrib("0.60.0", "milvus", "pinecone"),
    ],
}
"""What is installed together."""


def environment(name: str) -> Path:
    """Interpreter of a virtual environment with the library, pytest and one set of libraries."""
    venv = CACHE / name
    python, noted = venv / "bin" / "python", venv / "wanted.txt"
    wanted = "\n".join([str(ROOT), sys.version, *SETS[name]])
    if not noted.exists() or noted.read_text() != wanted:
        _say(f"{name}: a virtual environment with {len(SETS[name])} packages and what they need")
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(venv)], check=True)
        tools = ["pytest>=8.3", "pytest-asyncio>=1", "hypothesis>=6.120", "--editable", str(ROOT / "instrumentation")]
        install = [*uv, "pip", "install", "--quiet", "--prerelease=if-necessary-or-explicit", "--python", str(python)]
        subprocess.run([*install, *SETS[name], *tools], check=True, timeout=1200)
        noted.write_text(wanted)
    return python


def tried(name: str) -> bool:
    """Run the tests with one set; False when one failed."""
    python = environment(name)
    _say(f"{name}: {', '.join(each for each in SETS[name] if 'instrumentation' not in each)}")
    files = sorted(str(path) for path in (ROOT / "tests" / "integration").glob("test_instrumented_*.py"))
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main() -> None:
    """Try the sets that are named, or all; exit code 1 when a test failed."""
    names = sys.argv[1:] or list(SETS)
    failed = [name for name in names if not tried(name)]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
