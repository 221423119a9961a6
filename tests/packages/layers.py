"""How each package is switched on, as its documentation says, and how it is told the session.

Runs in the packages' own environment: the packages are imported inside of the functions. Each function switches a
package on and returns what puts a call into a session, or None where the package knows no session.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import Any

Session = Callable[[str], AbstractContextManager[Any]]
"""What a package offers to put calls into a session of that name."""
_FLUSHES: list[Callable[[], Any]] = []

ENVIRONMENT = {
    "ANONYMIZED_TELEMETRY": "false",
    "ANTHROPIC_API_KEY": "none",
    "ANTHROPIC_OPEN_TELEMETRY": "false",
    "DO_NOT_TRACK": "1",
    "LANGCHAIN_TRACING_V2": "false",
    "LANGSMITH_TRACING": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_TELEMETRY": "False",
    "LOGFIRE_IGNORE_NO_CONFIG": "1",
    "LOGFIRE_SEND_TO_LOGFIRE": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "OPENAI_API_KEY": "none",
    "OPENLIT_TELEMETRY": "false",
    "OTEL_BSP_SCHEDULE_DELAY": "300",
    "OTEL_BLRP_SCHEDULE_DELAY": "300",
    "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true",
    "OTEL_METRICS_EXPORTER": "none",
    "TIKTOKEN_CACHE_DIR": "/nonexistent",
    "TRACELOOP_TELEMETRY": "false",
    "TRACELOOP_TRACE_CONTENT": "true",
}
"""Of every process: content is recorded, nothing is sent but to the address of this run."""


def flush() -> None:
    """Send all that waits to be sent."""
    for send in _FLUSHES:
        send()


@cache
def _provider() -> Any:
    """The application's own tracer provider, with the exporter of the SDK; an existing one is taken."""
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(provider)
    _FLUSHES.append(provider.force_flush)
    return provider


@cache
def _logger_provider() -> Any:
    from opentelemetry._logs import set_logger_provider
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

    provider = LoggerProvider()
    provider.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    set_logger_provider(provider)
    _FLUSHES.append(provider.force_flush)
    return provider


def _openinference(module: str, name: str) -> Session:
    from openinference.instrumentation import using_session

    instrumentor = getattr(importlib.import_module(f"openinference.instrumentation.{module}"), name)
    instrumentor().instrument(tracer_provider=_provider())
    return using_session


def _openllmetry(*names: str) -> Session:
    from traceloop.sdk import Traceloop
    from traceloop.sdk.instruments import Instruments

    Traceloop.init(
        app_name=os.environ["OTEL_SERVICE_NAME"],
        api_endpoint=os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"],
        telemetry_enabled=False,
        instruments={Instruments[name] for name in names},
    )
    _provider()
    if "LLAMA_INDEX" in names:
        # Traceloop switches it on only where the package `llama-index` is installed, not for `llama-index-core`.
        from opentelemetry.instrumentation.llamaindex import LlamaIndexInstrumentor

        LlamaIndexInstrumentor().instrument()

    @contextmanager
    def session(name: str) -> Iterator[None]:
        Traceloop.set_association_properties({"session_id": name})
        yield

    return session


def _opentelemetry_openai(module: str) -> None:
    instrumentation = importlib.import_module(f"opentelemetry.instrumentation.{module}")
    instrumentation.OpenAIInstrumentor().instrument(tracer_provider=_provider(), logger_provider=_logger_provider())


def _anthropic() -> None:
    os.environ["ANTHROPIC_OPEN_TELEMETRY"] = "true"
    os.environ["ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE"] = "content"
    _provider()


def _langfuse() -> Session:
    from langfuse import Langfuse, propagate_attributes
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    keys = {"public_key": "pk-lf-none", "secret_key": "sk-lf-none", "base_url": "http://127.0.0.1:9"}
    client = Langfuse(**keys, span_exporter=OTLPSpanExporter())
    _FLUSHES.append(client.flush)
    return lambda name: propagate_attributes(session_id=name)


def _openlit() -> None:
    import openlit

    openlit.init(
        service_name=os.environ["OTEL_SERVICE_NAME"],
        application_name=os.environ["OTEL_SERVICE_NAME"],
        otlp_endpoint=os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"],
        disable_metrics=True,
    )
    _provider()


@cache
def _logfire() -> Any:
    import logfire

    # It sends to OTEL_EXPORTER_OTLP_ENDPOINT by itself.
    logfire.configure(send_to_logfire=False, console=False, metrics=False, inspect_arguments=False)
    _FLUSHES.append(logfire.force_flush)
    return logfire


def _logfire_openai() -> None:
    _logfire().instrument_openai()


def _logfire_anthropic() -> None:
    _logfire().instrument_anthropic()


def _logfire_pydantic_ai() -> None:
    _logfire().instrument_pydantic_ai()


def _pydantic_ai() -> None:
    from pydantic_ai import Agent
    from pydantic_ai.models.instrumented import InstrumentationSettings

    Agent.instrument_all(InstrumentationSettings(tracer_provider=_provider()))


def _mlflow(flavor: str) -> Session:
    import mlflow

    importlib.import_module(f"mlflow.{flavor}").autolog()
    _FLUSHES.append(mlflow.flush_trace_async_logging)

    @contextmanager
    def session(name: str) -> Iterator[None]:
        with mlflow.start_span("ask"):
            mlflow.update_current_trace(session_id=name)
            yield

    return session


def _litellm() -> None:
    import litellm

    litellm.callbacks = ["otel"]
    _FLUSHES.append(_provider_of_litellm)


def _provider_of_litellm() -> None:
    from opentelemetry import trace

    provider: Any = trace.get_tracer_provider()
    if hasattr(provider, "force_flush"):
        provider.force_flush()


LAYERS: dict[str, Callable[[], Session | None]] = {
    "openinference.openai": lambda: _openinference("openai", "OpenAIInstrumentor"),
    "openinference.anthropic": lambda: _openinference("anthropic", "AnthropicInstrumentor"),
    "openinference.langchain": lambda: _openinference("langchain", "LangChainInstrumentor"),
    "openinference.llama_index": lambda: _openinference("llama_index", "LlamaIndexInstrumentor"),
    "openllmetry.openai": lambda: _openllmetry("OPENAI"),
    "openllmetry.anthropic": lambda: _openllmetry("ANTHROPIC"),
    "openllmetry.langchain": lambda: _openllmetry("LANGCHAIN"),
    "openllmetry.llama_index": lambda: _openllmetry("LLAMA_INDEX"),
    "openllmetry.langchain+openai": lambda: _openllmetry("LANGCHAIN", "OPENAI"),
    "openllmetry.llama_index+openai": lambda: _openllmetry("LLAMA_INDEX", "OPENAI"),
    "opentelemetry.openai_v2": lambda: _opentelemetry_openai("openai_v2"),
    "opentelemetry.genai.openai": lambda: _opentelemetry_openai("genai.openai"),
    "anthropic": _anthropic,
    "langfuse": _langfuse,
    "openlit": _openlit,
    "logfire.openai": _logfire_openai,
    "logfire.anthropic": _logfire_anthropic,
    "logfire.pydantic_ai": _logfire_pydantic_ai,
    "pydantic_ai": _pydantic_ai,
    "mlflow.openai": lambda: _mlflow("openai"),
    "mlflow.anthropic": lambda: _mlflow("anthropic"),
    "mlflow.langchain": lambda: _mlflow("langchain"),
    "litellm": _litellm,
}
"""By the name that `configurations.py` uses."""
