"""The arguments of ``sightline-app tune``; they import nothing that takes time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

STORES = ("weaviate", "milvus", "clickhouse")
"""Stores whose indexes can be chosen; Pinecone chooses its own."""


def add_parser(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "tune", help="build vector indexes on your passages, measure recall, time and memory, and recommend one"
    )
    parser.add_argument(
        "--docs",
        type=Path,
        help="folder (or file) of passages; default: what was ingested, else the Python documentation",
    )
    parser.add_argument(
        "--questions", type=Path, metavar="FILE", help="JSON lines, or a question a line; default: the shipped ones"
    )
    parser.add_argument("--recall", type=float, default=0.95, metavar="R", help="recall target; default 0.95")
    parser.add_argument("--at", type=int, default=10, metavar="K", help="passages of one search; default 10")
    parser.add_argument(
        "--stores",
        metavar="A,B",
        help=f"of {', '.join(STORES)}; the recommendation is for the first; default: that of the settings, then milvus",
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="only indexes whose names hold the text")
    parser.add_argument("--passages", type=int, metavar="N", help="at most N passages; default: all")
    parser.add_argument("--most-questions", type=int, default=200, metavar="N", help="at most N; default 200")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="timed rounds; default 5")
    parser.add_argument(
        "--tenants", type=int, default=20, metavar="N", help="tenants of the comparison; 0 leaves it out; default 20"
    )
    parser.add_argument(
        "--charts", type=Path, metavar="FOLDER", help="for tune.png and tune.html; default: tuning in the data folder"
    )
    parser.add_argument("--no-charts", action="store_true", help="draw nothing")
    parser.add_argument("--no-send", action="store_true", help="do not send the result to the collector")
    parser.add_argument("--json", action="store_true", help="print one JSON object on the last line")
