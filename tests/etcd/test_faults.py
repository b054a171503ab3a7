"""etcd dies, comes back, takes a change and does not say so, or asks who is there."""

import http.client
import ipaddress
import json
import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.test import override_settings

from raft_config import config, history
from raft_config.conf import ETCD, EtcdOptions
from raft_config.etcd.gateway import Gateway
from raft_config.exceptions import (
    OutcomeUnknownError,
    PeerRejectedError,
    PeerUnavailableError,
    UnavailableError,
)
from raft_config.node import get_node
from tests.peers import eventually

from .conftest import settings_for
from .server import HOST, Etcd, needs_etcd

pytestmark = needs_etcd


@pytest.fixture
def mortal(transactional_db, own_etcd, tmp_path):
    """A node whose etcd may be killed."""
    more = {"WRITE_TIMEOUT_SECONDS": 1.0}
    with override_settings(RAFT_CONFIG=settings_for(own_etcd, tmp_path, **more)):
        found = get_node()
        yield found
        found.close()


def test_without_etcd_reads_go_on_and_writes_say_what_to_look_at(mortal, own_etcd):
    config.set("LIMIT", 20)
    own_etcd.kill()
    with pytest.raises(UnavailableError, match="etcdctl endpoint health"):
        config.set("LIMIT", 30)
    with pytest.raises(UnavailableError, match="etcdctl endpoint health"):
        config.read("LIMIT", consistency="linearizable")
    assert config.LIMIT == 20

    def driver_has_noticed():
        mortal.run_for(0.1)
        return mortal.state.leader_id is None

    eventually(driver_has_noticed)
    own_etcd.start()
    assert config.set("LIMIT", 40) == 3
    assert mortal.state.leader_id == ETCD


def test_driver_tells_once_that_etcd_is_away_and_once_that_it_is_back(mortal, own_etcd, caplog):
    mortal.run_for(0.1)
    own_etcd.kill()
    mortal.run_for(2.0)
    own_etcd.start()
    mortal.run_for(2.0)
    told = [each.message for each in caplog.records if "etcd" in each.message]
    assert ["does not hear" in each for each in told] == [True, False]
    assert "again" in told[1]


class Proxy:
    """Between the node and etcd: lets a request through, and loses so many answers to changes."""

    def __init__(self, etcd):
        self.losses = 0
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                connection = http.client.HTTPConnection(HOST, etcd.port, timeout=10)
                connection.request("POST", self.path, body)
                answer = connection.getresponse()
                content = answer.read()
                connection.close()
                changes = any("request_put" in each for each in json.loads(body).get("success", ()))
                if changes and proxy.losses:
                    proxy.losses -= 1
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer((HOST, 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://{HOST}:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def proxy(shared_etcd):
    made = Proxy(shared_etcd)
    yield made
    made.close()


@pytest.fixture
def behind_proxy(transactional_db, proxy, tmp_path):
    more = {"WRITE_TIMEOUT_SECONDS": 2.0}
    with override_settings(RAFT_CONFIG=settings_for(proxy, tmp_path, **more)):
        found = get_node()
        config.set("LIMIT", 10)
        yield found
        found.gateway_session = found.etcd.gateway.close()
        found.close()


def test_change_whose_answer_is_lost_is_made_once(behind_proxy, proxy):
    proxy.losses = 1
    config.set("LIMIT", 20)
    assert config.LIMIT == 20
    assert proxy.losses == 0
    assert behind_proxy.etcd.tail() == 4  # it stands there twice
    assert len(history.changes(names=["LIMIT"])) == 2


def test_change_whose_answers_are_all_lost_is_unknown_and_a_retry_tells(behind_proxy, proxy):
    proxy.losses = 1000
    with pytest.raises(OutcomeUnknownError, match="mine"):
        config.set("LIMIT", 20, request_id="mine")
    proxy.losses = 0
    assert config.set("LIMIT", 20, request_id="mine") == 3
    assert len(history.changes(names=["LIMIT"])) == 2


def test_next_endpoint_is_asked_when_one_is_away(shared_etcd):
    options = EtcdOptions(endpoints=("http://127.0.0.1:1", shared_etcd.url))
    gateway = Gateway(options, timeout_seconds=5.0)
    assert gateway.ask("kv/range", {"key": "eA=="})["header"]
    assert gateway._preferred == 1
    gateway.close()


def test_what_is_no_etcd_is_told():
    class Nobody(BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(404)
            self.end_headers()
            self.wfile.write(b"<html>not here")

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer((HOST, 0), Nobody) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        gateway = Gateway(
            EtcdOptions(endpoints=(f"http://{HOST}:{server.server_port}",)), timeout_seconds=5.0
        )
        with pytest.raises(PeerRejectedError, match=r"status 404.*not here.*Correct"):
            gateway.ask("kv/range", {})
        gateway.close()
        server.shutdown()
        thread.join()


def test_login_is_asked_for_and_asked_for_again_when_etcd_has_forgotten_it(own_etcd):
    root = {"name": "root", "password": "the root's"}
    own_etcd.ask("auth/user/add", root)
    own_etcd.ask("auth/role/add", {"name": "root"})
    own_etcd.ask("auth/user/grant", {"user": "root", "role": "root"})
    own_etcd.ask("auth/enable", {})
    known = EtcdOptions(endpoints=(own_etcd.url,), user="root", password="the root's")
    gateway = Gateway(known, timeout_seconds=5.0)
    assert gateway.ask("kv/range", {"key": "eA=="})["header"]
    gateway._token = "one of another day"
    assert gateway.ask("kv/range", {"key": "eA=="})["header"]
    for options in (
        EtcdOptions(endpoints=(own_etcd.url,)),
        EtcdOptions(endpoints=(own_etcd.url,), user="root", password="guessed"),
    ):
        with pytest.raises(PeerRejectedError, match=r"Correct RAFT_CONFIG\['ETCD'\]"):
            Gateway(options, timeout_seconds=5.0).ask("kv/range", {"key": "eA=="})
    gateway.close()


@pytest.fixture
def certificates(tmp_path):
    """One of an authority of the test's own, for etcd and for its client alike."""
    now = datetime.now(timezone.utc)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "etcd of the tests")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    paths = {"cert": tmp_path / "cert.pem", "key": tmp_path / "key.pem"}
    paths["cert"].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths["key"].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return {name: str(path) for name, path in paths.items()}


def test_certificates_are_asked_for_on_both_sides(certificates, tmp_path):
    cert, key = certificates["cert"], certificates["key"]
    server = Etcd(
        tmp_path, cert_file=cert, key_file=key, trusted_ca_file=cert, client_cert_auth="true"
    )
    try:
        known = EtcdOptions(endpoints=(server.url,), ca=cert, cert=cert, key=key)
        gateway = Gateway(known, timeout_seconds=5.0)
        eventually(lambda: gateway.ask("kv/range", {"key": "eA=="})["header"])
        gateway.close()
        for told, options in (
            ("no certificate to trust", EtcdOptions(endpoints=(server.url,))),
            ("No such file", EtcdOptions(endpoints=(server.url,), ca="/no/such/file")),
        ):
            with pytest.raises(PeerRejectedError, match=f"{told}.*Correct CA, CERT and KEY"):
                Gateway(options, timeout_seconds=5.0).ask("kv/range", {"key": "eA=="})
        stranger = Gateway(EtcdOptions(endpoints=(server.url,), ca=cert), timeout_seconds=5.0)
        with pytest.raises((PeerRejectedError, PeerUnavailableError)):
            stranger.ask("kv/range", {"key": "eA=="})
    finally:
        server.kill()
