"""docs/deployment.md, run: systemd's units without systemd, behind nginx with TLS, and a Procfile.

Of the paths, ports and names on the page only those are replaced that a test cannot have.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from .site import HOST, Site, answers, blocks, commands, eventually, free_ports, stop
from .test_quickstart import ALONE, FIRST_STEPS, THREE, URLS, VIEW, at_once

PAGE = "docs/deployment.md"
ENVIRONMENT, WEB_UNIT, NODE_UNIT = blocks(PAGE, "systemd", "ini")
AUTHORITY, CERTIFICATE = (
    line.removeprefix("$ ") for line in blocks(PAGE, "nginx and TLS", "console")[0].splitlines()
)
(SERVER,) = blocks(PAGE, "nginx and TLS", "nginx")
PROCFILE, OTHER_SERVER = blocks(PAGE, "A Procfile", "text")
(COMPOSE,) = blocks(PAGE, "Docker Compose", "yaml")

AROUND = """
pid %(folder)s/nginx.pid;
daemon off;
error_log stderr;
events {}
http {
access_log off;
%(inside)s
}
"""
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def value_of(unit: str, key: str) -> str:
    (found,) = (line.partition("=")[2] for line in unit.splitlines() if line.startswith(f"{key}="))
    return found


class Machine:
    """One of the three, set up as the page says."""

    def __init__(self, site: Site, ports: list[int]) -> None:
        self.site = site
        self.inside, self.outside = ports
        self.address = f"{HOST}:{self.outside}"

    def own(self, text: str) -> str:
        """Words of the page, for this machine."""
        replaced = {
            "/srv/shop/.venv/bin/python": str(self.site.python),
            "/etc/ssl/shop": str(self.site.folder),
            "/srv/shop": str(self.site.folder),
            "DNS:a.example.com": f"IP:{HOST}",
            "a.example.com": HOST,
            "127.0.0.1:8001": f"{HOST}:{self.inside}",
            "listen 443": f"listen {self.address}",
        }
        for old, new in replaced.items():
            text = text.replace(old, new)
        return text

    def unit(self, unit: str) -> tuple[str, ...]:
        """What it starts, behind the interpreter."""
        interpreter, *words = shlex.split(self.own(value_of(unit, "ExecStart")))
        assert interpreter == str(self.site.python)
        assert self.own(value_of(unit, "WorkingDirectory")) == str(self.site.folder)
        return tuple(words)

    def make_certificate(self, authority: Path) -> None:
        for name in ("ca.pem", "ca.key"):
            shutil.copy(authority / name, self.site.folder / name)
        run_openssl(self.own(CERTIFICATE), self.site.folder)

    @contextmanager
    def nginx(self) -> Iterator[None]:
        """The server block of the page, within the least that nginx needs around it."""
        folder = self.site.folder
        places = [f"{each}_temp_path {folder}/{each};" for each in TEMPORARY]
        inside = "\n".join([*places, self.own(SERVER)])
        (folder / "nginx.conf").write_text(AROUND % {"folder": folder, "inside": inside})
        line = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]
        with (folder / "nginx.log").open("ab") as log:
            process = subprocess.Popen(line, stderr=log, start_new_session=True)  # noqa: S603 - ours
        try:
            yield
            assert process.poll() is None, (folder / "nginx.log").read_text()
        finally:
            stop(process)

    def page(self) -> dict[str, object]:
        ca = str(self.site.folder / "ca.pem")
        return requests.get(f"https://{self.address}/seen/", timeout=10, verify=ca).json()


def run_openssl(command: str, folder: Path) -> None:
    program, *words = shlex.split(command)
    assert program == "openssl"
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)  # noqa: S603, S607


def set_up(first: Site, folder: Path) -> dict[str, Machine]:
    """Three machines, with certificates of one authority, each told who it is."""
    run_openssl(AUTHORITY, folder)
    ports = free_ports(6)
    outside = dict(zip("abc", ports[3:], strict=True))
    peers = THREE
    for node_id, port in outside.items():
        peers = peers.replace(f"https://{node_id}.example.com/", f"https://{HOST}:{port}/")
    for block in (ALONE, peers):
        first.append("settings.py", block)
    for block in (URLS, VIEW):
        first.append("urls.py", block)
    machines = {}
    for node_id, inside in zip("abc", ports, strict=False):
        told = dict(line.split("=", 1) for line in ENVIRONMENT.splitlines())
        told |= {"NODE_ID": node_id, "SSL_CERT_FILE": str(folder / node_id / "ca.pem")}
        site = first.copy(folder / node_id, **told)
        machines[node_id] = Machine(site, [inside, outside[node_id]])
        machines[node_id].make_certificate(folder)
    return machines


@pytest.mark.e2e
@pytest.mark.long
@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_three_nodes_behind_nginx_with_tls_agree(site: Site, tmp_path: Path) -> None:
    nodes = set_up(site, tmp_path)
    migrate, *_, change = commands(FIRST_STEPS)
    at_once(nodes.values(), *migrate)
    with ExitStack() as running:
        for node in nodes.values():
            running.enter_context(node.nginx())
            running.enter_context(node.site.running(*node.unit(WEB_UNIT)))
            running.enter_context(node.site.running(*node.unit(NODE_UNIT)))
        a, b, c = nodes.values()
        for node in nodes.values():
            eventually(lambda node=node: answers(f"http://{HOST}:{node.inside}/"), "no gunicorn")
        eventually(lambda: b.page()["leader_id"], "no leader came up")
        assert b.site.manage(*change).startswith("MAX_ITEMS = 30\n")
        for node in (a, c):
            eventually(lambda node=node: node.page()["value"] == 30, "it has another value")
        with pytest.raises(requests.exceptions.SSLError):
            answers_with_the_authorities_of_the_system(a)


def answers_with_the_authorities_of_the_system(node: Machine) -> None:
    requests.get(f"https://{node.address}/seen/", timeout=10)


@pytest.mark.parametrize("unit", [WEB_UNIT, NODE_UNIT], ids=["web", "node"])
@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="it is not installed")
def test_unit_is_one_that_systemd_understands(unit: str, tmp_path: Path) -> None:
    name = unit.splitlines()[0].rpartition("/")[2]
    told = unit.replace("/srv/shop/.venv/bin/python", "/bin/true").replace("/srv/shop", "/tmp")  # noqa: S108
    (tmp_path / name).write_text(told.replace("User=shop", "User=root"))
    line = ["systemd-analyze", "verify", "--man=no", str(tmp_path / name)]
    ended = subprocess.run(line, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert name not in ended.stderr, ended.stderr


@pytest.mark.long
@pytest.mark.parametrize("changed", ["", OTHER_SERVER], ids=["gunicorn", "granian"])
def test_procfile_runs_a_node(site: Site, changed: str) -> None:
    site.append("settings.py", ALONE)
    site.append("urls.py", URLS)
    site.append("urls.py", VIEW)
    (port,) = free_ports(1)
    lines = dict(line.split(": ", 1) for line in (*PROCFILE.splitlines(), *changed.splitlines()))
    words = {name: shlex.split(line)[1:] for name, line in lines.items()}
    assert [*words] == ["release", "web", "node"]
    site.run(*words["release"])
    own = {"0.0.0.0:$PORT": f"{HOST}:{port}", "0.0.0.0": HOST, "$PORT": str(port)}  # noqa: S104
    web = [own.get(each, each) for each in words["web"]]
    with site.running(*web), site.running(*words["node"]):
        seen = f"http://{HOST}:{port}/seen/"
        eventually(lambda: answers(seen), "the web server did not start")
        assert requests.get(seen, timeout=10).json()["value"] == 20


@pytest.mark.skipif(find_spec("check_jsonschema") is None, reason="it needs Python 3.11")
@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("restart: unless-stopped", "ok -- validation done"),
        ("restarts: unless-stopped", "'restarts' was unexpected"),
        ("restart: 3", "3 is not of type 'string'"),
    ],
)
def test_compose_file_is_valid_by_the_schema_of_compose(
    written: str, told: str, tmp_path: Path
) -> None:
    """The compose-spec project's own schema, as check-jsonschema carries it."""
    file = tmp_path / "compose.yaml"
    file.write_text(COMPOSE.replace("restart: unless-stopped", written))
    line = ["-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(file)]
    ended = subprocess.run([sys.executable, *line], capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert told in ended.stdout


def test_compose_file_names_nothing_that_it_does_not_declare() -> None:
    """What no schema tells, and Compose refuses."""
    file = yaml.safe_load(COMPOSE)
    services: dict[str, Any] = file["services"]
    for service in services.values():
        assert {volume.partition(":")[0] for volume in service["volumes"]} <= file["volumes"].keys()
        assert service.get("depends_on", {}).keys() <= services.keys()
        assert all(isinstance(value, str) for value in service["environment"].values())
    assert services["node"]["command"] == PROCFILE.splitlines()[2].partition(": ")[2]
