"""An admin, for the tests of its pages, and the node's own URLs."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("raft/", include("raft_config.urls")),
]
