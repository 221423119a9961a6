"""Where a comparison of words is weaker: in languages that it knows little of, in code and in tables.

The weights were fitted on English prose. Elsewhere stop words, stems, denials and number words are known less well or
not at all, so a score there orders answers worse. The judge says so with the score instead of leaving it to the reader.
"""

from __future__ import annotations

import re
from typing import Final

from sightline_evals.judges.lexical.languages import ENGLISH, language_of

_TABLE_ROW: Final = re.compile(r"^[ \t]*\|.*\|[ \t]*$|^[^\t\n]+\t[^\t\n]+\t", re.MULTILINE)
_CODE_LINE: Final = re.compile(
    r"^[ \t]*(?:>>> |\$ |#include|import \w|from [\w.]+ import|def \w+\(|class \w+[:(]|return\b|for \w+ in .*:$|if .*:$"
    r"|(?:const|let|var) \w+ =|function \w*\(|[\w.]+\(.*\);?$|[\w.\[\]]+ = \S|[{}\]);]+$|<\/?\w+[^>]*>$|SELECT\b)",
    re.MULTILINE,
)
_FENCE: Final = re.compile(r"^[ \t]*(?:```|~~~)", re.MULTILINE)


def weakness(answer: str, context: str) -> str:
    """Why the lexical judge is weaker on an answer, such as ``weaker: German``; "" for English prose.

    Args:
        answer: what is judged.
        context: its passages.
    """
    found: list[str] = []
    answer_language, context_language = language_of(answer), language_of(context)
    if answer_language and context_language and answer_language.code != context_language.code:
        found.append(f"{answer_language.name} answer, {context_language.name} passages")
    else:
        language = answer_language or context_language
        if language is not None and language.code != ENGLISH.code:
            found.append(language.name)
    lines = [line for line in answer.splitlines() if line.strip()]
    if _FENCE.search(answer) or 2 * len(_CODE_LINE.findall(answer)) > len(lines):
        found.append("code")
    if len(_TABLE_ROW.findall(answer)) >= 2:
        found.append("table")
    return f"weaker: {', '.join(found)}" if found else ""
