# SPDX-License-Identifier: GPL-2.0-or-later
"""tide - recordings (include/tidemark/record.h) cut by container and time: frames are copied as they are."""
import gzip
import io
import os
import struct
import subprocess
import tarfile
import zlib

HEADER = 16
FILE, CTR_START, CTR_STOP, CONTENT, TICK, LOSS, SNAPSHOT, STATE, END, PRIOR = 4, 5, 6, 8, 10, 11, 12, 13, 14, 26
SRC_WALK = 16
FIXED = struct.Struct("<IHHQQqHHI")  # length, version, kind, seq, boot, wall, sources, flags, length of the container's id


def frames(path):
    """(kind, wall_ns, container, frame) of each; a file that is still written ends where it does."""
    opened = gzip.open if path.endswith(".gz") else open
    with opened(path, "rb") as f:
        f.read(HEADER)
        while True:
            head = f.read(8)
            if len(head) < 8:
                return
            record = f.read(struct.unpack("<I", head[:4])[0])
            if len(record) < FIXED.size:
                return
            _, _, kind, _, _, wall, _, _, n = FIXED.unpack_from(record)
            yield kind, wall, record[FIXED.size:FIXED.size + n].decode("ascii", "replace"), head + record


def end_frame():
    record = FIXED.pack(FIXED.size, 1, END, 0, 0, 0, 0, 0, 0) + struct.pack("<HII", 0, 0, 0)
    record = struct.pack("<I", len(record)) + record[4:]
    return struct.pack("<II", len(record), zlib.crc32(record, zlib.crc32(struct.pack("<I", len(record))))) + record


def field(frame, container, skip):
    """A counted string of the record's own, behind what skip says: "s" one of them, "b" a byte."""
    at, record = FIXED.size + len(container), frame[8:]
    for what in skip + "s":
        n = 1 if what == "b" else 4 + struct.unpack_from("<I", record, at)[0]
        found, at = record[at + 4:at + n], at + n
    return found


def image_of(frame, container):
    """Of a CONTENT: the digest of its image's configuration."""
    return field(frame, container, "ssbs")


def digest_of(frame):
    """Of a PRIOR: whose facts they are."""
    return field(frame, "", "")


def retimed(frame, as_of):
    """The same record at another one's time."""
    boot, wall = FIXED.unpack_from(as_of, 8)[4:6]
    f = list(FIXED.unpack_from(frame, 8))
    f[4:6] = boot, wall
    record = FIXED.pack(*f) + frame[8 + FIXED.size:]
    return struct.pack("<II", len(record), zlib.crc32(record, zlib.crc32(struct.pack("<I", len(record))))) + record


def thinned(chosen):
    """Without what a walk found again as it was found before: each walk of a database tells of thousands of files, all of
    which are known. And without ticks, which say nothing but the time, less than 100 ms after another. Nothing else is
    left out. chosen: (kind, wall, container, frame)."""
    found, ticked = set(), 0
    for kind, wall, container, frame in chosen:
        record = frame[8:]
        if kind == FILE and FIXED.unpack_from(record)[6] == SRC_WALK:
            facts = hash(record[FIXED.size:])
            if facts in found:
                continue
            found.add(facts)
        if kind == TICK:
            if 0 <= wall - ticked < 100000000:
                continue
            ticked = wall
        yield kind, wall, container, frame


def whole(chosen):
    """A recording of these frames; the same frames give the same bytes."""
    start = b"TIDEMARK" + struct.pack("<I", 1)
    return start + struct.pack("<I", zlib.crc32(start)) + b"".join(chosen) + end_frame()


class Archive:
    """KIND.tar.zst: its members by name, in memory; what is alike in them is packed once."""

    def __init__(self, path):
        self.path, self.members = path, {}
        if os.path.exists(path):
            text = subprocess.run(["zstd", "-q", "-d", "-c", "--long=27", path], stdout=subprocess.PIPE, check=True).stdout
            with tarfile.open(fileobj=io.BytesIO(text)) as tar:
                self.members = {m.name: tar.extractfile(m).read() for m in tar.getmembers()}

    def write(self):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for name in sorted(self.members):
                m = tarfile.TarInfo(name)
                m.size, m.mode = len(self.members[name]), 0o644
                tar.addfile(m, io.BytesIO(self.members[name]))
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        with open(self.path, "wb") as f:
            subprocess.run(["zstd", "-q", "-19", "--long=27", "-c"], input=out.getvalue(), stdout=f, check=True)
