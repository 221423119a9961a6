"""What the interpreter's own sources tell about a documented name: how often it is used, and amid which words.

A docstring says what a function does in the words of a manual. The code that calls it, its tests above all, says what
people use it for. As web search reads the text of the links to a page, this reads the words around each use: the names
of the enclosing function and class, their docstring, nearby comments and the line itself. For functions written in
Python, the comments, names and messages of their bodies join them. Each documented thing keeps the words that are most
typical for it.
"""

from __future__ import annotations

import ast
import builtins
import math
import os
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from sightline_app.analysis import terms

KEPT_WORDS = 80
"""Words kept for one documented thing."""
_MOST_CONTEXTS = 150
_MOST_NAMESAKES = 12
_LEAST_SPREAD = 3
_SMOOTHING = 20.0
_DAMPING = 0.75
_SKIPPED_NAMES = """
site-packages idlelib lib2to3 turtledemo tkinter pydoc_data idle_test encodings distutils ensurepip crashers leakers
data __pycache__ test_tools test_lib2to3 test_tkinter test_ttk
"""
_SKIPPED_FOLDERS = frozenset(_SKIPPED_NAMES.split())
_COMMENT = re.compile(r"#\s*(\S.{3,})$")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_STATEMENTS = (ast.stmt, ast.excepthandler, ast.match_case)
_DEFINITIONS = (*_FUNCTIONS, ast.ClassDef)


@dataclass
class Usage:
    """What was seen of one documented thing."""

    count: float = 0.0
    """Uses; one of a method whose class is not known is shared among its namesakes."""
    contexts: int = 0
    words: Counter[str] = field(default_factory=Counter)
    """Stem -> in how many contexts it stood, at a lower weight for words of the line itself."""


@dataclass(frozen=True)
class _Place:
    """The words of an enclosing definition."""

    module: str
    names: tuple[str, ...] = ()
    doc: str = ""


def source_files(root: Path | None = None) -> list[Path]:
    """Return the library's source files, tests included where they are installed, sorted."""
    root = root or Path(os.__file__).parent
    return [path for path in sorted(root.rglob("*.py")) if not _SKIPPED_FOLDERS & set(path.relative_to(root).parts)]


class UsageReader:
    """Collects usage of documented names from source files.

    Args:
        names: the public names of each documented thing, in order of the result.
        methods: whether a thing is a method or property, found by its last name where its class is not known.
    """

    def __init__(self, names: Sequence[Sequence[str]], methods: Sequence[bool]) -> None:
        self.seen = [Usage() for _ in names]
        self.modules = {name.split(".")[0] for each in names for name in each}
        self._by_name: dict[str, int] = {}
        self._by_leaf: defaultdict[str, set[int]] = defaultdict(set)
        for number, (each, method) in enumerate(zip(names, methods, strict=True)):
            for name in each:
                self._by_name.setdefault(name, number)
                if method:
                    self._by_leaf[name.rpartition(".")[2]].add(number)

    def read(self, code: str, module: str) -> None:
        """Add what one source file tells; a file that can't be parsed tells nothing."""
        try:
            tree = ast.parse(code)
        except (SyntaxError, ValueError, RecursionError):
            return
        _File(self, module, code.split("\n"), tree).read()

    def _owners(self, name: str) -> Sequence[int]:
        number = self._by_name.get(name)
        return () if number is None else (number,)

    def _namesakes(self, leaf: str) -> Sequence[int]:
        found = self._by_leaf.get(leaf, ())
        return sorted(found) if len(found) <= _MOST_NAMESAKES else ()

    def add(self, owners: Sequence[int], around: Callable[[], tuple[frozenset[str], frozenset[str]]]) -> None:
        """Count a use; ``around`` gives the stems of its surroundings and of its line."""
        share = 1.0 / len(owners)
        words: tuple[frozenset[str], frozenset[str]] | None = None
        for owner in owners:
            usage = self.seen[owner]
            usage.count += share
            if usage.contexts >= _MOST_CONTEXTS:
                continue
            usage.contexts += 1
            near, line = words = words or around()
            for term in near:
                usage.words[term] += share  # type: ignore[assignment]  # Counter holds floats as well
            for term in line - near:
                usage.words[term] += share / 2  # type: ignore[assignment]

    def typical_words(self) -> Iterator[list[str]]:
        """Yield, for each thing, the stems that stand near it more often than elsewhere, most typical first.

        The measure is positive pointwise mutual information with damped overall frequencies.
        """
        overall: Counter[str] = Counter()
        spread: Counter[str] = Counter()
        for usage in self.seen:
            overall.update(usage.words)
            spread.update(usage.words.keys())
        damped = {term: count**_DAMPING for term, count in overall.items() if spread[term] >= _LEAST_SPREAD}
        total = sum(damped.values()) or 1.0
        for usage in self.seen:
            size = sum(usage.words.values()) + _SMOOTHING
            scored = []
            for term, count in usage.words.items():
                if term not in damped:
                    continue
                surprise = math.log(count / size / (damped[term] / total))
                if surprise > 0:
                    scored.append((-surprise * count / (count + 2.0), term))
            yield [term for _, term in sorted(scored)[:KEPT_WORDS]]


class _File:
    """One parsed source file."""

    def __init__(self, reader: UsageReader, module: str, lines: Sequence[str], tree: ast.Module) -> None:
        self._reader = reader
        self._module = module
        self._lines = lines
        self._tree = tree
        self._is_test = module.startswith("test.") or ".test" in module
        self._comments = {number: text for number, text in enumerate(map(_comment, lines), start=1) if text}
        self._imported = dict(_imports(tree))

    def read(self) -> None:
        place = _Place(self._module.rpartition(".")[2].removeprefix("test_"))
        pending: list[tuple[ast.AST, _Place, str]] = [(self._tree, place, self._module)]
        while pending:
            node, place, path = pending.pop()
            for child in ast.iter_child_nodes(node):
                if isinstance(child, _DEFINITIONS):
                    inner = f"{path}.{child.name}"
                    if isinstance(child, _FUNCTIONS) and not self._is_test:
                        self._body(child, inner)
                    doc = (ast.get_docstring(child) or "").split("\n\n")[0][:300] or place.doc
                    pending.append((child, _Place(place.module, (*place.names, child.name)[-2:], doc), inner))
                elif child._fields and not isinstance(child, ast.Constant) and not self._use(child, place):
                    pending.append((child, place, path))

    def _use(self, node: ast.AST, place: _Place) -> bool:
        """Count the node if it is a use; tell whether its children hold nothing more."""
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Load):
                name = self._imported.get(node.id) or (node.id if hasattr(builtins, node.id) else "")
                self._add(self._reader._owners(name), node.lineno, place)
            return True
        if not isinstance(node, ast.Attribute):
            return False
        parts = _dotted(node)
        if parts and parts[0] in self._imported:
            name = ".".join([self._imported[parts[0]], *parts[1:]])
            self._add(self._reader._owners(name), node.lineno, place)
            return True
        if not (parts and parts[0] in {"self", "cls"} and not self._is_test):
            self._add(self._reader._namesakes(node.attr), node.lineno, place)
        return False

    def _add(self, owners: Sequence[int], line: int, place: _Place) -> None:
        if owners:
            self._reader.add(owners, lambda: self._around(line, place))

    def _around(self, line: int, place: _Place) -> tuple[frozenset[str], frozenset[str]]:
        comments = " ".join(self._comments[each] for each in range(line - 3, line + 2) if each in self._comments)
        near = _stems(f"{place.module} {' '.join(place.names)}\n{place.doc}")
        return near | _stems(comments) if comments else near, _stems(self._lines[line - 1].strip()[:160])

    def _body(self, node: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> None:
        owners = self._reader._owners(name)
        if not owners:
            return
        doc = ast.get_docstring(node, clean=False)
        last = node.end_lineno or node.lineno
        told = [self._comments[line] for line in range(node.lineno - 3, last + 1) if line in self._comments]
        for inner in ast.walk(node):
            if isinstance(inner, ast.Name):
                told.append(inner.id)
            elif isinstance(inner, ast.Attribute):
                told.append(inner.attr)
            elif isinstance(inner, ast.arg):
                told.append(inner.arg)
            elif isinstance(inner, ast.Constant) and isinstance(inner.value, str) and inner.value != doc:
                told.append(inner.value[:200])
        words = self._reader.seen[owners[0]].words
        for term in set(terms(" ".join(dict.fromkeys(told)))):
            words[term] += 1


def _comment(line: str) -> str:
    """Return the comment at the end of a line, if the sign does not stand inside of quotes."""
    match = _COMMENT.search(line) if "#" in line else None
    if match is None or any(line.count(quote, 0, match.start()) % 2 for quote in "\"'"):
        return ""
    return match[1]


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        # Imports stand in statements only, so expressions, which are most of a file, need no look.
        pending.extend(each for each in ast.iter_child_nodes(node) if isinstance(each, _STATEMENTS))
        if isinstance(node, ast.Import):
            for each in node.names:
                top = each.name.split(".")[0]
                yield (each.asname, each.name) if each.asname else (top, top)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for each in node.names:
                yield each.asname or each.name, f"{node.module}.{each.name}"


def _dotted(node: ast.AST) -> list[str]:
    """Return the parts of ``a.b.c``; nothing when it does not start with a plain name."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return [node.id, *reversed(parts)] if isinstance(node, ast.Name) else []


@lru_cache(maxsize=50_000)
def _stems(text: str) -> frozenset[str]:
    return frozenset(terms(text))


def _imports_any(modules: Collection[str]) -> Callable[[str], object]:
    """Return a quick test for sources that import one of the modules or of their submodules."""
    listed = "|".join(sorted(map(re.escape, modules)))
    return re.compile(rf"^\s*(?:import\s+[^\n]*\b(?:{listed})\b|from\s+(?:{listed})\b)", re.MULTILINE).search


def read_usage(
    names: Sequence[Sequence[str]], methods: Sequence[bool], files: Iterable[Path] | None = None
) -> UsageReader:
    """Read the library's sources.

    Args:
        names: public names of each documented thing.
        methods: whether it is a method or property.
        files: source files; the interpreter's own by default.
    """
    reader = UsageReader(names, methods)
    root = Path(os.__file__).parent
    of_interest = _imports_any(reader.modules)
    for path in source_files() if files is None else files:
        try:
            code = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        if not of_interest(code) and path.stem not in reader.modules:
            continue
        inside = path.relative_to(root) if path.is_relative_to(root) else Path(path.name)
        parts = inside.with_suffix("").parts
        reader.read(code, ".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return reader
