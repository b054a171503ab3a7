"""What a disk may hold after a power cut: all that was flushed, and any part of the rest.

A model of the least that POSIX and disks promise. A sector of 512 bytes is written as a whole or
not at all, and may hold any content that it had since its file was flushed last; sectors of one
file, and files, reach the disk in any order; lengths likewise, and what lies between is zero. A
name (made, changed, gone) is certain once its folder was flushed, and a new one also with its file;
of the others, any may be lost. A flush that failed has lost what it should have written, for good,
unless it is written again: so Linux does it.
"""

from __future__ import annotations

import random
import struct
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath

SECTOR = 512
PAGE = 4096

_HEAD = struct.Struct("=IIQQQQ")


@dataclass(frozen=True, slots=True)
class Record:
    """A call, and where its record ends in the journal: that is its time."""

    at: int
    kind: str
    inode: int
    path: str
    offset: int
    data: bytes
    seen: int


def read_journal(journal: Path) -> Iterator[Record]:
    """Every record; see `shim.c`."""
    with journal.open("rb") as file:
        at = 0
        while head := file.read(_HEAD.size):
            kind, path_bytes, inode, offset, data_bytes, seen = _HEAD.unpack(head)
            path, data = file.read(path_bytes).decode(), b""
            if chr(kind) in "WRK":
                data = file.read(data_bytes)
            at += _HEAD.size + path_bytes + len(data)
            yield Record(at, chr(kind), inode, path, offset, data, seen)


@dataclass
class History:
    """What something was since it was flushed last, and when; the first one is what is certain."""

    times: list[int]
    values: list[object]

    def change(self, at: int, value: object) -> None:
        if value != self.values[-1]:
            self.times.append(at)
            self.values.append(value)

    def flush(self, seen: int) -> None:
        certain = bisect_right(self.times, seen) - 1
        del self.times[:certain], self.values[:certain]

    def lose(self, seen: int) -> None:
        """What should have been flushed never will be."""
        lost = bisect_right(self.times, seen)
        del self.times[1:lost], self.values[1:lost]

    def at(self, time: float) -> object:
        return self.values[max(0, bisect_right(self.times, time) - 1)]


@dataclass
class File:
    """Its bytes as programs see them, and what the disk may hold instead."""

    content: bytearray
    certain: bytearray
    size: History
    sectors: dict[int, History] = field(default_factory=dict)
    has_lost: bool = False
    """Something: until its page is written again, which writes the whole page."""

    @classmethod
    def of(cls, data: bytes = b"") -> File:
        return cls(bytearray(data), bytearray(data), History([-1], [len(data)]))

    def write(self, at: int, offset: int, data: bytes) -> None:
        self._grow(offset + len(data))
        self.content[offset : offset + len(data)] = data
        self._changed(at, offset, offset + len(data))

    def resize(self, at: int, size: int) -> None:
        before = len(self.content)
        if size < before:
            self.content[size:] = bytes(before - size)
            self._changed(at, size, before)
            del self.content[size:]
        self._grow(size)
        self.size.change(at, size)

    def _grow(self, size: int) -> None:
        self.content.extend(bytes(max(0, size - len(self.content))))

    def _changed(self, at: int, begin: int, end: int) -> None:
        if self.has_lost:
            begin, end = begin // PAGE * PAGE, min(-(-end // PAGE) * PAGE, len(self.content))
        for sector in range(begin // SECTOR, -(-end // SECTOR)):
            if sector not in self.sectors:
                self.sectors[sector] = History([-1], [_sector(self.certain, sector)])
            self.sectors[sector].change(at, _sector(self.content, sector))
        self.size.change(at, len(self.content))

    def flush(self, seen: int) -> None:
        self.size.flush(seen)
        for sector, history in list(self.sectors.items()):
            history.flush(seen)
            self._settle(sector, history)

    def lose(self, seen: int) -> None:
        """See `History`; of the length nothing is lost, that is the file system's own."""
        self.has_lost = True
        for sector, history in list(self.sectors.items()):
            history.lose(seen)
            self._settle(sector, history)

    def _settle(self, sector: int, history: History) -> None:
        _put(self.certain, sector, history.values[0])
        if len(history.values) == 1:
            del self.sectors[sector]

    def after_cut(self, cut: Cut) -> bytes:
        """What may be found afterwards."""
        found = bytearray(self.certain)
        times: dict[int, float] = {}
        for sector, history in self.sectors.items():
            group = sector * SECTOR // cut.torn_at
            if group not in times:
                times[group] = cut.time_of(history.times)
            _put(found, sector, history.at(times[group]))
        size = self.size.at(cut.time_of(self.size.times))
        return bytes(found[:size]) + bytes(max(0, size - len(found)))


def _sector(content: bytearray, sector: int) -> bytes:
    return bytes(content[sector * SECTOR : (sector + 1) * SECTOR]).ljust(SECTOR, b"\0")


def _put(content: bytearray, sector: int, value: object) -> None:
    end = (sector + 1) * SECTOR
    content.extend(bytes(max(0, end - len(content))))
    content[end - SECTOR : end] = value


class Cut:
    """How the power fails: what of the rest was written, and how it is torn."""

    KINDS = ("nothing", "everything", "in order", "mostly", "rarely", "half")

    def __init__(self, dice: random.Random, now: int) -> None:
        self._dice = dice
        self.now = now
        self.kind = dice.choice(self.KINDS)
        self.torn_at = dice.choice([SECTOR, PAGE])
        self._moment = dice.uniform(max(0, now - dice.choice([20_000, 200_000])), now)
        self._written = {"mostly": 0.95, "rarely": 0.05}.get(self.kind, 0.5)

    def time_of(self, times: list[int]) -> float:
        """As of when something stands on the disk that has changed at these times."""
        if self.kind in ("nothing", "everything", "in order"):
            return {"nothing": -1, "everything": self.now, "in order": self._moment}[self.kind]
        if self._dice.random() < self._written:
            return self.now
        return self._dice.choice([-1, *times])

    def keeps(self, at: int) -> bool:
        """Whether a change of a name has reached the disk."""
        return self.time_of([at]) >= at


@dataclass(frozen=True, slots=True)
class Renaming:
    """Names that now lead to other files, or to none; all of them or none."""

    at: int
    names: Mapping[str, File | None]

    def apply(self, names: dict[str, File]) -> None:
        for path, file in self.names.items():
            if file is None:
                names.pop(path, None)
            else:
                names[path] = file

    def is_flushed_with(self, folder: str | None, file: File | None) -> bool:
        if any(str(PurePath(path).parent) == folder for path in self.names):
            return True
        return file is not None and list(self.names.values()) == [file]


class Disk:
    """All files below a folder, brought forward record by record."""

    def __init__(self, folder: Path, *, as_in: Path) -> None:
        """As it is in the other folder, which counts as flushed."""
        self.now = 0
        self._names: dict[str, File] = {
            str(folder / path.relative_to(as_in)): File.of(path.read_bytes())
            for path in as_in.rglob("*")
            if path.is_file()
        }
        self._certain = dict(self._names)
        self._pending: list[Renaming] = []
        self._inodes: dict[int, File] = {}
        self._folders: dict[int, str] = {}

    def take(self, record: Record) -> None:
        """Do the same."""
        self.now = record.at
        match record.kind:
            case "O":
                self._open(record)
            case "R" | "K":
                self._rename(record)
            case "U":
                self._name({record.path: None})
            case "S":
                self._flush(record)
            case _:
                self._change(self._inodes.get(record.inode), record)

    def _change(self, file: File | None, record: Record) -> None:
        if file is None:
            return
        if record.kind == "W":
            file.write(record.at, record.offset, record.data)
        elif record.kind == "T":
            file.resize(record.at, record.offset)
        elif record.kind == "L":
            file.lose(record.seen)

    def _open(self, record: Record) -> None:
        if Path(record.path).is_dir():
            self._folders[record.inode] = record.path.rstrip("/")
            self._inodes.pop(record.inode, None)
            return
        self._folders.pop(record.inode, None)
        file = self._names.get(record.path)
        if file is None or self._inodes.get(record.inode, file) is not file:
            file = File.of()
            self._name({record.path: file})
        self._inodes[record.inode] = file
        if record.offset:
            file.resize(record.at, 0)

    def _rename(self, record: Record) -> None:
        file = self._names.get(record.path)
        if file is not None:
            gone = {record.path: None} if record.kind == "R" else {}
            self._name({record.data.decode(): file, **gone})

    def _name(self, names: Mapping[str, File | None]) -> None:
        self._pending.append(Renaming(self.now, names))
        self._pending[-1].apply(self._names)

    def _flush(self, record: Record) -> None:
        file, folder = self._inodes.get(record.inode), self._folders.get(record.inode)
        if file is not None:
            file.flush(record.seen)
        kept: list[Renaming] = []
        touched: set[str] = set()
        flushed = []
        # From the last one on: what became of a name before is over with what became of it later.
        for each in reversed(self._pending):
            is_flushed = each.at <= record.seen and each.is_flushed_with(folder, file)
            if is_flushed or touched & each.names.keys():
                touched |= each.names.keys()
                flushed.append(each)
            else:
                kept.append(each)
        self._pending = kept[::-1]
        for each in reversed(flushed):
            each.apply(self._certain)

    def after_cut(self, cut: Cut) -> Mapping[str, bytes]:
        """Every file that may be found afterwards, with what is in it."""
        names = dict(self._certain)
        for each in self._pending:
            if cut.keeps(each.at):
                each.apply(names)
        return {path: file.after_cut(cut) for path, file in names.items()}
