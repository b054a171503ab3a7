"""What a node remembers of itself for people, in two rings that never grow: events and samples.

Nothing of it is replicated or in a snapshot, no promise rests on it, and so no commit of it is
flushed: a power cut may take the last seconds back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from django.db import transaction
from django.db.models import QuerySet

from ..models import MAX_COMMENT_CHARACTERS, MAX_NAME_CHARACTERS, Event, Sample
from .durability import relax_this_commit, relaxed_commits

KEPT_EVENTS = 500

SAMPLE_SECONDS = 10.0
SAMPLES = 360
"""An hour of them."""


@dataclass(slots=True)
class Measured:
    """What one process saw within the seconds of a sample; it is added to what others saw."""

    term: int = 0
    commit_index: int = 0
    lag_entries: int = 0
    lateness_seconds: float = 0.0
    ticks: int = 0
    late_ticks: int = 0
    writes: int = 0
    failed_writes: int = 0
    write_seconds: float = 0.0
    slowest_seconds: float = 0.0


SUMS = ("ticks", "late_ticks", "writes", "failed_writes", "write_seconds")
"""What is added up; of all else the highest counts."""


class Rings:
    """Those of the node in the database `alias`."""

    def __init__(self, alias: str) -> None:
        self.alias = alias

    def note(
        self,
        at: float,
        kind: str,
        *,
        term: int = 0,
        subject: str = "",
        detail: str = "",
        user: str = "",
    ) -> None:
        """Remember an event, and forget the oldest one."""
        event = Event(
            at=at,
            kind=kind,
            term=term,
            subject=subject[:MAX_NAME_CHARACTERS],
            detail=detail[:MAX_COMMENT_CHARACTERS],
            user=user[:MAX_NAME_CHARACTERS],
        )
        with self._relaxed():
            event.save(using=self.alias, force_insert=True)
            Event.objects.using(self.alias).filter(pk__lte=event.pk - KEPT_EVENTS).delete()

    def measure(self, at: float, measured: Measured) -> None:
        """Add to the sample of that time; whatever the slot held an hour before goes."""
        start = at - at % SAMPLE_SECONDS
        slot = int(start // SAMPLE_SECONDS) % SAMPLES
        rows = Sample.objects.using(self.alias).select_for_update().filter(pk=slot)
        with self._relaxed():
            row = rows.first() or self._new_row(rows, Sample(slot=slot, at=start))
            if row.at != start:
                row = Sample(slot=slot, at=start)
            for name, value in asdict(measured).items():
                before = getattr(row, name)
                setattr(row, name, before + value if name in SUMS else max(before, value))
            row.save(using=self.alias, force_update=True)

    def _new_row(self, rows: QuerySet[Sample], fresh: Sample) -> Sample:
        """Another process of the node may make it at this moment; then that one counts."""
        Sample.objects.using(self.alias).bulk_create([fresh], ignore_conflicts=True)
        return rows.get()

    def events(self, limit: int) -> list[Event]:
        """The newest first."""
        return list(Event.objects.using(self.alias)[:limit])

    def leader_since(self, leader_id: str | None, term: int) -> float | None:
        """When this node learned who leads the term, or that nobody does; None if forgotten."""
        events = Event.objects.using(self.alias)
        if leader_id:
            found = events.filter(kind="leader", term=term)
        else:
            found = events.filter(kind="no leader")
        return found.values_list("at", flat=True).first()

    def disagreement(self) -> str:
        """Which node was found to differ, if no comparison found it equal since; "" for none."""
        found = Event.objects.using(self.alias).filter(kind__in=("disagreement", "agreement"))
        latest = found.first()
        return latest.subject if latest is not None and latest.kind == "disagreement" else ""

    def samples(self, now: float) -> list[Sample]:
        """Those of the last hour, the oldest first."""
        since = now - SAMPLES * SAMPLE_SECONDS
        return list(Sample.objects.using(self.alias).filter(at__gt=since, at__lte=now))

    def last_driven(self, now: float) -> float | None:
        """When the last sample began in which a driver looked; None if none ever did."""
        driven = Sample.objects.using(self.alias).filter(ticks__gt=0, at__lte=now)
        return driven.values_list("at", flat=True).last()

    @contextmanager
    def _relaxed(self) -> Iterator[None]:
        with relaxed_commits(self.alias), transaction.atomic(using=self.alias):
            relax_this_commit(self.alias)
            yield
