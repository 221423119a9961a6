"""`/docs`: the description of the HTTP interface as one page, without scripts and without anything from elsewhere."""

from __future__ import annotations

import json
import re
from html import escape
from typing import Any, Final

HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_STYLE: Final = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
article { border-top: 1px solid #8888; padding: 1rem 0; }
code, pre { font: 0.85rem/1.5 ui-monospace, monospace; }
pre { overflow-x: auto; padding: 0.75rem; background: #8882; border-radius: 0.3rem; }
table { border-collapse: collapse; table-layout: fixed; width: 100%; }
th { width: 14rem; font-weight: normal; }
th, td { text-align: left; vertical-align: top; padding: 0.3rem 1rem 0.3rem 0; border-top: 1px solid #8884; }
summary { cursor: pointer; }
.method { text-transform: uppercase; font-weight: 600; margin-right: 0.5rem; }
"""


def page(told: dict[str, Any]) -> str:
    """Return the page of an OpenAPI description."""
    info = told["info"]
    groups = "".join(_group(told, tag) for tag in told["tags"])
    models = "".join(_details(name, _code(model)) for name, model in told["components"]["schemas"].items())
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>'
        f"<h1>{escape(info['title'])} <small>{escape(info['version'])}</small></h1>{_text(info['description'])}"
        f'<p>For programs: <a href="openapi.json">openapi.json</a></p>{groups}<h2>Models</h2>{models}</body></html>'
    )


def _group(told: dict[str, Any], tag: dict[str, str]) -> str:
    shown = [
        _operation(method, path, operation)
        for path, methods in told["paths"].items()
        for method, operation in methods.items()
        if tag["name"] in operation["tags"]
    ]
    return f"<h2>{escape(tag['name'])}</h2>{_text(tag['description'])}{''.join(shown)}"


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    key = operation.get("security", [])
    needs = "" if not key else "<p>Takes an API key.</p>" if {} in key else "<p>Needs an API key.</p>"
    rows = "".join(
        _row(f"<code>{escape(each['name'])}</code> ({escape(each['in'])})", _words(each.get("description", "")))
        for each in operation.get("parameters", [])
    )
    request = _contents("Request", operation.get("requestBody", {}))
    answers = "".join(
        _row(escape(status), escape(each["description"]) + _contents("Example", each))
        for status, each in operation["responses"].items()
    )
    return (
        f'<article><h3><span class="method">{method}</span><code>{escape(path)}</code></h3>'
        f"<p>{escape(operation['summary'])}</p>{_text(operation.get('description', ''))}{needs}"
        f"<table>{rows}</table>{request}<table>{answers}</table></article>"
    )


def _contents(title: str, part: dict[str, Any]) -> str:
    shown = []
    for media_type, content in part.get("content", {}).items():
        examples = [each["value"] for each in content.get("examples", {}).values()]
        if examples:
            shown.append(_details(f"{title}, {media_type}", "".join(_code(example) for example in examples)))
    return "".join(shown)


def _row(name: str, meaning: str) -> str:
    return f"<tr><th>{name}</th><td>{meaning}</td></tr>"


def _details(summary: str, content: str) -> str:
    return f"<details><summary>{escape(summary)}</summary>{content}</details>"


def _code(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return f"<pre>{escape(text)}</pre>"


def _text(text: str) -> str:
    return "".join(f"<p>{_words(part)}</p>" for part in text.split("\n\n") if part.strip())


def _words(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))
