from django.contrib import admin
from django.urls import include, path

from . import views

urlpatterns = [
    path("", views.home, name="home"),
    path("accent.css", views.accent, name="accent"),
    path("node.json", views.node, name="node"),
    path("admin/", admin.site.urls),
    path("api/settings/", include("raft_config.api.urls")),
    path("raft/", include("raft_config.urls")),
]
