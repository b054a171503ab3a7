"""One trace of a write: on the node where it came in, at the leader, and at the followers."""

import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from django.test import Client, override_settings
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from raft_config import proposals, tracing
from raft_config.exceptions import OutcomeUnknownError, PeerUnavailableError
from raft_config.schema import Setting
from raft_config.transport.auth import Signer
from raft_config.transport.client import transport_for
from raft_config.transport.wire import dump_json, encode_envelope, text_of

from .peers import SECRETS, URLS, Peers, adopt, append, elect, eventually, from_peer, make_node, put

pytestmark = pytest.mark.django_db(transaction=True)

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE = 0x0AF7651916CD43DD8448EB211C80319C


@pytest.fixture(autouse=True)
def raft_settings(tmp_path):
    config = {
        "NODE_ID": "a",
        "PEERS": URLS,
        "SECRETS": SECRETS,
        "VERSION_FILE": tmp_path / "v",
        "SETTINGS": {"X": Setting(1), "KEY": Setting("", secret=True)},
        "ENCRYPTION_KEYS": SECRETS,
    }
    with override_settings(RAFT_CONFIG=config):
        yield


@pytest.fixture
def node():
    made = adopt(make_node(Peers()))
    yield made
    made.close()


@pytest.fixture(scope="module")
def exporter():
    """What the project's SDK would send away; it can be set up once in a process."""
    found = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(found))
    trace.set_tracer_provider(provider)
    return found


@pytest.fixture
def spans(exporter):
    exporter.clear()
    return exporter.get_finished_spans


def post(name, body, *, sender, **headers):
    """What a peer sends to this node, as its web server receives it."""
    path = f"/raft/rpc/{name}/"
    signed = Signer(SECRETS, "raft-config", sender).sign_request("POST", path, body, receiver="a")
    return Client().post(path, body, content_type="application/json", headers={**signed, **headers})


class Deaf(BaseHTTPRequestHandler):
    """Keeps what it is sent, and refuses it."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append(dict(self.headers))
        self.send_response(503)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def peer_url():
    """A real server on loopback, and the headers that came to it."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Deaf) as server:
        server.received = []
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/raft", server.received
        server.shutdown()
        thread.join()


def by_name(spans):
    return {each.name: each for each in spans()}


def test_proposer_sends_the_leader_the_span_it_waits_in(node, spans, peer_url):
    url, received = peer_url
    node.receive(from_peer(node, append(1)))
    node.transport.call = lambda _id, _url, *rest: transport_for(node.config).call("b", url, *rest)
    with pytest.raises(OutcomeUnknownError):
        proposals.propose({"X": 2}, timeout_seconds=0.1)
    found = by_name(spans)
    write, ask = found["raft_config.write"], found["raft_config.propose"]
    assert ask.parent.span_id == write.context.span_id
    assert write.parent is None
    trace_ids = {each["traceparent"].split("-")[1] for each in received}
    assert trace_ids == {f"{write.context.trace_id:032x}"}


def test_leader_goes_on_with_the_trace_of_the_proposer_and_passes_it_on(node, spans, peer_url):
    url, received = peer_url
    elect(node)
    http, send = transport_for(node.config), node.transport.send

    def both(envelope, base_url):
        try:
            http.send(envelope, url)
        except PeerUnavailableError:
            return send(envelope, base_url)

    node.transport.send = both
    body = dump_json({"commands": [text_of(put("X", "1"))]})
    assert post("propose", body, sender="b", traceparent=PARENT).status_code == 200

    def sent():
        return [each for each in spans() if each.name == "raft_config.raft"]

    def told():
        return {each["traceparent"] for each in received if "traceparent" in each}

    # Two at least: b, who waits for it, may be told at once that it is committed.
    eventually(lambda: {each.attributes["raft_config.peer"] for each in sent()} == {"b", "c"})
    propose = by_name(spans)["raft_config.propose"]
    assert (propose.context.trace_id, propose.parent.span_id) == (TRACE, 0xB7AD6B7169203331)
    eventually(
        lambda: told() == {f"00-{TRACE:032x}-{each.context.span_id:016x}-01" for each in sent()}
    )
    assert {each.parent.span_id for each in sent()} == {propose.context.span_id}


def test_follower_goes_on_with_the_trace_of_the_leader(node, spans):
    body = encode_envelope(from_peer(node, append(1)))
    assert post("raft", body, sender="b", traceparent=PARENT).status_code == 200
    (found,) = spans()
    assert (found.name, found.context.trace_id) == ("raft_config.raft", TRACE)
    assert found.attributes == {"raft_config.node": "a"}


def test_what_belongs_to_no_write_makes_no_span(node, spans):
    elect(node)
    node.clock.skipped += 0.2
    node.tick()
    assert post("describe", b"{}", sender="b").status_code == 200
    assert spans() == ()


def test_traceparent_of_a_stranger_makes_no_span(node, spans):
    answer = Client().post(
        "/raft/rpc/raft/",
        b"{}",
        "application/json",
        headers={
            "traceparent": PARENT,
        },
    )
    assert answer.status_code == 401
    assert spans() == ()


@pytest.mark.parametrize("told", ["", "x", "00-0-0-00", "9" * 5000, f"{PARENT}-more"])
def test_malformed_traceparent_changes_nothing_but_the_trace(node, spans, told):
    body = encode_envelope(from_peer(node, append(1)))
    assert post("raft", body, sender="b", traceparent=told).status_code == 200
    assert node.state.leader_id == "b"


def test_span_tells_no_value_and_no_text_of_an_error(node, spans):
    node.transport.answers["propose"] = lambda **_: {"index": 0, "term": 1}
    node.receive(from_peer(node, append(1)))

    def fail(**_):
        raise PeerUnavailableError("it said: hunter2")

    node.transport.answers["propose"] = fail
    with pytest.raises(OutcomeUnknownError):
        proposals.propose({"KEY": "hunter2"}, timeout_seconds=0.1)
    (found,) = spans()
    assert (found.name, found.status.description) == ("raft_config.write", "OutcomeUnknownError")
    assert "hunter2" not in found.to_json()


def test_without_the_library_nothing_is_imported_and_all_works():
    program = (
        "import importlib.util, sys\n"
        "find = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *more: "
        "None if name == 'opentelemetry' else find(name, *more)\n"
        "from raft_config import tracing\n"
        "def work(): return None\n"
        "with tracing.writing('a'), tracing.asking('raft', 'b'): assert tracing.headers() == {}\n"
        "with tracing.answering('raft', 'a', {'traceparent': 'x'}): pass\n"
        "assert tracing.carried(work) is work\n"
        "assert not any(each.startswith('opentelemetry') for each in sys.modules)\n"
    )
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert tracing.IS_AVAILABLE
