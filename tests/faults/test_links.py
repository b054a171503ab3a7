"""A proxy does to a request what its rule says, and counts it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from .links import EVILS, HOST, Links


class Node(BaseHTTPRequestHandler):
    """Answers a POST, and remembers its body."""

    received: list[bytes]

    def do_POST(self) -> None:
        self.received.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"done")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def received() -> list[bytes]:
    return []


@pytest.fixture
def links(received: list[bytes]) -> Iterator[Links]:
    server = ThreadingHTTPServer((HOST, 0), type("Listed", (Node,), {"received": received}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    found = Links()
    found.add("b", server.server_port)
    yield found
    found.close()
    server.shutdown()
    thread.join()
    server.server_close()


def post(links: Links, sender: str = "a") -> int:
    """The status, 0 if there was no whole answer."""
    try:
        url = f"http://{HOST}:{links.ports['b']}/"
        headers = {"Raft-Sender": sender, "Connection": "close"}
        response = requests.post(url, b"hello", headers=headers, timeout=5)
    except requests.RequestException:
        return 0
    return response.status_code if response.content == b"done" else -response.status_code


def test_without_a_rule_a_request_is_passed_on(links: Links, received: list[bytes]) -> None:
    assert post(links) == 200
    assert received == [b"hello"]


@pytest.mark.parametrize(
    ("evil", "status", "times"),
    [
        ("reset", 0, 0),
        ("reset reply", 0, 1),
        ("delay", 200, 1),
        ("answer late", 200, 1),
        ("duplicate", 200, 2),
        ("5xx", -503, 0),
        ("5xx reply", -502, 1),
    ],
)
def test_evil_is_done_and_counted(
    links: Links, received: list[bytes], evil: str, status: int, times: int
) -> None:
    with links.ruled([("a", "b")], {evil: 1.0}) as suffered:
        assert post(links) == status
        assert suffered() == 1
    assert received == [b"hello"] * times


@pytest.mark.parametrize("evil", ["truncate", "truncate request"])
def test_what_is_cut_short_is_no_answer(links: Links, evil: str) -> None:
    with links.ruled([("a", "b")], {evil: 1.0}):
        assert post(links) <= 0


def test_rule_is_for_its_pair_alone_and_ends(links: Links) -> None:
    with links.ruled([("a", "b")], {"reset": 1.0}):
        assert post(links, "a") == 0
        assert post(links, "c") == 200
    assert post(links, "a") == 200


def test_every_evil_has_its_test() -> None:
    tested = {"reset", "reset reply", "delay", "answer late", "duplicate", "5xx", "5xx reply"}
    silent = {"drop", "drop reply"}  # nothing comes: there is nothing to wait for
    assert set(EVILS) == tested | silent | {"truncate", "truncate request"}
