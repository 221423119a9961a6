"""The embedded node's pure parts: checksums, blocks, statement shapes, heartbeat, stamp."""

from __future__ import annotations

import asyncio
import gzip
import lzma
import threading
import zlib
from collections.abc import Awaitable, Callable
from itertools import chain
from pathlib import Path
from typing import Any

import lz4.frame
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from sightline_node import sql_lexer
from sightline_node.execution import data_folder, heartbeat
from sightline_node.http import blocks, body, encodings
from sightline_store.errors import QueryFailed, QueryRejected, StoreError

# Files that the engine wrote for TinyLog columns, which are such blocks: uncompressed, LZ4 and ZSTD.
_FROM_THE_ENGINE = [
    ("5bc54ebb7942a625172e851e65e0601d020a0000000100000000", b"\x00"),
    ("ddd10e370d88b5c5b0467e639cfdbbdb820b000000010000001000", b"\x00"),
    ("386b0c24aea6bf70307684649bb47f30020c00000003000000000102", b"\x00\x01\x02"),
    ("bca9a2b71cd19a89a37f388f7020d6060211000000080000000000000000000000", bytes(8)),
    ("d7cc045651d3cef493c73c36ac15f6e990130000000100000028b52ffd200109000000", b"\x00"),
    ("1a9d143f60b2ab75b200123a6437865b82160000001000000013000100800100000000000000", bytes(8) + b"\x01" + bytes(7)),
    (
        "1384ec65c03e65502fa0ef7ecf335c2790220000001000000028b52ffd201081000000000000000000000100000000000000",
        bytes(8) + b"\x01" + bytes(7),
    ),
]


@pytest.mark.parametrize(("packed", "data"), _FROM_THE_ENGINE)
def test_blocks_of_the_engine_are_understood(packed: str, data: bytes) -> None:
    """Checksum and all three methods, as ClickHouse itself wrote them."""
    unpacker = blocks.Decompressor()
    assert b"".join(unpacker.feed(bytes.fromhex(packed))) == data
    unpacker.finish()


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (16, "792b9c7fab9ce7217a3f3135c21556a3"),
        (24, "b8636852884ccc11f057f08087189232"),
        (140, "77ee4c34e9e23fba03fc16f96b37a71f"),
        (256, "4bf4cc96d56d6986aebd9ab7b0b2d99f"),
        (1000, "7323377b8c534b982087686bc5cbe6f6"),
        (4099, "2cf94df6b3c322e996efcb7262801768"),
    ],
)
def test_checksums_are_cityhash128_as_clickhouse_uses_it(size: int, expected: str) -> None:
    """Known digests for each of the algorithm's branches."""
    assert blocks.checksum(bytes((7 * n + 3) % 256 for n in range(size))).hex() == expected


@given(st.binary(max_size=5000), st.sampled_from(["LZ4", "ZSTD"]), st.integers(1, 400))
def test_blocks_in_pieces_of_any_size(data: bytes, method: str, step: int) -> None:
    """What goes in comes out, however it is cut on the way."""
    packed = blocks.compress(data, method)
    unpacker = blocks.Decompressor()
    assert (
        b"".join(chain.from_iterable(unpacker.feed(packed[at : at + step]) for at in range(0, len(packed), step)))
        == data
    )
    unpacker.finish()


def test_damaged_blocks_are_refused() -> None:
    """A changed byte, an unknown method, a size beyond reason, half a block."""
    packed = blocks.compress(b"x" * 1000)
    for at, code in ((20, 0), (len(packed) - 1, 40), (3, 40)):
        with pytest.raises(QueryRejected) as refused:
            list(blocks.Decompressor().feed(packed[:at] + bytes([packed[at] ^ 0x80]) + packed[at + 1 :]))
        assert refused.value.code == (code or refused.value.code)
    unknown = b"\x77" + (9).to_bytes(4, "little") + (0).to_bytes(4, "little")
    with pytest.raises(QueryRejected, match="Unknown compression method"):
        list(blocks.Decompressor().feed(blocks.checksum(unknown) + unknown))
    half = blocks.Decompressor()
    assert list(half.feed(packed[:-1])) == []
    with pytest.raises(QueryRejected):
        half.finish()


def test_blocks_that_grow_beyond_what_they_say_are_refused() -> None:
    """A block of 128 MiB or more, and one whose ZSTD frame is larger than the block says it is."""
    packed = zstandard.ZstdCompressor().compress(bytes(1 << 28))
    for said in (8, 1 << 28):
        block = b"\x90" + (len(packed) + 9).to_bytes(4, "little") + said.to_bytes(4, "little") + packed
        with pytest.raises(QueryRejected) as refused:
            list(blocks.Decompressor().feed(blocks.checksum(block) + block))
        assert refused.value.code == 271


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "xz", "lz4", ""])
def test_bodies_are_unpacked_in_pieces_and_no_further_than_the_limit(encoding: str) -> None:
    """A bomb of some KiB: neither one piece nor all of them can be as large as what it would be."""
    size = 1 << 26
    pack: dict[str, Callable[[bytes], bytes]] = {
        "gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstandard.ZstdCompressor().compress,
        "xz": lzma.compress, "lz4": lz4.frame.compress, "": bytes,
    }  # fmt: skip
    packed = pack[encoding](bytes(size))
    step = 64 * 1024 if encoding else 1 << 24

    def receiver() -> Callable[[], Awaitable[dict[str, Any]]]:
        messages = iter(
            {"type": "http.request", "body": packed[at : at + step], "more_body": at + step < len(packed)}
            for at in range(0, len(packed), step)
        )

        async def receive() -> dict[str, Any]:
            return next(messages)

        return receive

    async def read(limit: int) -> tuple[int, int]:
        opened = body.Body(receiver(), encoding, limit, is_in_blocks=False)
        head, is_whole = await opened.head(1)
        assert not is_whole
        sizes = [len(head)] + [len(piece) async for piece in opened.rest(1)]
        assert opened.is_read
        return sum(sizes), max(sizes)

    total, largest = asyncio.run(read(size))
    assert total == size
    assert largest <= 1 << 25
    with pytest.raises(QueryRejected, match="SIGHTLINE_STORE_MAX_BODY_BYTES") as refused:
        asyncio.run(read(size - 1))
    assert refused.value.status == 413


def test_names_and_calls_are_replaced_in_code_alone() -> None:
    """Not in strings, comments, other names or qualified ones."""
    sql = "SELECT 'system.processes', p.query_id /* query_id */ FROM system . `processes` AS p WHERE 1"
    assert sql_lexer.replace_table(sql, ("system", "processes"), "X") == sql.replace("system . `processes`", "X")
    column = "SELECT system.processes FROM (SELECT 1 AS processes) AS system"
    assert sql_lexer.replace_table(column, ("system", "processes"), "X") == column
    assert sql_lexer.replace_name("x = query_id AND p.query_id", "query_id", "Y") == "x = Y AND p.query_id"
    assert sql_lexer.replace_call("SELECT input ( 'a' ), 'input('", "input", "f(1, ") == "SELECT f(1,  'a' ), 'input('"


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("SELECT 1", "SELECT"),
        ("(SELECT 1)", "SELECT"),
        ("/* x */ with a as (select 1) select * from a", "WITH"),
        ("WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", "INSERT"),
        ("FROM t SELECT x", "FROM"),
        ("kill query where 1", "KILL"),
        ("", ""),
    ],
)
def test_kinds_of_statements(sql: str, kind: str) -> None:
    """By the first word, and INSERT behind WITH."""
    assert sql_lexer.shape(sql).kind == kind


@pytest.mark.parametrize(
    ("text", "is_list"),
    [
        ("a UInt8", True),
        ("a Array(Tuple(x UInt8, `y z` String)), `b c` Enum8('DEFAULT (' = 1), c DateTime64(3, 'UTC')", True),
        ("", False),
        ("a", False),
        ("a UInt8, ", False),
        ("a UInt8 DEFAULT 1", False),
        ("a DEFAULT (file('x'))", False),
        ("a UInt8, b alias(file('x'))", False),
        ("a UInt8 DEFAULT (SELECT 1)", False),
        ("a String) ENGINE = Memory AS (SELECT 1", False),
        ("a Array((SELECT 1))", False),
        ("a UInt8; SELECT 1", False),
    ],
)
def test_columns_of_a_table_that_comes_along_are_names_and_types(text: str, is_list: bool) -> None:
    """Nothing that could run: no default, no way out of the list."""
    assert sql_lexer.is_column_list(text) is is_list


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [("gzip, deflate, br", "br"), ("gzip;q=0, deflate", "deflate"), ("zstd", "zstd"), ("identity", ""), ("", "")],
)
def test_encoding_is_chosen_as_clickhouse_does(accepted: str, chosen: str) -> None:
    """By its order of preference, without those that the client refuses."""
    assert encodings.accepted_encoding(accepted) == chosen


class _FakeEngine:
    def __init__(self) -> None:
        self.hangs = threading.Event()
        self.refuses = False
        self.asked = threading.Event()

    def query_value(self, sql: str) -> str:
        self.asked.set()
        if self.refuses:
            raise QueryFailed(241, "memory limit")
        if self.hangs.is_set():
            threading.Event().wait(30)
        return "1"


def test_a_hung_engine_ends_the_process_with_a_code_of_its_own() -> None:
    """An engine that answers or refuses is left alone; one that does neither is ended."""
    engine, ended, codes = _FakeEngine(), threading.Event(), []

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    stop = heartbeat.watch(engine, 1.0, interval_s=0.01, end=end)
    assert engine.asked.wait(10)
    engine.refuses = True
    engine.asked.clear()
    assert engine.asked.wait(10)
    assert not codes
    engine.refuses = False
    engine.hangs.set()
    assert ended.wait(20)
    stop()
    assert codes == [heartbeat.EXIT_HUNG]


def test_the_stamp_tells_newer_from_older(tmp_path: Path) -> None:
    """Within a release nothing is refused; a fresh folder has no stamp; writing leaves no half file."""
    assert data_folder.check(tmp_path, "26.9.2.1") == ""
    data_folder.stamp(tmp_path, "26.9.2.1", "")
    assert data_folder.check(tmp_path, "26.9.1.1") == "26.9.2.1"
    assert data_folder.check(tmp_path, "27.1.1.1") == "26.9.2.1"
    with pytest.raises(StoreError, match="Install the chdb that brings"):
        data_folder.check(tmp_path, "26.8.9.9")
    assert [path.name for path in tmp_path.iterdir()] == ["sightline.json"]
