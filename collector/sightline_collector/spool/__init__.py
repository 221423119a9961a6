"""The spool: OTLP requests on disk between the answer to the client and the rows in the store.

Files, in one folder that one collector owns (`lock` is held with flock)::

    traces/20261123T165400.123456-9f2c01ab.open          being written
    traces/20261123T165400.123456-9f2c01ab.51200.seg     closed, holds 51200 items, waits for the store
    traces/20261123T165400.123456-9f2c01ab.summary       digests and counts of its requests: see summary.py
    traces/20261123T165400.123456-9f2c01ab-s.46080.verdict   of a segment whose traces are sampled: see verdict.py
    traces/20261123T165400.123456-9f2c01ab.batch         names of segments that go in one INSERT: see batch.py
    quarantine/…                                         damaged segments, each with a .reason beside it
    dead-letter/…                                        requests that ClickHouse cannot read, likewise

A segment holds one signal. It is a run of records::

    varint length | OTLP request as it came | FD 7F | CRC-32 of the request, little-endian
                  `------------------- length ------------------------------------------'

`FD 7F` is the Protobuf tag of field 2047, fixed32. No OTLP message has that field, so a segment is also a valid file of
ClickHouse's Protobuf format, which skips what its schema does not name, and is inserted as it stands.

Invariants

1. A request is answered with success only after fdatasync returned for every byte of its record, and fsync for the
   folder entry of its file.
2. What follows the last durable record is not acknowledged. After a crash the tail of an `.open` file whose length or
   checksum does not hold is cut; what stands before it is kept, whether or not the answer had left: the client sends
   an unanswered request again, and its digest is then among those of the kept records. What a refused request may
   have left is cut before another of its signal is taken, so that it is never read beside its second attempt.
   What is kept is written again before it is synced: an earlier sync of it may have failed.
3. The name of a segment is never used again: it is the token by which the store recognises a segment sent twice.
4. A closed segment is never written, and its summary is whole and durable before it has its closed name, or absent.
   It is removed only after the store said that its rows are fsynced; a power cut that brings it back does no harm (3).
5. Damage inside a closed segment moves it to quarantine/ with the reason; the collector goes on. The requests before it
   are stored; those behind it are not recognised any more, so that one which comes again is stored.
6. Segments that a `.batch` names go together or not at all, under one token, until that file is gone.

Start-up lists names, reads summaries and re-reads only `.open` segments, so it needs no memory for the backlog.
Everything in the folders of the signals is read and written through `filesystem.Filesystem`. A spool of an earlier
version, whose summaries are `.seen` files, is taken over as it stands.
"""
