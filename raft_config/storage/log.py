"""The log and the snapshot in their tables: read by ranges of indexes, never as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from django.db.models import Count, QuerySet, Sum
from django.db.models.functions import Length

from ..core.log import ENTRY_OVERHEAD_BYTES, Entry, LogView, SnapshotMeta
from ..models import NODE_ROW, LogEntry, Node, Snapshot, SnapshotChunk
from .codec import decode_configuration, encode_configuration
from .table import Row, Table, select

STORED_CHUNK_BYTES = 256 * 1024
"""How much of a snapshot taken here goes into one row."""

Found = TypeVar("Found")

COLUMNS = ("index", "term", "command", "configuration")
ENTRIES = Table(LogEntry, *COLUMNS)
_TABLE = ENTRIES.name
_RANGE = """
    SELECT "index", "term", "command", "configuration" FROM {table}
    WHERE "index" >= %s AND "index" < {end} ORDER BY "index"
"""
_BEYOND = """
    COALESCE((SELECT "index" FROM (
        SELECT "index", SUM(LENGTH("command") + %s) OVER (ORDER BY "index") AS total
        FROM {table} WHERE "index" >= %s AND "index" < %s
    ) AS sizes WHERE total > %s AND "index" > %s ORDER BY "index" LIMIT 1), %s)
"""
_ONE = _RANGE.format(table=_TABLE, end="%s")
_BOUNDED = _RANGE.format(table=_TABLE, end=_BEYOND.format(table=_TABLE))
_TERM = f'SELECT "term" FROM {_TABLE} WHERE "index" = %s'  # noqa: S608 - our own name


class DatabaseLog(LogView):
    """The stored log of the node in the database `alias`; each question is one indexed query."""

    def __init__(self, alias: str, base: tuple[int, int] | None = None) -> None:
        self.alias = alias
        self._base = base

    @property
    def base(self) -> tuple[int, int]:
        """Index and term of the last entry compacted away, as known to whoever holds the lock."""
        if self._base is not None:
            return self._base
        row = Node.objects.using(self.alias).filter(pk=NODE_ROW)
        return first_of(row.values_list("base_index", "base_term")) or (0, 0)

    def term_at(self, index: int) -> int | None:
        """See `LogView`."""
        if self._base is None or index > self._base[0]:
            for (term,) in select(self.alias, _TERM, (index,)):
                return int(term)
        base_index, base_term = self.base
        return base_term if index == base_index else None

    def entries(self, start: int, *, max_entries: int, max_bytes: int) -> Sequence[Entry]:
        """See `LogView`. No row beyond the bounds is loaded."""
        end = start + max_entries
        if max_entries == 1:
            rows = select(self.alias, _ONE, (start, end))
        else:
            beyond = (ENTRY_OVERHEAD_BYTES, start, end, max_bytes, start, end)
            rows = select(self.alias, _BOUNDED, (start, *beyond))
        found = [_entry(*row) for row in rows]
        return found if found and found[0].index == start else ()

    def all_entries(self) -> tuple[Entry, ...]:
        """Every entry, whatever is missing between them."""
        rows = self._entries().order_by("index").values_list(*COLUMNS)
        return tuple(_entry(*row) for row in rows)

    def floor_of_term(self, index: int, term: int) -> tuple[int, int]:
        """See `LogView`."""
        rows = self._entries().filter(index__lte=index, term__lte=term).order_by("-index")
        return first_of(rows.values_list("index", "term")) or self.base

    @property
    def snapshot(self) -> SnapshotMeta | None:
        """See `LogView`."""
        row = first_of(Snapshot.objects.using(self.alias).filter(pk=NODE_ROW))
        if row is None:
            return None
        return SnapshotMeta(
            last_included_index=row.last_included_index,
            last_included_term=row.last_included_term,
            configuration=decode_configuration(row.configuration),
            size_bytes=row.size_bytes,
            digest=row.digest,
        )

    def snapshot_chunk(self, offset: int, max_bytes: int) -> bytes:
        """See `LogView`."""
        rows = self._chunks(incoming=False)
        begin = rows.filter(offset__lte=offset).order_by("-offset").values("offset")[:1]
        found = rows.filter(offset__gte=begin, offset__lt=offset + max_bytes).order_by("offset")
        chunks = list(found.values_list("offset", "data"))
        data = b"".join(bytes(each) for _, each in chunks)
        skipped = offset - chunks[0][0] if chunks else 0
        return data[skipped : skipped + max_bytes]

    def size(self) -> tuple[int, int]:
        """How many entries are stored, and the bytes of their commands."""
        found = self._entries().aggregate(entries=Count("index"), bytes=Sum(Length("command")))
        return found["entries"], found["bytes"] or 0

    # -- writing, for whoever holds the lock

    def append(self, entries: Sequence[Entry], *, replacing: bool) -> None:
        """Store entries; those at and after the first one's index go first, if there are any."""
        if replacing:
            self._entries().filter(index__gte=entries[0].index).delete()
        ENTRIES.insert(self.alias, [_row(entry) for entry in entries])

    def compact(self, meta: SnapshotMeta, data: bytes, keep_from: int) -> tuple[int, int]:
        """Put a snapshot in place, and forget the entries before `keep_from`; the new base."""
        base_index, base_term = self.base
        if keep_from - 1 > base_index:
            base_index, base_term = keep_from - 1, self.term_at(keep_from - 1) or 0
        self._chunks(incoming=False).delete()
        self._chunks(incoming=False).bulk_create(
            SnapshotChunk(incoming=False, offset=offset, data=data[offset:][:STORED_CHUNK_BYTES])
            for offset in range(0, len(data), STORED_CHUNK_BYTES)
        )
        self._entries().filter(index__lt=keep_from).delete()
        return self._replace_snapshot(meta, (base_index, base_term))

    def store_chunk(self, offset: int, data: bytes) -> None:
        """Keep a part of the incoming snapshot, and nothing that stood from `offset` on."""
        self._chunks(incoming=True).filter(offset__gte=offset).delete()
        SnapshotChunk.objects.using(self.alias).create(incoming=True, offset=offset, data=data)

    def forget_incoming(self) -> None:
        """What was received so far will not be needed."""
        self._chunks(incoming=True).delete()

    def incoming_bytes(self) -> bytes:
        """What was received so far."""
        rows = self._chunks(incoming=True).order_by("offset").values_list("data", flat=True)
        return b"".join(bytes(data) for data in rows)

    def erase(self) -> None:
        """Forget the log, the snapshot, and what was received of another one."""
        self._entries().delete()
        SnapshotChunk.objects.using(self.alias).all().delete()
        Snapshot.objects.using(self.alias).all().delete()

    def install(self, meta: SnapshotMeta) -> tuple[int, int]:
        """Let what was received be the snapshot, and begin an empty log after it; the new base."""
        self._chunks(incoming=False).delete()
        self._chunks(incoming=True).update(incoming=False)
        self._entries().delete()
        return self._replace_snapshot(meta, (meta.last_included_index, meta.last_included_term))

    def _replace_snapshot(self, meta: SnapshotMeta, base: tuple[int, int]) -> tuple[int, int]:
        columns = {
            "last_included_index": meta.last_included_index,
            "last_included_term": meta.last_included_term,
            "configuration": encode_configuration(meta.configuration),
            "size_bytes": meta.size_bytes,
            "digest": meta.digest,
        }
        Snapshot.objects.using(self.alias).bulk_create(
            [Snapshot(id=NODE_ROW, **columns)],
            update_conflicts=True,
            unique_fields=["id"],
            update_fields=list(columns),
        )
        self._base = base
        return base

    def _entries(self) -> QuerySet[LogEntry]:
        return LogEntry.objects.using(self.alias)

    def _chunks(self, *, incoming: bool) -> QuerySet[SnapshotChunk]:
        return SnapshotChunk.objects.using(self.alias).filter(incoming=incoming)


def first_of(
    rows: QuerySet[LogEntry, Found] | QuerySet[Node, Found] | QuerySet[Snapshot, Found],
) -> Found | None:
    """The first row, in the order the query has anyway."""
    return next(iter(rows[:1]), None)


def _entry(index: int, term: int, command: bytes | memoryview, configuration: str) -> Entry:
    return Entry(
        index,
        term,
        bytes(command),
        decode_configuration(configuration) if configuration else None,
    )


def _row(entry: Entry) -> Row:
    configuration = encode_configuration(entry.configuration) if entry.configuration else ""
    return entry.index, entry.term, entry.command, configuration
