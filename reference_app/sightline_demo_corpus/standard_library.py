"""The documentation of the Python standard library, read from the interpreter that runs this.

Importing hundreds of modules has side effects (memory, registrations, the odd window), so it happens in a child process
of the same interpreter: ``python -m sightline_demo_corpus.standard_library`` writes one JSON object a line to standard
output and a progress line (``done/total``) to standard error. Modules that open windows, run programs or only hold
tests are left out.
"""

from __future__ import annotations

import builtins
import contextlib
import datetime
import hashlib
import importlib
import importlib.util
import inspect
import io
import json
import os
import pkgutil
import re
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from sightline_app.corpus import Passage, make_passage, merge_doubles, split_text
from sightline_app.errors import CorpusError
from sightline_demo_corpus.language_reference import described_names

RULES_VERSION = "7"
"""Raise when the extraction changes: it is part of the fingerprint."""

_SKIPPED_NAMES = """
antigravity this idlelib turtledemo turtle tkinter test lib2to3 pydoc_data ensurepip __main__ __phello__
__hello__ msilib winreg winsound _winapi nt nturl2path ossaudiodev pty distutils site sitecustomize usercustomize
sre_compile sre_constants sre_parse opcode genericpath posix
"""
SKIPPED = frozenset(_SKIPPED_NAMES.split())
"""Top-level modules left out: windows, tests, other systems, doubles of a public module."""

_SKIPPED_PARTS = frozenset({"test", "tests", "__main__", "idle_test", "mime", "windows_events", "windows_utils"})
_READ_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class StandardLibrary:
    """The running interpreter's documentation as a :class:`~sightline_app.corpus.Source`."""

    modules: tuple[str, ...] = ()
    """Only these top-level modules; empty means all of them."""

    def describe(self) -> str:
        """Name the interpreter."""
        only = f" ({', '.join(self.modules)} only)" if self.modules else ""
        return f"the standard library documentation of Python {sys.version.split()[0]}{only}"

    def fingerprint(self) -> str:
        """Hash of the interpreter's build and of the extraction rules: no module is imported for it."""
        told = [RULES_VERSION, sys.version, sys.platform, sys.implementation.name, *self.modules]
        return hashlib.sha256("|".join(told).encode()).hexdigest()[:16]

    def passages(self, progress: Callable[[int, int], None]) -> list[Passage]:
        """Read all docstrings in a child process.

        Raises:
            CorpusError: the child failed or found nothing.
        """
        command = [sys.executable, "-W", "ignore", "-m", "sightline_demo_corpus.standard_library", *self.modules]
        environment = os.environ | {"PYTHONHASHSEED": "0", "PYTHONIOENCODING": "utf-8", "DISPLAY": ""}
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
        ) as child:
            assert child.stdout is not None
            assert child.stderr is not None
            trouble: list[str] = []
            follower = threading.Thread(target=_follow, args=(child.stderr, progress, trouble), daemon=True)
            follower.start()
            guard = threading.Timer(_READ_TIMEOUT_S, child.kill)
            guard.start()
            try:
                found = [Passage(**json.loads(line)) for line in child.stdout]
            finally:
                guard.cancel()
            code = child.wait()
            follower.join(timeout=5)
        if code != 0 or not found:
            raise CorpusError(
                f"reading the interpreter's documentation failed (exit code {code}): {' '.join(trouble[-3:])}"
            )
        return found


def _follow(stream: Any, progress: Callable[[int, int], None], trouble: list[str]) -> None:
    for raw in stream:
        line = raw.decode(errors="replace").strip()
        if match := re.fullmatch(r"(\d+)/(\d+)", line):
            progress(int(match[1]), int(match[2]))
        elif line:
            trouble.append(line)


def module_names(only: tuple[str, ...] = ()) -> list[str]:
    """Return the dotted names of the public modules, packages' own modules included, sorted."""
    found: set[str] = set()
    for top in sorted(sys.stdlib_module_names):
        if top.startswith("_") or top in SKIPPED or (only and top not in only):
            continue
        found.add(top)
        with contextlib.suppress(Exception):
            spec = importlib.util.find_spec(top)
            if spec is not None and spec.submodule_search_locations:
                found.update(_submodules(top, list(spec.submodule_search_locations)))
    if "os" in found:
        found.add("os.path")
    return sorted(found)


def _submodules(package: str, paths: list[str]) -> Iterator[str]:
    for info in pkgutil.iter_modules(paths):
        if info.name.startswith("_") or info.name in _SKIPPED_PARTS or package == "encodings":
            continue
        name = f"{package}.{info.name}"
        yield name
        if info.ispkg:
            yield from _submodules(name, [str(Path(path) / info.name) for path in paths])


def _load(name: str) -> ModuleType | None:
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return importlib.import_module(name)
    except BaseException:  # a module may even call sys.exit when its platform is missing
        return None


def _doc(value: Any) -> str:
    """Return the cleaned docstring of a thing itself, never one that it inherits; else, as pydoc does, its comment."""
    own = value.__dict__.get("__doc__") if inspect.isclass(value) else getattr(value, "__doc__", None)
    if isinstance(own, str):
        return inspect.cleandoc(own).strip()
    comment = None
    if inspect.isclass(value) or inspect.isfunction(value):
        with contextlib.suppress(Exception):
            comment = inspect.getcomments(value)
    plain = "\n".join(line.lstrip("# ").rstrip() for line in (comment or "").splitlines() if line.strip("#-= "))
    return plain.strip()


def _signature(value: Any) -> str:
    try:
        text = str(inspect.signature(value))
    except Exception:  # beside TypeError and ValueError, half-initialised extension modules raise anything
        return "(…)"
    text = re.sub(r" at 0x[0-9a-f]+", "", text)  # addresses of default objects differ at each run
    return text if len(text) <= 160 else text[:157] + "…)"


def _summary(doc: str) -> str:
    for paragraph in re.split(r"\n\s*\n", doc):
        line = " ".join(paragraph.split())
        if line and not re.fullmatch(r"[\w.]+\(.*\)( *-+>.*)?", line):
            return line[:200]
    return ""


def _exports(module: ModuleType, name: str) -> Iterator[tuple[str, Any]]:
    declared = getattr(module, "__all__", None)
    listed = [str(each) for each in declared] if isinstance(declared, list | tuple) else None
    for attribute in sorted(vars(module)) if listed is None else sorted(listed):
        if attribute.startswith("_"):
            continue
        value = getattr(module, attribute, None)
        if value is None or inspect.ismodule(value):
            continue
        home = getattr(value, "__module__", None)
        foreign = isinstance(home, str) and home.lstrip("_") != name and not home.startswith(("_", "posix", f"{name}."))
        if listed is None and foreign:
            continue
        yield attribute, value
    if listed is not None:  # a package may offer what its modules define without listing it
        for attribute, value in sorted(vars(module).items()):
            home = getattr(value, "__module__", None)
            ours = isinstance(home, str) and home.startswith(f"{name}.") and not inspect.ismodule(value)
            if ours and not attribute.startswith("_") and attribute not in listed:
                yield attribute, value


class _Reader:
    """Collects one entry for each object, with all its public names."""

    def __init__(self) -> None:
        self.entries: dict[int, dict[str, Any]] = {}
        self.data: list[dict[str, Any]] = []
        self._kept_alive: list[Any] = []  # id() is only unique among living objects

    def module(self, name: str, module: ModuleType) -> None:
        date = _date(module)
        doc = _doc(module)
        summary = _summary(doc)
        if doc and name != "builtins":
            self._add(module, name, doc, kind="module", title=f"module {name}: {summary[:100]}", module=name, date=date)
        for attribute, told in _described_data(doc):
            value = getattr(module, attribute, None)
            if value is not None and not callable(value):
                public = f"{name}.{attribute}"
                self.data.append(
                    {"name": public, "names": [public], "doc": f"{public}: {told}", "kind": "data", "title": public}
                    | {"module": name, "date": date, "context": f"{name}: {summary}"}
                )
        for attribute, value in _exports(module, name):
            public = attribute if name == "builtins" else f"{name}.{attribute}"
            about = f"{name}: {summary}" if name != "builtins" else "built-in"
            if inspect.isclass(value):
                self._class(value, public, name, date, about)
            elif callable(value) and inspect.isroutine(value):
                title = f"{public}{_signature(value)}"
                self._add(
                    value,
                    public,
                    _doc(value) or f"{title} has no docstring.",
                    kind="function",
                    title=title,
                    module=name,
                    date=date,
                    context=about,
                )
            elif callable(value) and _doc(value) and type(value).__doc__ != value.__doc__:
                title = f"{public}{_signature(value)}"
                self._add(
                    value, public, _doc(value), kind="function", title=title, module=name, date=date, context=about
                )

    def _class(self, value: type, public: str, module: str, date: str, about: str) -> None:
        doc = _doc(value)
        made = value.__dict__.get("__init__")
        made_doc = _doc(made) if inspect.isfunction(made) else ""
        full = "\n\n".join(part for part in (doc, made_doc) if part)
        if not full and (public_members := [each for each in sorted(vars(value)) if not each.startswith("_")]):
            full = f"{public.rpartition('.')[2]} has no docstring. It offers: {', '.join(public_members)}."
        title = f"class {public}{_signature(value)}"
        self._add(value, public, full, kind="class", title=title, module=module, date=date, context=about)
        inner = f"{about}; {public}: {_summary(doc)}"
        for attribute, member in sorted(vars(value).items()):
            if attribute.startswith("_"):
                continue
            name = f"{public}.{attribute}"
            plain = member.__func__ if isinstance(member, classmethod | staticmethod) else member
            if isinstance(plain, property) or inspect.isdatadescriptor(plain):
                self._add(
                    plain, name, _doc(plain), kind="property", title=name, module=module, date=date, context=inner
                )
            elif inspect.isroutine(plain):
                signature = _signature(plain)
                told = _doc(plain) or (f"{name}{signature} has no docstring." if inspect.isclass(value) and doc else "")
                self._add(
                    plain,
                    name,
                    told,
                    kind="method",
                    title=f"{name}{signature}",
                    module=module,
                    date=date,
                    context=inner,
                )

    def _add(self, value: Any, name: str, doc: str, **fields: Any) -> None:
        if len(doc) < 12:
            return
        entry = self.entries.get(id(value))
        if entry is None:
            self._kept_alive.append(value)
            self.entries[id(value)] = {"name": name, "names": [name], "doc": doc, **fields}
            return
        entry["names"].append(name)
        if _rank(value, name) < _rank(value, str(entry["name"])):
            entry.update(fields | {"name": name})

    def add_reference(self) -> None:
        """Add what the built-in help topics tell of special methods and of methods of built-in types."""
        by_name = {name: entry for entry in self.entries.values() for name in entry["names"]}
        date = _date(builtins)
        for name, (parameters, told) in described_names().items():
            if entry := by_name.get(name):
                entry["doc"] = f"{entry['doc']}\n\n{told}"
            else:
                title = f"{name}{parameters}"
                self.data.append(
                    {"name": name, "names": [name], "doc": told, "kind": "method", "title": title}
                    | {"module": "builtins", "date": date, "context": "built-in"}
                )

    def passages(self) -> Iterator[Passage]:
        for entry in sorted([*self.entries.values(), *self.data], key=lambda each: str(each["name"])):
            names = list(dict.fromkeys([entry["name"], *sorted(entry["names"])]))
            for part, text in enumerate(split_text(str(entry["doc"]))):
                yield make_passage(
                    title=entry["title"],
                    text=text,
                    names=names,
                    module=entry["module"],
                    date=entry["date"],
                    context=entry.get("context", ""),
                    part=part,
                    kind=entry["kind"],
                )


def _rank(value: Any, name: str) -> tuple[bool, int, str]:
    """Order names of one thing: its own name before an alias, then the shortest path, which is the one people use."""
    return name.rpartition(".")[2] != getattr(value, "__name__", ""), len(name), name


_DATA_LINE = re.compile(r"^([A-Za-z_]\w*)(?:\(\))? +-- +(.+(?:\n[ \t]{6,}.+)*)", re.MULTILINE)


def _described_data(doc: str) -> Iterator[tuple[str, str]]:
    """Yield (attribute, description) of the ``name -- description`` lines with which older modules list their data."""
    for match in _DATA_LINE.finditer(doc):
        yield match[1], " ".join(match[2].split())


def _date(module: ModuleType) -> str:
    """Date of the module's file, else of the interpreter's build."""
    path = getattr(module, "__file__", None) or os.__file__
    try:
        moment = Path(path).stat().st_mtime
    except OSError:
        moment = Path(os.__file__).stat().st_mtime
    return datetime.datetime.fromtimestamp(moment, tz=datetime.UTC).date().isoformat()


def read_interpreter(only: tuple[str, ...], progress: Callable[[int, int], None]) -> list[Passage]:
    """Import the modules in this process and return their documentation, doubles merged."""
    names = module_names(only)
    reader = _Reader()
    for done, name in enumerate(names, start=1):
        module = _load(name)
        if module is not None:
            reader.module(name, module)
        progress(done, len(names))
    if "builtins" in names:
        reader.add_reference()
    return merge_doubles(reader.passages())


def _main() -> None:
    out = sys.stdout

    def tell(done: int, total: int) -> None:
        sys.stderr.write(f"{done}/{total}\n")
        sys.stderr.flush()

    for passage in read_interpreter(tuple(sys.argv[1:]), tell):
        out.write(json.dumps(asdict(passage), ensure_ascii=False) + "\n")
    out.flush()
    os._exit(0)  # some modules leave threads or exit handlers behind


if __name__ == "__main__":
    _main()
