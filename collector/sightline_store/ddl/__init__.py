"""The statements that the schema is made of, as values: read once here, used by all of `sightline_store.schema`."""

from sightline_store.ddl.order import ordered, tables_after
from sightline_store.ddl.parser import parse, parse_all
from sightline_store.ddl.statement import Alteration, Column, Engine, Kind, Statement
from sightline_store.ddl.tokens import split

__all__ = [
    "Alteration",
    "Column",
    "Engine",
    "Kind",
    "Statement",
    "ordered",
    "parse",
    "parse_all",
    "split",
    "tables_after",
]
