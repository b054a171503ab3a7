"""The demo's pages, and one that reads no setting: what a page costs beside all that."""

from django.http import HttpRequest, HttpResponse
from django.urls import path

from demo_site.urls import urlpatterns as demo_patterns


def plain(_request: HttpRequest) -> HttpResponse:
    """As the demo's style sheet, without its colour."""
    css = ":root { --accent: #000000; --on-accent: #ffffff; }\n"
    return HttpResponse(css, content_type="text/css")


urlpatterns = [*demo_patterns, path("plain.css", plain)]
