"""The admin's pages.

settings, editor     the list, and what edits a setting or a group
facts, filters       what the pages tell of a setting, and are asked for
history, putting     what was changed, and going back
schedules            what waits for its time
cluster              the cluster as this node sees it
tables               the engine's tables, read-only
base, problems       what they share
"""

from .cluster import ClusterAdmin
from .history import HistoryAdmin
from .schedules import ScheduledAdmin
from .settings import SettingsAdmin
from .tables import AnsweredRequestAdmin, LogEntryAdmin, MemberAdmin, SnapshotAdmin

__all__ = [
    "AnsweredRequestAdmin",
    "ClusterAdmin",
    "HistoryAdmin",
    "LogEntryAdmin",
    "MemberAdmin",
    "ScheduledAdmin",
    "SettingsAdmin",
    "SnapshotAdmin",
]
