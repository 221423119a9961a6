"""Names that the interpreter's built-in help topics describe: special methods and the methods of built-in types.

``help("SPECIALNAMES")`` and its kin hold parts of the language reference. A block that starts with a dotted name and a
parameter list (``str.casefold()``) and goes on indented tells more than the docstring, or is all there is
(``object.__init_subclass__``).
"""

from __future__ import annotations

import contextlib
import re
import textwrap

_BLOCK = re.compile(
    r"^(?:classmethod |static |async )?([a-z]\w*\.\w+)(\([^\n]*\))\n((?:\n|[ ]{3}[^\n]*\n)+)", re.MULTILINE
)
_VERSION_NOTE = re.compile(r"(?:Changed|New|Added|Deprecated)(?: in version| since)")


def described_names() -> dict[str, tuple[str, str]]:
    """Return dotted name -> (parameter list, description without notes on versions)."""
    found: dict[str, tuple[str, str]] = {}
    with contextlib.suppress(ImportError):
        from pydoc_data.topics import topics  # noqa: PLC0415

        for _, text in sorted(topics.items()):
            for match in _BLOCK.finditer(text + "\n"):
                paragraphs = re.split(r"\n\s*\n", textwrap.dedent(match[3]).strip())
                told = "\n\n".join(each for each in paragraphs if each and not _VERSION_NOTE.match(each.lstrip()))
                if len(told) > len(found.get(match[1], ("", ""))[1]):
                    found[match[1]] = (match[2], told)
    return found
