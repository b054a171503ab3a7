"""The OpenAPI document: valid, complete, without warnings, and true of what is answered."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import patched_settings
from drf_spectacular.validation import validate_schema

from raft_config.api import urls

from .conftest import PREFIX, change

ROOT = Path(__file__).resolve().parents[2]


def make(version):
    GENERATOR_STATS.reset()
    with patched_settings({"OAS_VERSION": version}):
        return SchemaGenerator().get_schema(request=None, public=True)


@pytest.fixture(scope="module")
def document():
    """In the version that is JSON Schema; with no field but those that are told of."""
    found = make("3.1.1")
    for component in found["components"]["schemas"].values():
        if "properties" in component:
            component["additionalProperties"] = False
    return found


@pytest.mark.parametrize("version", ["3.0.3", "3.1.1"])
def test_document_is_valid_and_made_without_warnings(version):
    validate_schema(make(version))
    assert not GENERATOR_STATS._warn_cache
    assert not GENERATOR_STATS._error_cache


def test_every_resource_is_documented_and_every_component_is_ours_by_name(document):
    paths = {PREFIX + str(pattern.pattern) for pattern in urls.urlpatterns}
    documented = {
        path.replace("{name}", "<str:name>").replace("{schedule_id}", "<int:schedule_id>")
        for path in document["paths"]
    }
    assert documented == paths
    names = document["components"]["schemas"].keys() - {"SourceEnum"}
    assert all("RaftConfig" in name for name in names), names
    for methods in document["paths"].values():
        for operation in methods.values():
            assert operation["description"]
            for each in operation.get("parameters", ()):
                assert each["in"] == "path" or each["description"]


def test_examples_are_of_the_shape_that_they_illustrate(document):
    count = 0
    for methods in document["paths"].values():
        for operation in methods.values():
            bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
            for content in (each for body in bodies for each in body.get("content", {}).values()):
                for example in content.get("examples", {}).values():
                    check(document, content["schema"], example["value"])
                    count += 1
    assert count >= 8


def check(document, schema, instance):
    resolving = {**schema, "components": document["components"]}
    jsonschema.Draft202012Validator(resolving).validate(instance)


def test_every_answer_is_of_the_shape_that_is_documented(api, document, nobody):
    def answered(method, path, body=None, *, by=api, as_="", **options):
        response = by(method, path, body, **options)
        template = PREFIX + (as_ or path.partition("?")[0])
        operation = document["paths"][template][method.lower()]
        told = operation["responses"][str(response.status_code)]
        if response.content:
            media_type = response.headers["Content-Type"]
            check(document, told["content"][media_type]["schema"], response.data)
        asked = {name for name in path.partition("?")[2].split("&") if name}
        known = {each["name"] for each in operation.get("parameters", ())}
        assert {each.partition("=")[0] for each in asked} <= known
        return response.status_code

    one, schedule = "{name}/", "schedules/{schedule_id}/"
    index = change({"MAX_ITEMS": 30, "LIMITS": {"x": []}, "API_KEY": "s"})
    change(reset=["LIMITS"])
    later = {"values": {"MAX_ITEMS": 1}, "apply_at": "2099-01-01T00:00:00Z"}
    found = [
        answered("GET", "?group=Shop&changed=true&consistency=linearizable"),
        answered("GET", "?name=API_KEY&at_least=1", headers={"If-None-Match": "*"}),
        answered("GET", "MAX_ITEMS/", as_=one),
        answered("GET", "NONE/", as_=one),
        answered("PUT", "MAX_ITEMS/", {"value": 31, "request_id": "r"}, as_=one),
        answered("PUT", "MAX_ITEMS/", {"value": 31, "expected": 1}, as_=one),
        answered("PUT", "MAX_ITEMS/", {"value": "x"}, as_=one),
        answered("PATCH", "MAX_ITEMS/", {"value": 32}, as_=one),
        answered("DELETE", "MAX_ITEMS/?comment=x", as_=one, headers={"If-Match": '"1"'}),
        answered("DELETE", "MAX_ITEMS/?comment=x", as_=one),
        answered("PATCH", "", {"values": {"BANNER": "x"}}),
        answered("PATCH", "", later),
        answered("PATCH", "", b"{", content_type="text/plain"),
        answered("GET", "schedules/"),
        answered("DELETE", "schedules/999/", as_=schedule),
        answered("GET", "public/", by=nobody),
        answered("GET", "meta/"),
        answered("GET", "meta/", by=nobody),
        answered("GET", "history/?limit=2&name=MAX_ITEMS&name=LIMITS"),
        answered("GET", "history/?limit=x"),
        answered("GET", f"diff/?from=0&to={index}"),
        answered("GET", "diff/?from=99999"),
        answered("POST", "revert/", {"index": index, "dry_run": True}),
        answered("POST", "revert/", {"index": index}),
        answered("POST", "revert/", {"index": index, "force": True}),
        answered("POST", "restore/", {"index": index}),
        answered("GET", "export/?group=Shop"),
        answered("POST", "import/?dry_run=1", {"format": 1, "settings": {}}),
        answered("POST", "import/", {"format": 1, "settings": {}}),
        answered("GET", "watch/?index=0"),
        answered("GET", "watch/?index=99999"),
        answered("GET", "events/"),
    ]
    assert set(found) == {200, 202, 304, 400, 403, 404, 409, 410, 412, 415, 501}


WITHOUT = """
import sys
sys.modules["drf_spectacular"] = None
import django, os
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
from django.conf import settings
settings.REST_FRAMEWORK = {}
django.setup()
from raft_config.api import spectacular, urls
assert spectacular.utils is None
print(len(urls.urlpatterns))
"""


def test_api_works_without_drf_spectacular():
    run = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-W", "error", "-c", WITHOUT],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert (run.returncode, run.stdout.strip()) == (0, str(len(urls.urlpatterns))), run.stderr
