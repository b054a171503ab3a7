"""Mount under any prefix, which then belongs to every node's base URL.

rpc/      for the other nodes: signed
health/   for load balancers: one word
metrics/  for Prometheus: no setting's value, but names of nodes; let no stranger come here
"""

from django.urls import path

from . import health, metrics, views
from .views import RpcView

app_name = "raft_config"

rpc_patterns = [
    path("rpc/raft/", RpcView.as_view(handle=views.handle_raft), name="raft"),
    path("rpc/propose/", RpcView.as_view(handle=views.handle_propose), name="propose"),
    path("rpc/read_index/", RpcView.as_view(handle=views.handle_read_index), name="read_index"),
    path("rpc/join/", RpcView.as_view(handle=views.handle_join), name="join"),
    path("rpc/operate/", RpcView.as_view(handle=views.handle_operate), name="operate"),
    path("rpc/describe/", RpcView.as_view(handle=views.handle_describe), name="describe"),
    path("rpc/probe/", RpcView.as_view(handle=views.handle_probe), name="probe"),
    path("rpc/digest/", RpcView.as_view(handle=views.handle_digest), name="digest"),
    path("rpc/ping/", RpcView.as_view(handle=views.handle_ping), name="ping"),
]

urlpatterns = [
    *rpc_patterns,
    path("health/live", health.live, name="live"),
    path("health/ready", health.ready, name="ready"),
    path("metrics/", metrics.view, name="metrics"),
]
