"""The play page: ClickHouse's own, which the engine carries, or a small one of ours where it does not."""

from __future__ import annotations

import functools
import importlib.util
import mmap
from pathlib import Path

_TITLE = b"<title>ClickHouse Query</title>"
_OURS = b"""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Query</title>
<style>body{font:15px sans-serif;margin:2em}textarea{width:100%;height:9em;font:14px monospace}
pre{overflow:auto;background:#f4f4f4;padding:1em}</style>
<textarea id="sql" spellcheck="false">SELECT name, total_rows FROM system.tables WHERE database = 'otel'</textarea>
<p><input id="key" type="password" placeholder="key, where the node asks for one">
<button id="run">Run (Ctrl+Enter)</button> <span id="took"></span></p><pre id="out"></pre>
<script>
const at = id => document.getElementById(id);
async function run() {
  const headers = at("key").value ? {"X-ClickHouse-User": "default", "X-ClickHouse-Key": at("key").value} : {};
  const from = performance.now();
  const answer = await fetch("/?default_format=PrettyCompactNoEscapes&wait_end_of_query=1",
    {method: "POST", body: at("sql").value, headers});
  at("out").textContent = await answer.text();
  at("took").textContent = Math.round(performance.now() - from) + " ms";
}
at("run").onclick = run;
at("sql").onkeydown = e => { if (e.ctrlKey && e.key === "Enter") run(); };
</script></html>
"""


@functools.cache
def page() -> bytes:
    """The page."""
    spec = importlib.util.find_spec("chdb")
    folders = spec.submodule_search_locations if spec and spec.submodule_search_locations else []
    for library in (path for folder in folders for path in sorted(Path(folder).glob("_chdb*.so"))):
        found = _embedded(library)
        if found:
            return found
    return _OURS


def _embedded(library: Path) -> bytes:
    """The page out of the engine's library, b'' where it has none."""
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as image:
        title = image.find(_TITLE)
        start = image.rfind(b"<html", 0, title) if title >= 0 else -1
        end = image.find(b"</html>", title) if start >= 0 else -1
        # Another resource in between would mean that this is not the page as it was built.
        whole = start >= 0 and end >= 0 and title - start < 1 << 20 and end - title < 1 << 22
        return b"<!doctype html>\n" + image[start : end + 7] if whole else b""
