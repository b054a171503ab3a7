"""Three views: change a setting, show it, read it linearizably."""

from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from raft_config import config


@csrf_exempt
def change(request: HttpRequest) -> HttpResponse:
    """Set the first key to the body."""
    return HttpResponse(str(config.set("KEY_0", request.body.decode())))


def show(_request: HttpRequest) -> HttpResponse:
    """What this node has applied."""
    return HttpResponse(str(config.KEY_0))


def read(_request: HttpRequest) -> HttpResponse:
    """What the cluster has agreed on."""
    return HttpResponse(str(config.read("KEY_0", consistency="linearizable")))


urlpatterns = [
    path("change/", change),
    path("show/", show),
    path("read/", read),
    path("raft/", include("raft_config.urls")),
]
