"""An admin and an API, for their tests, and the node's own URLs."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/settings/", include("raft_config.api.urls")),
    path("raft/", include("raft_config.urls")),
]
