"""What other people's instrumentations leave undone in silence: said, corrected, and taken back again."""

import pytest
from script_run import installed, run


def test_names_that_were_imported_too_early_are_a_loud_warning() -> None:
    """Where an instrumentation exchanges a name, who imported it before is named; who comes later is traced."""
    done = run(
        """
        import sys, types
        import sightline
        from sightline.instruments import instrument as instrumentations
        from sightline.instruments import corrections
        from sightline.instruments.instrument import _Candidate
        from sightline.instruments.libraries import Library
        site = types.ModuleType("site_library"); sys.modules["site_library"] = site
        App = site.App = type("App", (), {})
        early = types.ModuleType("shop.main"); early.App = App; sys.modules["shop.main"] = early
        inner = types.ModuleType("site_library.inner"); inner.App = App; sys.modules["site_library.inner"] = inner
        kept = [site.App]
        del App
        class Exchanges:
            is_instrumented_by_opentelemetry = False
            def instrument(self, **options):
                type(self).is_instrumented_by_opentelemetry = True
                site.App = type("TracedApp", (), {})
            def uninstrument(self):
                type(self).is_instrumented_by_opentelemetry = False
                site.App = kept[0]
        instrumentations._candidates = lambda: {"a": [_Candidate("a", "a", "a_module", lambda: Exchanges, "1")]}
        row = dict(distributions=("pytest",), instrumentations=("a",))
        instrumentations.LIBRARIES = (Library("site", replaced_names=("site_library:App", "absent:App"), **row),)
        report = sightline.instrument()
        assert report["site"].outcome.value == "on"
        assert report["site"].reason.endswith("App in shop.main"), report
        sightline.uninstrument()
        assert site.App is kept[0]
        del early.App
        assert sightline.instrument()["site"].reason == ""
        """
    )
    assert done.stderr.count("NOT TRACED there: App in shop.main") == 1


def test_what_an_instrumentation_leaves_patched_is_put_back() -> None:
    """uninstrument() restores methods that the instrumentation leaves patched, unless other code wrapped them since."""
    run(
        """
        import sys, types
        import sightline
        from sightline.instruments import instrument as instrumentations
        from sightline.instruments.instrument import _Candidate
        from sightline.instruments.libraries import Library
        site = types.ModuleType("site_library"); sys.modules["site_library"] = site
        class Client:
            def ask(self): return "plain"
            def tell(self): return "plain"
        site.Client = Client
        ask, tell = Client.ask, Client.tell
        def wrapped(original):
            def traced(self): return "traced"
            traced.__wrapped__ = original
            return traced
        class Forgets:
            is_instrumented_by_opentelemetry = False
            def instrument(self, **options):
                type(self).is_instrumented_by_opentelemetry = True
                Client.ask, Client.tell = wrapped(ask), wrapped(tell)
            def uninstrument(self): type(self).is_instrumented_by_opentelemetry = False
        instrumentations._candidates = lambda: {"a": [_Candidate("a", "a", "a_module", lambda: Forgets, "1")]}
        places = ("site_library:Client.ask", "site_library:Client.tell", "site_library:Gone.ask", "gone:x")
        row = dict(distributions=("pytest",), instrumentations=("a",))
        instrumentations.LIBRARIES = (Library("site", unrestored_patches=places, **row),)
        assert sightline.instrument().on == ("site",)
        assert Client().ask() == "traced"
        theirs = Client.tell = wrapped(Client.tell)
        sightline.uninstrument()
        assert Client.ask is ask and Client.tell is theirs
        """
    )


def test_a_library_that_makes_spans_itself_is_not_traced_twice() -> None:
    """It is left alone; with an active instrumentation it is a warning; with its own spans off it is instrumented."""
    script = """
        import sys, types
        import sightline
        from sightline.instruments import instrument as instrumentations
        from sightline.instruments.instrument import _Candidate
        from sightline.instruments.libraries import Library
        class Works:
            is_instrumented_by_opentelemetry = {before}
            def instrument(self, **options): type(self).is_instrumented_by_opentelemetry = True
            def uninstrument(self): type(self).is_instrumented_by_opentelemetry = False
        sys.modules["a_module"] = types.ModuleType("a_module")
        instrumentations._candidates = lambda: {{"a": [_Candidate("a", "a", "a_module", lambda: Works, "1")]}}
        own = ("pytest/__init__.py", "PYTEST_SPANS")
        row = dict(distributions=("pytest",), instrumentations=("a",), built_in_spans=own, built_in_spans_yield={way})
        instrumentations.LIBRARIES = (Library("site", **row), Library("other", ("pytest",), ("b",), built_in_spans=own))
        report = sightline.instrument()
        print(report["site"].outcome.value, "|", report["other"].outcome.value, "|", report["site"].reason)
    """

    def outcomes(*, before: bool = False, way: bool = False, **env: str) -> list[str]:
        done = run(script.format(before=before, way=way), **env)
        assert ("TRACED TWICE" in done.stderr) is ("traced twice" in done.stdout)
        return [part.strip() for part in done.stdout.split("|")]

    assert outcomes() == [
        "already on",
        "already on",
        "it makes spans itself (PYTEST_SPANS=false turns them off); a left off",
    ]
    assert outcomes(before=True)[0] == "traced twice"
    assert outcomes(PYTEST_SPANS="false")[:2] == ["on", "not instrumented"]
    assert outcomes(way=True)[0] == "on"
    assert outcomes(way=True, before=True)[0] == "already on"


def test_corrections_of_other_instrumentations_are_taken_back() -> None:
    """Each correction of an installed instrumentation changes something, and its undoing leaves nothing changed."""
    from sightline.instruments.corrections import CORRECTIONS

    packages = [package for package in CORRECTIONS if installed(package)]
    if not packages:
        pytest.skip("none of the instrumentations that need one is installed")
    for package in packages:
        run(
            f"""
            import importlib, pkgutil, sys
            from sightline.instruments.corrections import CORRECTIONS
            name = "opentelemetry.instrumentation." + {package!r}.removeprefix("opentelemetry-instrumentation-")
            importlib.import_module(name)
            def seen():
                modules = [m for n, m in sys.modules.items() if n == name or n.startswith(name + ".")]
                places = [vars(m) for m in modules]
                places += [vars(v) for m in modules for v in vars(m).values() if isinstance(v, type)]
                return [(key, id(value)) for place in places for key, value in place.items()]
            before = seen()
            undo = CORRECTIONS[{package!r}]()
            assert seen() != before
            undo()
            assert seen() == before
            """
        )
