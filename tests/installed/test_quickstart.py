"""docs/quickstart.md and the README, followed to the letter in a site that Django made."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from .site import HOST, Site, answers, blocks, commands, eventually, free_ports

PAGE = "docs/quickstart.md"
IN_README = blocks("README.md", "Use it", "python")
ALONE, READING = blocks(PAGE, "One node", "python")
THREE, URLS, WRITING = blocks(PAGE, "Three nodes", "python")
(APART,) = blocks(PAGE, "A site that shares one database", "python")
(FIRST_STEPS,) = blocks(PAGE, "One node", "console")
(DRIVER,) = blocks(PAGE, "Three nodes", "console")
(FIRST_STEPS_APART,) = blocks(PAGE, "A site that shares one database", "console")

READ = "from raft_config import config; print(config.MAX_ITEMS)"
AROUND_WRITING = """
from datetime import timedelta
from types import SimpleNamespace
from django.utils import timezone
request = SimpleNamespace(user="eva")
friday = timezone.now() + timedelta(days=1)
monday = friday + timedelta(days=3)
"""
TABLES = """
from django.db import connections
for alias in connections:
    print(*connections[alias].introspection.table_names())
"""
VIEW = """
from django.http import JsonResponse
from raft_config import config

def seen(request):
    return JsonResponse({"value": config.MAX_ITEMS, "leader_id": config.meta.leader_id})

urlpatterns += [path("seen/", seen)]
"""
ASYNC_VIEW = """
from django.http import JsonResponse
from raft_config import config

async def change(request, value):
    return JsonResponse({"index": await config.aset("MAX_ITEMS", value), "value": config.MAX_ITEMS})

urlpatterns += [path("change/<int:value>/", change)]
"""


def test_each_block_says_where_it_goes() -> None:
    every = (*IN_README, ALONE, READING, THREE, URLS, WRITING, APART)
    assert [block.splitlines()[0].partition(",")[0] for block in every] == [
        *("# settings.py", "# wherever a value is needed"),
        *("# settings.py", "# wherever a value is needed"),
        *("# settings.py", "# urls.py", "# wherever a value is changed"),
        "# settings.py",
    ]


def test_few_lines_of_the_readme_are_enough(site: Site) -> None:
    settings, reading = IN_README
    site.append("settings.py", settings)
    _, written = site.follow(blocks("README.md", "Use it", "console")[0])
    assert written.startswith("MAX_ITEMS = 30\n")
    shown = reading.replace("config.MAX_ITEMS  #", "print(config.MAX_ITEMS)  #")
    assert site.shell(shown) == "30\n"


def test_one_node_is_migrated_checked_written_and_read(site: Site) -> None:
    site.append("settings.py", ALONE)
    _, checked, written = site.follow(FIRST_STEPS)
    assert "no issues" in checked
    assert written.startswith("MAX_ITEMS = 30\n")
    assert (
        site.shell(READING.replace("config.MAX_ITEMS  #", "print(config.MAX_ITEMS)  #")) == "30\n"
    )
    assert "healthy" in site.manage("raft_status", "--json")
    site.manage("makemigrations", "--check", "--dry-run")
    site.shell(AROUND_WRITING + WRITING)
    assert "SITE_NAME" in site.manage("raft_config", "schedule")


def test_site_on_a_shared_database_keeps_the_settings_in_a_file_of_its_own(site: Site) -> None:
    """Its own tables stay where startproject put them: a SQLite file here, PostgreSQL elsewhere."""
    lines = [line for line in ALONE.splitlines() if not line.startswith("DATABASES")]
    site.append("settings.py", "\n".join(lines))
    site.append("settings.py", APART)
    *_, checked = site.follow(FIRST_STEPS_APART)
    assert "no issues" in checked
    site.manage("raft_config", "set", "MAX_ITEMS=31")
    value, site_tables, node_tables = site.shell(READ + TABLES).splitlines()
    assert value == "31"
    on_the_site, on_the_node = site_tables.split(), node_tables.split()
    assert "auth_user" in on_the_site
    assert not [name for name in on_the_site if name.startswith("raft_config")]
    assert "raft_config_node" in on_the_node
    assert "auth_user" not in on_the_node


@dataclass(frozen=True)
class Machine:
    """One of the three, and where its web server listens."""

    site: Site
    address: str

    def value(self) -> object:
        """What a visitor of its site sees."""
        return self.page()["value"]

    def page(self) -> dict[str, object]:
        return requests.get(f"http://{self.address}/seen/", timeout=10).json()


def machines(first: Site, folder: Path, *blocks: str) -> dict[str, Machine]:
    """Three copies of one project, each told who it is."""
    addresses = dict(zip("abc", (f"{HOST}:{port}" for port in free_ports(3)), strict=True))
    peers = THREE
    for node_id, address in addresses.items():
        peers = peers.replace(f"https://{node_id}.example.com/", f"http://{address}/")
    for block in blocks or (ALONE,):
        first.append("settings.py", block)
    first.append("settings.py", peers)
    first.append("urls.py", URLS)
    first.append("urls.py", VIEW)
    secret = {"RAFT_SECRET": "the same secret on all of the nodes"}
    return {
        node_id: Machine(first.copy(folder / node_id, NODE_ID=node_id, **secret), address)
        for node_id, address in addresses.items()
    }


@pytest.mark.e2e
def test_three_nodes_agree(site: Site, tmp_path: Path) -> None:
    nodes = machines(site, tmp_path)
    migrate, check, _ = commands(FIRST_STEPS)
    at_once(nodes.values(), *migrate)
    assert "no issues" in nodes["a"].site.manage(*check)
    require_agreement(nodes)


SHARED = """
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "the_site"}}
"""


@pytest.mark.e2e
@pytest.mark.skipif(
    os.environ.get("RAFT_CONFIG_TEST_DB") != "postgres", reason="tests/postgres.sh starts a server"
)
def test_three_nodes_of_a_site_on_one_postgresql_agree(site: Site, tmp_path: Path) -> None:
    site.environment |= {name: os.environ[name] for name in ("PGHOST", "PGUSER")}
    psql = ["psql", "--no-psqlrc", "--quiet", "--tuples-only", "--command"]
    subprocess.run([*psql, "CREATE DATABASE the_site"], check=True)  # noqa: S603 - ours
    lines = [line for line in ALONE.splitlines() if not line.startswith("DATABASES")]
    nodes = machines(site, tmp_path, "\n".join(lines), SHARED, APART)
    on_the_site, on_the_node, check = commands(FIRST_STEPS_APART)
    nodes["a"].site.manage(*on_the_site)
    at_once(nodes.values(), *on_the_node)
    assert "no issues" in nodes["b"].site.manage(*check)
    require_agreement(nodes)
    asked = [*psql, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'", "the_site"]
    tables = subprocess.check_output(asked, text=True).split()  # noqa: S603 - ours
    assert "auth_user" in tables
    assert not [name for name in tables if name.startswith("raft_config")]


def require_agreement(nodes: dict[str, Machine]) -> None:
    """Start the web servers and the drivers; change a setting on one; see it on all."""
    ((driver,),) = commands(DRIVER)
    *_, change = commands(FIRST_STEPS)
    with ExitStack() as running:
        for node in nodes.values():
            server = ("manage.py", "runserver", "--noreload", node.address)
            running.enter_context(node.site.running(*server))
            running.enter_context(node.site.running("manage.py", driver))
        for node_id, node in nodes.items():
            web = f"http://{node.address}/"
            eventually(lambda web=web: answers(web), f"node {node_id} does not answer")
        eventually(lambda: nodes["b"].page()["leader_id"], "no leader came up")
        assert nodes["b"].site.manage(*change).startswith("MAX_ITEMS = 30\n")
        for node_id, node in nodes.items():
            eventually(lambda node=node: node.value() == 30, f"node {node_id} has another value")


def at_once(nodes: Iterable[Machine], *words: str) -> None:
    """Run a command on every node."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda node: node.site.manage(*words), nodes))


@pytest.mark.e2e
def test_asgi_site_changes_and_reads_without_blocking(site: Site) -> None:
    site.append("settings.py", ALONE)
    site.append("urls.py", URLS)
    site.append("urls.py", ASYNC_VIEW)
    site.manage("migrate")
    (port,) = free_ports(1)
    server = ("-m", "uvicorn", "mysite.asgi:application", "--host", HOST, "--port", str(port))
    with site.running(*server):
        eventually(lambda: answers(f"http://{HOST}:{port}/"), "uvicorn did not start")
        for value in (31, 32):
            answer = requests.get(f"http://{HOST}:{port}/change/{value}/", timeout=30)
            assert answer.json()["value"] == value
    assert site.shell(READ) == "32\n"
