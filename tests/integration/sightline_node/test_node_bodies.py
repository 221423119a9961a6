"""Bodies as the embedded node takes and gives them: compressed, in forms, of many inserts, too large."""

from __future__ import annotations

import gzip
import lzma
import zlib
from pathlib import Path

import lz4.frame
import pytest
import zstandard
from node_http import ask
from role_process import StartRole, free_port

from sightline_node.http import blocks


def _unpacked(encoding: str, body: bytes) -> bytes:
    if encoding == "gzip":
        return gzip.decompress(body)
    if encoding == "deflate":
        return zlib.decompress(body)
    if encoding == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(body)
    if encoding == "lz4":
        return bytes(lz4.frame.decompress(body))
    return lzma.decompress(body)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd", "lz4", "xz"])
def test_content_encoding_both_ways(store_url: str, encoding: str) -> None:
    """Answers are compressed when both sides want it, long and short ones; bodies are understood as they come."""
    plain = ask(store_url, b"SELECT number FROM numbers(300000)")[1]
    for sql, expected in ((b"SELECT number FROM numbers(300000)", plain), (b"SELECT 1", b"1\n")):
        _, body, headers = ask(store_url, sql, {"Accept-Encoding": encoding}, enable_http_compression="1")
        assert headers["content-encoding"] == encoding
        assert _unpacked(encoding, body) == expected
    _, body, headers = ask(store_url, b"SELECT 1", {"Accept-Encoding": encoding})
    assert ("content-encoding" in headers, body) == (False, b"1\n")
    packed = _packed(encoding, b"SELECT 40 + 2")
    assert ask(store_url, packed, {"Content-Encoding": encoding})[1] == b"42\n"
    status, _, _ = ask(store_url, packed[:-3], {"Content-Encoding": encoding})
    assert status == 400


def _packed(encoding: str, data: bytes) -> bytes:
    if encoding == "gzip":
        return gzip.compress(data[:5]) + gzip.compress(data[5:])  # two members are one body
    if encoding == "deflate":
        return zlib.compress(data)
    if encoding == "zstd":
        return zstandard.ZstdCompressor().compress(data)
    if encoding == "lz4":
        return bytes(lz4.frame.compress(data))
    return lzma.compress(data)


def test_brotli_and_snappy_are_spoken_by_the_engine(store_url: str) -> None:
    """Encodings without a Python library here: what the node writes it reads back."""
    ask(store_url, b"CREATE TABLE default.br (n UInt64) ENGINE = Memory")
    for encoding in ("br", "snappy"):
        sql = b"SELECT number FROM numbers(300000)"
        _, body, headers = ask(store_url, sql, {"Accept-Encoding": encoding}, enable_http_compression="1")
        assert headers["content-encoding"] == encoding
        insert = "INSERT INTO default.br FORMAT TSV"
        assert ask(store_url, body, {"Content-Encoding": encoding}, query=insert)[0] == 200
    assert ask(store_url, b"SELECT count(), sum(n) FROM default.br")[1] == b"600000\t89999700000\n"
    assert ask(store_url, b"junk", {"Content-Encoding": "br"})[0] >= 400
    ask(store_url, b"DROP TABLE default.br")
    assert ask(store_url, b"SELECT 1", {"Content-Encoding": "rot13"})[0] == 501


@pytest.mark.parametrize("method", ["LZ4", "ZSTD"])
def test_clickhouses_own_compression_both_ways(store_url: str, method: str) -> None:
    """compress=1 and decompress=1: blocks with checksums; a changed byte is refused."""
    sql = b"SELECT number FROM numbers(300000)"
    plain = ask(store_url, sql)[1]
    packed = ask(store_url, sql, compress="1", network_compression_method=method)[1]
    unpacker = blocks.Decompressor()
    assert b"".join(unpacker.feed(packed)) == plain
    unpacker.finish()
    assert ask(store_url, blocks.compress(b"SELECT 7", method), decompress="1")[1] == b"7\n"
    ask(store_url, b"CREATE TABLE default.b (n UInt64) ENGINE = Memory")
    insert = "INSERT INTO default.b FORMAT TSV"
    assert ask(store_url, packed, decompress="1", query=insert)[0] == 200
    damaged = packed[:1000] + bytes([packed[1000] ^ 1]) + packed[1001:]
    status, _, headers = ask(store_url, damaged, decompress="1", query=insert)
    assert (status, headers["x-clickhouse-exception-code"]) == (400, "40")
    assert ask(store_url, packed[:-5], decompress="1", query=insert)[0] == 400
    assert ask(store_url, b"SELECT count(), sum(n) FROM default.b")[1] == b"300000\t44999850000\n"
    ask(store_url, b"DROP TABLE default.b")


def test_inserts_in_every_way(store_url: str) -> None:
    """VALUES of any size, data behind the statement or in the body, input(), a column list, async_insert."""
    ask(store_url, b"CREATE TABLE default.i (n UInt64, s String DEFAULT 'd') ENGINE = MergeTree ORDER BY n")
    many = ",".join(f"({n})" for n in range(200_000)).encode()
    assert len(many) > 1024**2
    for query, body in (
        ("INSERT INTO default.i (n) VALUES", b"(1),(2)"),
        ("", b"INSERT INTO default.i (n) VALUES (3), (4);"),
        ("INSERT INTO default.i (n) VALUES", many),
        ("", b"INSERT INTO default.i (n) VALUES " + many),
        ("INSERT INTO default.i (n) FORMAT RowBinary", bytes(8) * 10),
        ("", b"INSERT INTO default.i (n) FORMAT RowBinary\n" + b"\n" + bytes(7)),
        ("INSERT INTO default.i (n) SELECT x * 2 FROM input('x UInt64') FORMAT CSV", b"5\n6\n"),
        ("INSERT INTO default.i SETTINGS async_insert = 1, wait_for_async_insert = 1 FORMAT JSONEachRow", b'{"n":7}'),
        ("INSERT INTO default.i SELECT number, 's' FROM numbers(5)", b""),
    ):
        status, answer, _ = ask(store_url, body, **({"query": query} if query else {}))
        assert status == 200, (query, answer)
    assert ask(store_url, b"SELECT count() FROM default.i")[1] == f"{2 + 2 + 400_000 + 10 + 1 + 2 + 1 + 5}\n".encode()
    assert ask(store_url, b"SELECT count() FROM default.i WHERE s = 's' OR n = 10 AND s = 'd'")[1] == b"9\n"
    ask(store_url, b"DROP TABLE default.i")


def test_tables_come_with_a_query(store_url: str) -> None:
    """multipart/form-data: tables by structure and by types, the query and parameters as fields."""
    fields = [
        ('name="users"; filename="u.csv"', b"1,ann\n2,b\r\nc\n".replace(b"b\r\nc", b'"b\r\nc"')),
        ('name="more"; filename="m"', b"1\t[1,2]\n"),
        ('name="query"', b"SELECT count(), max(name), (SELECT any(_2) FROM more), {x:UInt8} FROM users"),
        ('name="param_x"', b"9"),
    ]
    body = b"".join(b"--edge\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (n.encode(), d) for n, d in fields)
    status, answer, _ = ask(
        store_url,
        body + b"--edge--\r\n",
        {"Content-Type": "multipart/form-data; boundary=edge"},
        users_format="CSV",
        users_structure="id UInt32, name String",
        more_types="UInt8, Array(UInt8)",
    )
    assert (status, answer) == (200, b"2\tb\\r\\nc\t[1,2]\t9\n")
    assert ask(store_url, b"x", {"Content-Type": "multipart/form-data; boundary=edge"}, query="SELECT 1")[0] == 400


def test_data_that_begin_with_line_ends_stay_whole(store_url: str) -> None:
    """Behind FORMAT one line end is the statement's; all that follows is data, in the URL's query and in the body."""
    data = b"\n\r\n\x00 binary\n"
    for insert, body in (
        ("", b"INSERT INTO default.raw FORMAT RawBLOB\n" + data),
        ("INSERT INTO default.raw FORMAT RawBLOB", data),
    ):
        ask(store_url, b"CREATE OR REPLACE TABLE default.raw (s String) ENGINE = Memory")
        assert ask(store_url, body, **({"query": insert} if insert else {}))[0] == 200
        assert ask(store_url, b"SELECT s FROM default.raw FORMAT RawBLOB")[1] == data
    ask(store_url, b"DROP TABLE default.raw")


def test_a_body_that_unpacks_beyond_the_limit_is_refused(roles: StartRole, tmp_path: Path) -> None:
    """413 and the setting's name, whoever unpacks it: the node, the engine, or nobody because it came as it is."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    roles(
        "sightline-store",
        "serve",
        env={
            "SIGHTLINE_STORE_PORT": str(port),
            "SIGHTLINE_STORE_DATA_DIR": str(tmp_path / "data"),
            "SIGHTLINE_STORE_MAX_BODY_BYTES": str(8 << 20),
        },
        health_url=f"{url}/ping",
    )
    ask(url, b"CREATE TABLE default.bomb (s String) ENGINE = Memory")
    insert = "INSERT INTO default.bomb FORMAT RawBLOB"
    large, small = bytes(64 << 20), bytes(1 << 20)
    sql = b"SELECT repeat(repeat('0', 1024), 65536) FORMAT RawBLOB"
    brotli = ask(url, sql, {"Accept-Encoding": "br"}, enable_http_compression="1")[1]
    blocked = blocks.compress(large, "ZSTD")
    for body, headers, given in (
        (gzip.compress(large), {"Content-Encoding": "gzip"}, {}),
        (zstandard.ZstdCompressor().compress(large), {"Content-Encoding": "zstd"}, {}),
        (gzip.compress(blocked), {"Content-Encoding": "gzip"}, {"decompress": "1"}),
        (brotli, {"Content-Encoding": "br"}, {}),
        (bytes((8 << 20) + 1), {}, {}),
    ):
        assert len(body) < 1 << 20 or not headers
        status, answer, _ = ask(url, body, headers, query=insert, **given)
        assert (status, b"SIGHTLINE_STORE_MAX_BODY_BYTES" in answer) == (413, True), (headers, answer)
    assert ask(url, gzip.compress(small), {"Content-Encoding": "gzip"}, query=insert)[0] == 200
    assert ask(url, b"SELECT count(), sum(length(s)) FROM default.bomb")[1] == b"1\t1048576\n"
