"""The tables of a node: fields and constraints, no logic.

Only `raft_config.storage` writes them; the admin shows them and never edits. Structured parts (what
belongs to a role, configurations) are JSON texts in ASCII, not a database's JSON type: PostgreSQL's
would reorder a leader's peers, and so what is sent to whom first.
"""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

NODE_ROW = 1
"""The primary key of the one row of `Node` and of `Snapshot`."""

MAX_NAME_CHARACTERS = 255
"""Of names, request ids, user names and node ids: what every database can index."""

MAX_COMMENT_CHARACTERS = 1000


class Node(models.Model):
    """The node itself, in one row, which is also its lock. The names are those of `NodeState`."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=NODE_ROW)
    node_id = models.TextField()
    incarnation = models.TextField()
    role = models.TextField()
    role_data = models.TextField()
    current_term = models.PositiveBigIntegerField()
    voted_for = models.TextField(null=True)  # noqa: DJ001 - no vote is not a vote for ""
    last_log_index = models.PositiveBigIntegerField()
    last_log_term = models.PositiveBigIntegerField()
    commit_index = models.PositiveBigIntegerField()
    last_applied = models.PositiveBigIntegerField()
    configuration = models.TextField()
    previous_configuration = models.TextField()
    snapshot_index = models.PositiveBigIntegerField()
    unsnapshotted_bytes = models.PositiveBigIntegerField()
    incoming = models.TextField(blank=True, default="")
    may_lead = models.BooleanField()
    drained = models.BooleanField()
    base_index = models.PositiveBigIntegerField(default=0)
    """The last entry that was compacted away; with its term, which must stay known."""
    base_term = models.PositiveBigIntegerField(default=0)
    halted_by = models.TextField(blank=True, default="")
    """Why this release cannot apply the entry after last_applied; "" if nothing is wrong."""
    durable_saves = models.PositiveBigIntegerField(default=0)
    """How many saves a promise rested on; a row with fewer than before is an older copy."""
    values_hash = models.PositiveBigIntegerField(default=0)
    """Of all applied values, in whatever order: nodes with the same last_applied have the same."""
    checked_index = models.PositiveBigIntegerField(default=0)
    """The last index at which every node remembers that hash ..."""
    checked_hash = models.PositiveBigIntegerField(default=0)
    """... and the hash there."""

    class Meta:
        """One row; the indexes in their order. The plural is the admin's page: the cluster."""

        verbose_name = _("node")
        verbose_name_plural = _("cluster")
        permissions = (("operate_cluster", "Can operate the cluster"),)
        constraints = (
            models.CheckConstraint(condition=Q(id=NODE_ROW), name="raft_config_one_node"),
            models.CheckConstraint(
                condition=Q(last_applied__lte=F("commit_index"))
                & Q(commit_index__lte=F("last_log_index")),
                name="raft_config_indexes_in_order",
            ),
        )

    def __str__(self) -> str:
        return f"{self.node_id}: {self.role} in term {self.current_term}"


class LogEntry(models.Model):
    """A command, a configuration, or (neither) the no-op that opens a term."""

    index = models.PositiveBigIntegerField(primary_key=True)
    term = models.PositiveBigIntegerField()
    command = models.BinaryField(default=b"")
    configuration = models.TextField(blank=True, default="")

    class Meta:
        """In the order of the log."""

        verbose_name = _("log entry")
        verbose_name_plural = _("log entries")
        ordering = ("index",)

    def __str__(self) -> str:
        return f"{self.index} of term {self.term}"


class Member(models.Model):
    """A mirror of the configuration that counts, for people to look at: nothing reads it here."""

    node_id = models.CharField(max_length=MAX_NAME_CHARACTERS, primary_key=True)
    address = models.TextField(blank=True)
    voter = models.BooleanField()
    promote = models.BooleanField()
    incarnation = models.TextField(blank=True)
    version = models.PositiveIntegerField()

    class Meta:
        """By id, as in a configuration."""

        ordering = ("node_id",)

    def __str__(self) -> str:
        return self.node_id


class Snapshot(models.Model):
    """What identifies the latest complete snapshot; its bytes are in chunks."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=NODE_ROW)
    last_included_index = models.PositiveBigIntegerField()
    last_included_term = models.PositiveBigIntegerField()
    configuration = models.TextField()
    size_bytes = models.PositiveBigIntegerField()
    digest = models.TextField()

    class Meta:
        """One row, or none."""

        constraints = (
            models.CheckConstraint(condition=Q(id=NODE_ROW), name="raft_config_one_snapshot"),
        )

    def __str__(self) -> str:
        return f"through {self.last_included_index} of term {self.last_included_term}"


class SnapshotChunk(models.Model):
    """A part of the latest snapshot, or of the one that is being received.

    Rows, because neither database reads or extends a part of one large value cheaply; and what was
    received becomes the snapshot without being written a second time.
    """

    id = models.BigAutoField(primary_key=True)
    incoming = models.BooleanField()
    offset = models.PositiveBigIntegerField()
    data = models.BinaryField()

    class Meta:
        """Each byte once."""

        constraints = (
            models.UniqueConstraint(fields=("incoming", "offset"), name="raft_config_chunk_offset"),
        )

    def __str__(self) -> str:
        return f"from byte {self.offset}"


class StoredValue(models.Model):
    """The JSON text of a setting, and the index of the entry that set it."""

    name = models.CharField(max_length=MAX_NAME_CHARACTERS, primary_key=True)
    text = models.TextField()
    index = models.PositiveBigIntegerField()

    class Meta:
        """As the admin says it: its page is the settings."""

        verbose_name = _("setting")
        verbose_name_plural = _("settings")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class AnsweredRequest(models.Model):
    """What became of a request, so that a retry has one effect and gets the first answer."""

    request_id = models.CharField(max_length=MAX_NAME_CHARACTERS, primary_key=True)
    index = models.PositiveBigIntegerField(unique=True)
    conflicts = models.TextField(default="[]")

    class Meta:
        """Oldest first: the order in which they are forgotten."""

        ordering = ("index",)

    def __str__(self) -> str:
        return f"{self.request_id} at {self.index}"


class Noted(models.Model):
    """Who changed something, when, from where and why: `state_machine.Note`."""

    changed_at = models.FloatField()
    user = models.CharField(max_length=MAX_NAME_CHARACTERS, blank=True)
    origin = models.CharField(max_length=MAX_NAME_CHARACTERS, blank=True)
    node = models.CharField(max_length=MAX_NAME_CHARACTERS, blank=True)
    comment = models.CharField(max_length=MAX_COMMENT_CHARACTERS, blank=True)

    class Meta:
        """Columns for others."""

        abstract = True


class Change(Noted):
    """What an entry of the log changed in one setting; the history, as it is on every node."""

    id = models.BigAutoField(primary_key=True)
    index = models.PositiveBigIntegerField()
    name = models.CharField(max_length=MAX_NAME_CHARACTERS)
    old_text = models.TextField(null=True)  # noqa: DJ001 - not set is not the text ""
    new_text = models.TextField(null=True)  # noqa: DJ001 - likewise

    class Meta:
        """Newest first. The indexes are for `history`: by setting, by time and by user."""

        verbose_name = _("change")
        verbose_name_plural = _("history")
        ordering = ("-index", "name")
        constraints = (
            models.UniqueConstraint(fields=("index", "name"), name="raft_config_change_once"),
        )
        indexes = (
            models.Index(fields=("name", "index"), name="raft_config_change_name"),
            models.Index(fields=("changed_at",), name="raft_config_change_at"),
            models.Index(fields=("user", "index"), name="raft_config_change_user"),
        )

    def __str__(self) -> str:
        return f"{self.name} at {self.index}"


class ScheduledChange(Noted):
    """A change that waits for its time: `state_machine.Scheduled`."""

    schedule_id = models.PositiveBigIntegerField(primary_key=True)
    apply_at = models.FloatField(db_index=True)
    values = models.TextField()
    expires_at = models.FloatField(null=True)
    guard = models.PositiveBigIntegerField(default=0)

    class Meta:
        """The next one first."""

        verbose_name = _("scheduled change")
        verbose_name_plural = _("scheduled changes")
        ordering = ("apply_at", "schedule_id")

    def __str__(self) -> str:
        return f"scheduled at {self.schedule_id}"


class Event(models.Model):
    """What happened to this node, for people: the last ones alone, and of no other node."""

    id = models.BigAutoField(primary_key=True)
    at = models.FloatField()
    kind = models.CharField(max_length=MAX_NAME_CHARACTERS)
    term = models.PositiveBigIntegerField(default=0)
    subject = models.CharField(max_length=MAX_NAME_CHARACTERS, blank=True)
    """The node that it is about, "" for none."""
    detail = models.CharField(max_length=MAX_COMMENT_CHARACTERS, blank=True)
    user = models.CharField(max_length=MAX_NAME_CHARACTERS, blank=True)
    """Who did it, if somebody did."""

    class Meta:
        """Newest first."""

        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.kind} at {self.at}"


class Sample(models.Model):
    """How this node was in some seconds of the last hour; a slot is written over an hour later."""

    slot = models.PositiveSmallIntegerField(primary_key=True)
    at = models.FloatField()
    """When its seconds began; what is older than an hour counts no more."""
    term = models.PositiveBigIntegerField(default=0)
    commit_index = models.PositiveBigIntegerField(default=0)
    """As the driver saw it; 0 while none did."""
    lag_entries = models.PositiveBigIntegerField(default=0)
    """How far a leader's slowest member, or this follower, was behind at the most."""
    lateness_seconds = models.FloatField(default=0.0)
    """How late the driver was at the most."""
    ticks = models.PositiveIntegerField(default=0)
    """How often the driver looked; 0: nobody drove this node ..."""
    late_ticks = models.PositiveIntegerField(default=0)
    """... and how often later than planned."""
    writes = models.PositiveIntegerField(default=0)
    """Made through this node ..."""
    failed_writes = models.PositiveIntegerField(default=0)
    """... and those of them that failed, or of which nothing is known."""
    write_seconds = models.FloatField(default=0.0)
    """All of them together ..."""
    slowest_seconds = models.FloatField(default=0.0)
    """... and the slowest one."""

    class Meta:
        """By slot, which is not by time."""

        ordering = ("at",)

    def __str__(self) -> str:
        return f"{self.slot} from {self.at}"
