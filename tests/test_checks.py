"""Each system check, in both directions: silent where all is well, and an id where it is not."""

import pytest
from celery import Celery
from django.core.checks import WARNING, run_checks
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from raft_config import tasks
from raft_config.checks import live, queues
from raft_config.core.configuration import Configuration, Member
from raft_config.core.state import new_node
from raft_config.models import Node
from raft_config.schema import Setting, encryption
from raft_config.storage import RaftRouter, sqlite_database
from raft_config.storage.codec import encode_state

SECRET = "a secret of the tests, and long enough"
THREE = {name: f"https://{name}.example/raft" for name in "abc"}
CLUSTER = {"NODE_ID": "a", "PEERS": THREE, "SECRETS": [SECRET], "DATABASE": "node"}
ALONE = {"DATABASE": "node"}
ETCD = {"ENDPOINTS": ["https://etcd.example:2379"]}


class NodeRouter(RaftRouter):
    alias = "node"


class ReplicaRouter:
    def db_for_read(self, *_, **__):
        return "replica"


class ForbiddingRouter(NodeRouter):
    def allow_migrate(self, *_, **__):
        return False


@pytest.fixture(autouse=True)
def _routers(settings):
    settings.DATABASE_ROUTERS = [f"{__name__}.NodeRouter"]


@pytest.fixture
def database(monkeypatch, tmp_path):
    """Give the alias "node" another entry; by default a SQLite file as it should be."""

    def enter(**changes):
        entry = {**sqlite_database(tmp_path / "node.sqlite3"), **changes}
        forget()
        configured = connections.configure_settings({**connections.settings, "node": entry})
        monkeypatch.setitem(connections.settings, "node", configured["node"])
        return connections["node"]

    def forget():
        if hasattr(connections._connections, "node"):
            # Django keeps one in memory open, or it would be gone.
            BaseDatabaseWrapper.close(connections["node"])
            del connections["node"]

    enter()
    yield enter
    forget()


@pytest.fixture
def ids(settings, database, django_db_blocker):
    """Run all checks of the app under a RAFT_CONFIG; with live=True as `check --database node`."""

    def found(config=CLUSTER, *, live=False):
        settings.RAFT_CONFIG = config
        with django_db_blocker.unblock():
            messages = run_checks(tags=["raft_config"], databases=["node"] if live else [])
        for message in messages:
            assert message.msg.strip()
            assert message.hint.strip()
            assert SECRET not in message.msg
        return sorted({message.id.removeprefix("raft_config.") for message in messages})

    return found


def pragmas(text):
    return {"OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": text}}


def options(**changes):
    return {"OPTIONS": {**sqlite_database("")["OPTIONS"], **changes}}


POSTGRESQL = {"ENGINE": "django.db.backends.postgresql", "NAME": "node", "OPTIONS": {}}

# -- nothing is wrong


def test_connections_that_are_not_kept_are_told_as_a_hint(database, ids):
    assert "I030" not in ids()
    database(CONN_MAX_AGE=0)
    assert "I030" in ids()


@pytest.mark.parametrize("config", [CLUSTER, ALONE])
@pytest.mark.parametrize("live", [False, True])
def test_nothing_is_said_of_a_node_as_it_should_be(ids, config, live):
    assert ids(config, live=live) == []


def test_the_database_is_asked_only_when_it_may_be(ids, database, monkeypatch):
    monkeypatch.setattr(live, "_answer", lambda *_: pytest.fail("asked"))
    assert ids() == []


# -- RAFT_CONFIG


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"JION": ""}, ["E001"]),
        ({"DATABASE": "nod"}, ["E001"]),
        ({"VERSION_FILE": "relative"}, ["E001"]),
        ({"SETTINGS": 5}, ["E001"]),
        ({"SNAPSHOT_ENTRIES": -5}, ["E001"]),
        ({"JOIN_SECONDS": 5}, ["E001"]),
        ({"SECRETS": []}, ["E002"]),
        ({"SECRETS": ["short"]}, ["E002"]),
        ({"SECRETS": SECRET}, ["E002"]),
        ({"ELECTION_TIMEOUT_SECONDS": 0.3}, ["E003"]),
        ({"TICK_INTERVAL_SECONDS": 0}, ["E003"]),
        ({"NODE_ID": "d"}, ["E004"]),
        ({"PEERS": {**THREE, "b": "b.example"}}, ["E004"]),
        ({"CLUSTER_ID": "a b"}, ["E004"]),
        ({"JOIN": THREE["b"], "PEERS": {}}, ["E004"]),
        ({"SETTINGS": {"A": 5}}, ["E005"]),
        ({"SECRETS": ["short"], "NODE_ID": "", "JION": 1}, ["E001", "E002", "E004"]),
        ({"ENGINE": "zookeeper"}, ["E028"]),
        ({"ENGINE": "etcd"}, ["E028"]),
        ({"ETCD": {"ENDPOINTS": []}}, ["E028"]),
        ({"ENGINE": "etcd", "ETCD": ETCD}, []),
        ({"ENGINE": "etcd", "ETCD": ETCD, "JOIN": THREE["b"]}, ["E004"]),
    ],
)
def test_each_fault_of_raft_config_has_an_id(ids, changes, found):
    assert ids({**CLUSTER, **changes}) == found


KEY = "a key of the tests, and long enough too"
A_SECRET = {"A": Setting("", secret=True)}


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"ENCRYPTION_KEYS": ["short"]}, ["E019"]),
        ({"ENCRYPTION_KEYS": KEY}, ["E019"]),
        ({"SETTINGS": A_SECRET}, ["E019"]),
        ({"SETTINGS": A_SECRET, "ENCRYPTION_KEYS": [KEY]}, []),
        ({"SETTINGS": {"A": Setting("", secret=True, env="RAFT_CONFIG_TEST_5")}}, []),
        ({"SETTINGS": {"A": Setting(1, env="RAFT_CONFIG_TEST_5")}}, []),
        ({"SETTINGS": {"A": Setting(default=True, env="RAFT_CONFIG_TEST_5")}}, ["E024"]),
        ({"SETTINGS": {"A": Setting(1, env="RAFT_CONFIG_TEST_UNSET")}}, []),
        ({"SETTINGS": {"A": Setting(1, on_change="no.such")}}, ["E025"]),
        ({"SETTINGS": {"A": Setting(1, on_change=print)}}, []),
        ({"CLEAN": "no.such"}, ["E026"]),
        ({"CLEAN": "builtins.print"}, []),
        ({"CLEAN": 5}, ["E001"]),
        ({"FIELDS": 5}, ["E001"]),
        ({"FIELDSETS": 5}, ["E001"]),
        ({"SETTINGS": {"A": (1,), "B": (1,)}, "FIELDSETS": {"x": ["A"]}}, ["W027"]),
        ({"SETTINGS": {"A": (1,)}, "FIELDSETS": {"x": ["A"]}}, []),
        ({"SETTINGS": {"A": (1,)}, "FIELDSETS": {"x": ["A", "B"]}}, ["E005"]),
    ],
)
def test_each_fault_of_a_declaration_has_an_id(ids, monkeypatch, changes, found):
    monkeypatch.setenv("RAFT_CONFIG_TEST_5", "5")
    assert ids({**CLUSTER, **changes}) == found


def test_a_variable_that_cannot_be_read_is_named_and_a_secret_in_it_is_not_shown(
    settings, database, monkeypatch
):
    monkeypatch.setenv("RAFT_CONFIG_TEST_DAY", "hunter2")
    day = Setting(None, type="date", env="RAFT_CONFIG_TEST_DAY", secret=True)
    settings.RAFT_CONFIG = {**CLUSTER, "SETTINGS": {"DAY": day}, "ENCRYPTION_KEYS": [KEY]}
    (message,) = run_checks(tags=["raft_config"], databases=[])
    assert "RAFT_CONFIG_TEST_DAY" in message.msg
    assert "DAY" in message.msg
    assert "Enter a valid date" in message.msg
    assert "hunter2" not in message.msg


def test_without_cryptography_a_secret_is_refused(ids, monkeypatch):
    monkeypatch.setattr(encryption, "find_spec", lambda _: None)
    assert ids({**CLUSTER, "SETTINGS": A_SECRET, "ENCRYPTION_KEYS": [KEY]}) == ["E019"]


def test_raft_config_as_a_whole_may_be_wrong(ids):
    assert ids(["NODE_ID"]) == ["E001"]


def test_every_wrong_setting_is_told(settings, ids):
    settings.RAFT_CONFIG = {**CLUSTER, "SETTINGS": {"A": 5, "B": 6, "C": (7, "")}}
    messages = run_checks(tags=["raft_config"], databases=[])
    assert [message.id for message in messages] == ["raft_config.E005"] * 2


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"RPC_TIMEOUT_SECONDS": 1.5}, ["W020"]),
        ({"RPC_TIMEOUT_SECONDS": 0.8}, []),
        ({"WRITE_TIMEOUT_SECONDS": 1.5}, ["W020"]),
        ({"WRITE_TIMEOUT_SECONDS": 2}, []),
    ],
)
def test_waits_that_make_no_sense_are_told(ids, changes, found):
    assert ids({**CLUSTER, **changes}) == found


def test_alone_there_is_no_election_to_wait_for(ids):
    assert ids({**ALONE, "WRITE_TIMEOUT_SECONDS": 1}) == []


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("http://10.0.0.2/raft", ["W021"]),
        ("http://node-b.example/raft", ["W021"]),
        ("http://localhost.example/raft", ["W021"]),
        ("https://10.0.0.2/raft", []),
        ("http://127.0.0.1:8001/raft", []),
        ("http://127.8.8.8:8001/raft", []),
        ("http://localhost:8001/raft", []),
        ("http://[::1]:8001/raft", []),
    ],
)
def test_peers_beyond_loopback_need_https(ids, url, found):
    assert ids({**CLUSTER, "PEERS": {**THREE, "b": url}}) == found


def test_a_url_that_is_not_what_peers_says_is_told(ids):
    assert ids({**CLUSTER, "URL": "https://elsewhere.example/raft"}) == ["W022"]
    assert ids({**CLUSTER, "URL": THREE["a"] + "/"}) == []


# -- DATABASES


@pytest.mark.parametrize("vendor", ["mysql", "oracle", "microsoft", "unknown"])
@pytest.mark.parametrize("config", [CLUSTER, ALONE])
def test_databases_that_were_never_proved_are_refused(ids, database, monkeypatch, vendor, config):
    monkeypatch.setattr(connections["node"], "vendor", vendor)
    assert ids(config) == ["E006"]


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        (options(transaction_mode=None), "007"),
        (options(transaction_mode="DEFERRED"), "007"),
        (pragmas("PRAGMA synchronous=FULL"), "008"),
        (pragmas("PRAGMA journal_mode=DELETE; PRAGMA synchronous=FULL"), "008"),
        (pragmas("PRAGMA journal_mode=WAL"), "009"),
        (pragmas("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"), "009"),
        (pragmas("PRAGMA journal_mode=WAL; PRAGMA synchronous=2; pragma synchronous = 1"), "009"),
        (pragmas("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF"), "009"),
        ({"NAME": ":memory:"}, "010"),
        ({"NAME": "file:shared?mode=memory&cache=shared"}, "010"),
    ],
)
def test_a_sqlite_entry_that_could_lose_votes_is_refused_in_a_cluster(
    ids, database, changes, number
):
    database(**changes)
    assert ids(CLUSTER) == [f"E{number}"]
    assert ids({"DATABASE": "node", "URL": THREE["a"]}) == [f"E{number}"]
    assert ids(ALONE) == [f"W{number}"]


def test_plain_sqlite_as_startproject_writes_it_lets_a_node_alone_start(ids, database):
    database(OPTIONS={})
    assert ids(ALONE) == ["W007", "W008", "W009"]
    assert ids(CLUSTER) == ["E007", "E008", "E009"]


@pytest.mark.parametrize(
    "changes",
    [
        options(transaction_mode="immediate"),
        options(transaction_mode="EXCLUSIVE"),
        pragmas("pragma journal_mode = wal ;PRAGMA main.synchronous(extra)"),
        pragmas("PRAGMA journal_mode='WAL';PRAGMA synchronous=NORMAL;PRAGMA synchronous=2"),
    ],
)
def test_other_spellings_of_the_right_sqlite_entry_are_taken(ids, database, changes):
    database(**changes)
    assert ids() == []


def test_the_test_runners_own_database_in_memory_is_let_be(ids, database):
    database(NAME="file:memorydb_node?mode=memory&cache=shared")
    assert ids(live=True) == []


@pytest.mark.parametrize(
    ("given", "number"),
    [
        ({"options": "-c synchronous_commit=off"}, "013"),
        ({"options": "-c statement_timeout=5 -c synchronous_commit='off'"}, "013"),
        ({"options": "-c synchronous_commit=local"}, ""),
        ({"options": "-c synchronous_commit=on"}, ""),
        ({}, ""),
    ],
)
def test_postgresql_options_that_could_lose_votes_are_refused(ids, database, given, number):
    database(**{**POSTGRESQL, "OPTIONS": given})
    assert ids(CLUSTER) == ([f"E{number}"] if number else [])
    assert ids(ALONE) == ([f"W{number}"] if number else [])


def test_a_router_that_reads_elsewhere_is_refused(ids, settings):
    settings.DATABASE_ROUTERS = [f"{__name__}.ReplicaRouter"]
    assert ids() == ["E015"]
    settings.DATABASE_ROUTERS = []
    assert ids() == ["E015"]
    settings.DATABASE_ROUTERS = [f"{__name__}.NodeRouter", f"{__name__}.ReplicaRouter"]
    assert ids() == []


def test_without_routers_the_default_database_is_right(ids, settings):
    settings.DATABASE_ROUTERS = []
    settings.RAFT_CONFIG = {}
    messages = run_checks(tags=["raft_config"], databases=[])
    assert "raft_config.E015" not in {message.id for message in messages}


def test_a_router_that_forbids_the_tables_is_refused(ids, settings):
    settings.DATABASE_ROUTERS = [f"{__name__}.ForbiddingRouter"]
    assert ids() == ["E016"]


def test_a_replica_is_refused(ids, database):
    database(TEST={"MIRROR": "default"})
    assert ids() == ["E017"]
    database(TEST={"MIRROR": None})
    assert ids() == []


# -- what the database itself says


def test_sqlite_is_asked_for_the_journal_mode_in_use(ids, django_db_blocker):
    """As on a network file system: the entry asks for WAL, and SQLite stays where it is."""
    assert ids(live=True) == []
    with django_db_blocker.unblock(), connections["node"].cursor() as cursor:
        cursor.execute("PRAGMA journal_mode=DELETE")
    assert ids(live=True) == ["E011"]
    assert ids(ALONE, live=True) == ["W011"]


def test_sqlite_is_asked_for_the_level_in_use(ids, django_db_blocker):
    """As after a receiver of connection_created that makes SQLite fast."""
    for level, found in (("NORMAL", ["E012"]), ("OFF", ["E012"]), ("EXTRA", []), ("FULL", [])):
        with django_db_blocker.unblock(), connections["node"].cursor() as cursor:
            cursor.execute(f"PRAGMA synchronous={level}")
        assert ids(live=True) == found


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ({}, []),
        ({"synchronous_commit": "off"}, ["E013"]),
        ({"synchronous_commit": "local"}, []),
        ({"fsync": "off"}, ["E014"]),
        ({"full_page_writes": "off"}, ["E014"]),
        ({"fsync": "off", "full_page_writes": "off"}, ["E014"]),
    ],
)
def test_postgresql_is_asked_what_it_does(ids, database, monkeypatch, answers, found):
    node = database(**POSTGRESQL)
    monkeypatch.setattr(live, "_answer", lambda _, question: answers.get(question[5:], "on"))
    monkeypatch.setattr(node.introspection, "table_names", list)
    assert ids(live=True) == found
    assert ids(ALONE, live=True) == [each.replace("E", "W") for each in found]


def grave_ids():
    """What is found; a mere hint (I030, connections that do not persist) is none of it."""
    found = run_checks(tags=["raft_config"], databases=["default"])
    return [each.id for each in found if each.level >= WARNING]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="asks a real PostgreSQL")
@pytest.mark.django_db
def test_a_real_postgresql_says_whether_it_waits_for_the_disk(settings):
    settings.RAFT_CONFIG = {**CLUSTER, "DATABASE": "default"}
    settings.DATABASE_ROUTERS = []
    for value, found in (("off", ["raft_config.E013"]), ("on", [])):
        with connection.cursor() as cursor:
            cursor.execute(f"SET synchronous_commit TO {value}")
        assert grave_ids() == found


@pytest.mark.django_db
def test_tables_of_another_node_are_refused(settings):
    settings.RAFT_CONFIG = {**CLUSTER, "DATABASE": "default"}
    settings.DATABASE_ROUTERS = []
    assert grave_ids() == []
    Node.objects.create(**encode_state(new_node("a", Configuration())))
    assert grave_ids() == []
    Node.objects.update(node_id="b")
    assert grave_ids() == ["raft_config.E018"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("voters", "engine", "found"),
    [
        ("a", "raft", []),
        ("a", "etcd", ["E029"]),
        (["etcd"], "etcd", []),
        (["etcd"], "raft", ["E029"]),
        ("", "etcd", []),
    ],
)
def test_tables_of_another_engine_are_refused(settings, voters, engine, found):
    settings.DATABASE_ROUTERS = []
    members = Configuration(tuple(map(Member, voters)))
    Node.objects.create(**encode_state(new_node("a", members)))
    settings.RAFT_CONFIG = {"NODE_ID": "a", "ENGINE": engine, "ETCD": ETCD}
    told = live.check_tables_are_of_the_engine(databases=["default"])
    assert [each.id.removeprefix("raft_config.") for each in told] == found


def test_before_the_first_migrate_there_is_nothing_to_share(ids, django_db_blocker):
    with django_db_blocker.unblock():
        assert Node._meta.db_table not in connections["node"].introspection.table_names()
    assert ids(live=True) == []


# -- Celery


@pytest.fixture
def celery(monkeypatch):
    def configure(broker="redis://127.0.0.1/0", routes=None, default="celery", **options):
        app = Celery("of the tests", broker=broker, set_as_current=False)
        app.conf.update(task_routes=routes, task_default_queue=default)
        app.conf.beat_schedule = {
            "tick": {"task": "raft_config.tick", "schedule": 1, "options": options},
            "other": {"task": "shop.clean", "schedule": 1},
        }
        monkeypatch.setattr("celery.current_app", app)

    return configure


def test_ticks_in_a_queue_of_all_nodes_are_told(ids, celery):
    celery()
    assert ids() == ["W023"]
    celery(queue="raft.b")
    assert ids() == ["W023"]
    celery(routes={"raft_config.tick": {"queue": "ticks"}}, default="raft.a")
    assert ids() == ["W023"]


def test_ticks_in_a_queue_of_the_nodes_own_are_fine(ids, celery):
    celery(queue="raft.a")
    assert ids() == []
    celery(default="raft.a")
    assert ids() == []
    celery(routes={"raft_config.tick": {"queue": "raft.a"}})
    assert ids() == []
    celery(routes={"raft_config.tick": "raft.a"})
    assert ids() == []


def test_a_broker_inside_the_node_and_a_node_alone_share_no_queue(ids, celery):
    celery(broker="memory://")
    assert ids() == []
    celery()
    assert ids(ALONE) == []


def test_the_name_of_the_task_is_that_of_tasks():
    assert tasks.tick.name == queues.TICK
