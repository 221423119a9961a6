"""Write `docs/settings.md` from the settings classes: `make settings`.

Reads the source of each `settings.py` and imports none, so that it runs without any extra installed. The variable of a
field is the first argument of its default, `_setting("NAME", x)`, or heads its docstring, `NAME: meaning. Default: x.`
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SECTIONS = {
    "instrumentation/sightline": "The library",
    "collector/sightline_collector": "The collector: `sightline-collector serve`",
    "collector/sightline_store": "The store: `sightline-store`",
    "collector/sightline_node": "The embedded ClickHouse: `sightline-store serve`",
    "dashboards/sightline_dashboards": "The dashboards: `sightline-dashboards`",
    "evals/sightline_evals": "The evals: `sightline-evals run`",
    "reference_app/sightline_app": "The reference application, its model server and its Weaviate",
    "supervisor/sightline_supervisor": "The supervisor: `sightline up` and `sightline demo`",
}
VARIABLE = re.compile(r"(?:SIGHTLINE|OTEL|OPENAI|WEAVIATE)_[A-Z0-9_]*[A-Z0-9]")
HEAD = """\
# Settings

Every setting is an environment variable, read once when a process starts; an empty one counts as unset. Each role reads
its own, so the roles can run on different machines. `sightline up` and `sightline demo` set for their roles whatever
ties them together (addresses, ports, folders) and pass everything else on. Command line options win over variables.

This page is written by `make settings` from the settings classes; a test fails when it misses one.
"""


def _fields(settings: ast.ClassDef) -> Iterator[tuple[str, str, str]]:
    """Yield variable, default and meaning of each field that has a variable."""
    for field, after in zip(settings.body, [*settings.body[1:], None], strict=True):
        if not isinstance(field, ast.AnnAssign):
            continue
        said = ast.literal_eval(after.value) if isinstance(after, ast.Expr) else ""
        text = " ".join(str(said).split()).replace("``", "`")
        variable, text = _variable(field.value, text)
        if variable:
            found = re.search(r"[.;,]?\s*\b[Dd]efault:?\s+(.*)$", text)
            default = found.group(1).rstrip(".") if found else ""
            meaning = (text[: found.start()] if found else text).rstrip(".")
            yield variable, default, meaning[:1].upper() + meaning[1:]


def _variable(value: ast.expr | None, text: str) -> tuple[str, str]:
    """Split a field into its variable as Markdown and the rest of its docstring."""
    if isinstance(value, ast.Call) and value.args and isinstance(value.args[0], ast.Constant):
        name = str(value.args[0].value)
        if VARIABLE.fullmatch(name):
            return f"`{name}`", text
    head, colon, rest = text.partition(": ")
    if colon and VARIABLE.search(head):
        return (head if "`" in head else VARIABLE.sub(lambda match: f"`{match.group()}`", head)), rest
    return "", text


def page() -> str:
    """Return the text of the page."""
    parts = [HEAD]
    for folder, title in SECTIONS.items():
        parts.append(f"\n## {title}\n")
        for node in ast.parse((ROOT / folder / "settings.py").read_text()).body:
            rows = list(_fields(node)) if isinstance(node, ast.ClassDef) else []
            if isinstance(node, ast.ClassDef) and rows:
                promise = (ast.get_docstring(node) or "").partition("\n")[0].replace("``", "`")
                parts.append(f"\n{promise} (`{node.name}`)\n\n| variable | default | what it sets |\n|---|---|---|\n")
                parts.extend(f"| {variable} | {default} | {meaning} |\n" for variable, default, meaning in rows)
    return "".join(parts)


if __name__ == "__main__":
    (ROOT / "docs" / "settings.md").write_text(page())
    sys.stdout.write("docs/settings.md is written\n")
