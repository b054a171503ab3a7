"""Mount where the project likes: path("api/settings/", include("raft_config.api.urls")).

A setting whose name is one of the words below is reached through the list: `?name=`, and PATCH.
"""

from django.urls import path

from . import files, past, settings
from .events import Events
from .watch import Watch

app_name = "raft_config_api"

urlpatterns = [
    path("", settings.SettingsList.as_view(), name="list"),
    path("public/", settings.PublicSettings.as_view(), name="public"),
    path("meta/", settings.Meta.as_view(), name="meta"),
    path("history/", past.History.as_view(), name="history"),
    path("diff/", past.Difference.as_view(), name="diff"),
    path("revert/", past.Revert.as_view(), name="revert"),
    path("restore/", past.Restore.as_view(), name="restore"),
    path("schedules/", past.Schedules.as_view(), name="schedules"),
    path("schedules/<int:schedule_id>/", past.Schedule.as_view(), name="schedule"),
    path("export/", files.Export.as_view(), name="export"),
    path("import/", files.Import.as_view(), name="import"),
    path("watch/", Watch.as_view(), name="watch"),
    path("events/", Events.as_view(), name="events"),
    path("<str:name>/", settings.SettingDetail.as_view(), name="detail"),
]
