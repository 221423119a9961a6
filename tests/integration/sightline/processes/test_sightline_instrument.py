"""instrument(): what is on, what is not and why, each library once, and all of it off again."""

import json
from importlib import metadata

import pytest
from script_run import installed, run

import sightline
from sightline import SettingsError
from sightline.instruments.instrument import InstrumentationReport, Instrumented, Outcome
from sightline.instruments.libraries import LIBRARIES, OWN, OWN_INSTRUMENTORS


def test_real_instrumentations_are_turned_on_once_and_off() -> None:
    """FastAPI and httpx record; a second call changes nothing; what was turned on can be turned off."""
    done = run(
        """
        import logging, sys
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
        import sightline
        sightline.configure()
        report = sightline.instrument(only=["fastapi", "httpx"])
        assert set(report.on) == {"fastapi", "httpx"}, report
        assert report["httpx"].by.startswith("opentelemetry-instrumentation-httpx ")
        again = sightline.instrument(only=["fastapi", "httpx"])
        assert again.entries == report.entries
        import fastapi, httpx
        from opentelemetry import trace
        from opentelemetry.sdk.trace import SpanProcessor
        names = []
        class Keep(SpanProcessor):
            def on_end(self, span): names.append((span.name, span.kind.name))
        trace.get_tracer_provider().add_span_processor(Keep())
        app = fastapi.FastAPI()
        from fastapi.responses import StreamingResponse
        @app.get("/stream")
        async def stream():
            async def chunks():
                for _ in range(5):
                    yield b"x"
            return StreamingResponse(chunks())
        import asyncio
        async def serve():
            async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://a") as client:
                assert (await client.get("/stream")).text == "xxxxx"
        def call():
            try:
                httpx.get("http://127.0.0.1:9")
            except httpx.ConnectError:
                pass
        asyncio.run(serve())
        call()
        assert names == [("GET /stream", "SERVER"), ("GET", "CLIENT")], names  # no span for a chunk
        sightline.uninstrument()
        call()
        assert len(names) == 2, names
        assert sightline.instrument(only=["httpx"]).on == ("httpx",)
        call()
        assert len(names) == 3, names
        """
    )
    assert "tracing fastapi, httpx" in done.stderr
    assert "Attempting to instrument while already instrumented" not in done.stderr


def test_a_library_that_is_too_new_is_a_loud_warning() -> None:
    """Where an instrumentation refuses the installed version in silence, the log says so and how to pin."""
    done = run(
        """
        import sightline
        sightline.configure()
        report = sightline.instrument(only=["sqlalchemy"])
        entry = report["sqlalchemy"]
        print(entry.outcome.value, "|", entry.reason)
        """
    )
    version = tuple(int(part) for part in metadata.version("sqlalchemy").split(".")[:2])
    if version < (2, 1):
        pytest.skip("the installed SQLAlchemy is one that its instrumentation takes")
    outcome, _, reason = done.stdout.partition("|")
    assert outcome.strip() == "failed"
    assert 'pip install "sqlalchemy' in reason
    assert "sqlalchemy" in done.stderr
    assert "NOT TRACED" in done.stderr


def test_a_library_that_nothing_instruments_names_the_package() -> None:
    """Installed and untraced: a warning with the command that changes it."""
    report = InstrumentationReport((Instrumented("x", "1", Outcome.MISSING, reason="pip install y"),))
    assert report.problems == report.entries
    assert report.on == ()
    missing = [
        each.name
        for each in LIBRARIES
        if any(map(installed, each.distributions))
        and OWN not in each.instrumentations
        and not any(map(installed, each.instrumentations))
        and not each.covered_by
    ]
    if not missing:
        pytest.skip("everything installed is instrumented")
    done = run(
        f"""
        import sightline
        sightline.configure()
        for entry in sightline.instrument(only={missing!r}):
            assert entry.outcome.value in ("not instrumented", "excluded"), entry
        """
    )
    assert "NOT TRACED" in done.stderr
    assert "pip install o" in done.stderr


def test_one_instrumentation_a_library() -> None:
    """Of two installed instrumentations of OpenAI one is used, and one that was active before is left alone."""
    if not (installed("openinference-instrumentation-openai") and installed("opentelemetry-instrumentation-openai")):
        pytest.skip("needs two instrumentations of one library")
    run(
        """
        import sightline
        sightline.configure()
        entry = sightline.instrument(only=["openai"])["openai"]
        assert entry.outcome.value == "on" and "openinference" in entry.by, entry
        assert "opentelemetry-instrumentation-openai left off" in entry.reason, entry
        from opentelemetry.instrumentation.openai import OpenAIInstrumentor
        assert not OpenAIInstrumentor().is_instrumented_by_opentelemetry
        """
    )
    run(
        """
        from opentelemetry.instrumentation.openai import OpenAIInstrumentor
        OpenAIInstrumentor().instrument()
        import sightline
        sightline.configure()
        entry = sightline.instrument(only=["openai"])["openai"]
        assert entry.outcome.value == "already on", entry
        from openinference.instrumentation.openai import OpenAIInstrumentor as Other
        assert not Other().is_instrumented_by_opentelemetry
        sightline.uninstrument()
        assert OpenAIInstrumentor().is_instrumented_by_opentelemetry
        """
    )


def test_others_record_no_content_unless_capture_allows_it() -> None:
    """Third-party instrumentations follow the capture setting; a variable of the user's takes precedence."""
    script = """
        import json, os, sightline
        sightline.configure(capture={capture!r})
        sightline.instrument(only=["httpx"])
        told = {{name: os.environ.get(name) for name in ("TRACELOOP_TRACE_CONTENT", "OPENINFERENCE_HIDE_INPUTS")}}
        sightline.uninstrument()
        print(json.dumps([told, os.environ.get("TRACELOOP_TRACE_CONTENT")]))
    """
    quiet, after = json.loads(run(script.format(capture="lengths"), OPENINFERENCE_HIDE_INPUTS="mine").stdout)
    assert quiet == {"TRACELOOP_TRACE_CONTENT": "false", "OPENINFERENCE_HIDE_INPUTS": "mine"}
    assert after is None
    loud, _ = json.loads(run(script.format(capture="full")).stdout)
    assert loud == {"TRACELOOP_TRACE_CONTENT": None, "OPENINFERENCE_HIDE_INPUTS": None}


def test_broken_instrumentations_are_reported_and_the_next_one_is_tried() -> None:
    """One cannot be imported, one raises and one works: the third is on, the first two are reported."""
    done = run(
        """
        import types
        import sightline
        from sightline.instruments import instrument as instrumentations
        from sightline.instruments.instrument import _Candidate
        from sightline.instruments.libraries import Library
        class Works:
            is_instrumented_by_opentelemetry = False
            def instrument(self, **options): type(self).is_instrumented_by_opentelemetry = True
            def uninstrument(self): type(self).is_instrumented_by_opentelemetry = False
        class Raises(Works):
            is_instrumented_by_opentelemetry = False
            def instrument(self, **options): raise RuntimeError("boom")
        class Silent(Works):
            is_instrumented_by_opentelemetry = False
            def instrument(self, **options): pass
        def gone(): raise ModuleNotFoundError("No module named 'x.instruments'")
        made = {
            "a": [_Candidate("a", "a", "a_module", gone, "1")],
            "b": [_Candidate("b", "b", "b_module", lambda: Raises, "1")],
            "c": [_Candidate("c", "c", "c_module", lambda: Silent, "1")],
            "d": [_Candidate("d", "d", "d_module", lambda: Works, "2")],
        }
        instrumentations._candidates = lambda: made
        instrumentations.LIBRARIES = (
            Library("pytest", ("pytest",), ("a", "b", "c", "d")),
            Library("pluggy", ("pluggy",), ("a", "b")),
            Library("unheard-of", ("unheard-of-package",), ("a",)),
        )
        report = sightline.instrument()
        assert report["pytest"].outcome.value == "on" and report["pytest"].by == "d 2", report
        for word in ("ModuleNotFoundError", "boom", "does not take this version"):
            assert word in report["pytest"].reason, report
        assert report["pluggy"].outcome.value == "failed"
        assert [each.library for each in report.problems] == ["pluggy"]
        assert len(report.entries) == 2
        assert "pluggy" in str(report)
        sightline.uninstrument()
        assert not Works.is_instrumented_by_opentelemetry
        """
    )
    assert "pluggy" in done.stderr


def test_unknown_names_are_refused() -> None:
    """A misspelt name is no silent nothing."""
    with pytest.raises(SettingsError, match="fastpi"):
        sightline.instrument(only=["fastpi"])
    with pytest.raises(SettingsError, match="exclude"):
        sightline.instrument(exclude=["htpx"])


def test_excluded_libraries_are_left_alone() -> None:
    """exclude= and only= leave everything else untouched."""
    report = sightline.instrument(only=["redis"], exclude=["redis"])
    assert {each.outcome for each in report} <= {Outcome.EXCLUDED}
    assert report.on == ()
    assert report.problems == ()


def test_the_list_is_consistent() -> None:
    """Names are unique, one package of instrumentation serves one library unless it says which entry points."""
    names = [each.name for each in LIBRARIES]
    assert len(set(names)) == len(names)
    assert {each.name for each in LIBRARIES if OWN in each.instrumentations} == set(OWN_INSTRUMENTORS)
    packages: dict[str, str] = {}
    for each in LIBRARIES:
        assert each.covered_by in ("", *names)
        for package in each.instrumentations:
            assert package not in packages or each.entry_points, package
            packages[package] = each.name


def test_a_library_that_is_asked_for_and_not_there_is_a_warning() -> None:
    """A library in only= that is not installed is a warning."""
    absent = [each.name for each in LIBRARIES if not any(map(installed, each.distributions))][:2]
    if not absent:
        pytest.skip("everything known is installed")
    done = run(f"import sightline; sightline.instrument(only={absent!r})")
    assert f"only= names {', '.join(sorted(absent))}, which is not installed here" in done.stderr
