#!/usr/bin/env python3
"""Rewrites the log in `head/wal` with zstd-compressed records into `head.zstd/wal`, as Prometheus from 2.44 on writes it
with `--storage.tsdb.wal-compression-type=zstd`: the same records, each compressed by libzstd (`pip install zstandard`), one
fragment a record, pages of 32 KiB. The chunks of the head are left out, so that the samples come from the log alone."""
import pathlib
import struct
import zstandard

PAGE = 32 * 1024
here = pathlib.Path(__file__).parent


def crc32c(data):
    crc = 0xFFFFFFFF
    for b in data:
        crc ^= b
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def unsnappy(data):
    at, size, shift = 0, 0, 0
    while True:
        size |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            break
    out = bytearray()
    while at < len(data):
        tag = data[at]
        at += 1
        if tag & 3 == 0:
            n = tag >> 2
            if n >= 60:
                extra = n - 59
                n = int.from_bytes(data[at : at + extra], "little")
                at += extra
            out += data[at : at + n + 1]
            at += n + 1
            continue
        if tag & 3 == 1:
            n, back = (tag >> 2 & 7) + 4, (tag >> 5) << 8 | data[at]
            at += 1
        else:
            width = 2 if tag & 3 == 2 else 4
            n, back = (tag >> 2) + 1, int.from_bytes(data[at : at + width], "little")
            at += width
        for _ in range(n):
            out.append(out[-back])
    assert len(out) == size
    return bytes(out)


def records(log):
    at, parts = 0, b""
    while at < len(log):
        kind = log[at]
        if kind & 7 == 0:
            at = (at // PAGE + 1) * PAGE
            continue
        length, = struct.unpack(">H", log[at + 1 : at + 3])
        parts += log[at + 7 : at + 7 + length]
        at += 7 + length
        # Full, first, middle, last.
        if kind & 7 in (1, 4):
            yield unsnappy(parts) if kind & 8 else parts
            parts = b""


out = bytearray()
pack = zstandard.ZstdCompressor(write_content_size=True)
for record in records((here / "head/wal/00000000").read_bytes()):
    data = pack.compress(record)
    left = PAGE - len(out) % PAGE
    if left < 7 + len(data):
        out += bytes(left)
    out += struct.pack(">BHI", 1 | 16, len(data), crc32c(data)) + data
target = here / "head.zstd/wal"
target.mkdir(parents=True, exist_ok=True)
(target / "00000000").write_bytes(out)
