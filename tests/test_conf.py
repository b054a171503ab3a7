"""RAFT_CONFIG is read strictly: a wrong value is named as written, and told what to do."""

import copy
import math
from types import MappingProxyType

import pytest
from django.test import override_settings

from raft_config import conf
from raft_config.conf import RaftConfig, get_config, problems, values
from raft_config.core.settings import RaftSettings
from raft_config.exceptions import ConfigurationError
from raft_config.transport import auth

SECRET = "a secret of the tests, and long enough"
THREE = {f"{name}": f"http://10.0.0.{number}:8000/raft" for number, name in enumerate("abc", 1)}
CLUSTER = {"NODE_ID": "a", "PEERS": THREE, "SECRETS": [SECRET]}


def provide_peers():
    return THREE


def provide_nonsense():
    return ["a", "b"]


def provide_nothing():
    raise LookupError("the registry is away")


NOT_CALLABLE = THREE


def refusal(**given):
    with override_settings(RAFT_CONFIG=given), pytest.raises(ConfigurationError) as caught:
        get_config()
    return str(caught.value)


def config_of(**given):
    with override_settings(RAFT_CONFIG=given):
        return get_config()


# -- what is read


def test_without_raft_config_a_node_is_a_cluster_of_one(settings):
    if hasattr(settings, "RAFT_CONFIG"):
        del settings.RAFT_CONFIG
    config = get_config()
    assert (config.node_id, config.cluster_id, config.database) == (
        "node",
        "raft-config",
        "default",
    )
    assert config.peers == {}
    assert (config.join, config.url, config.secrets) == ("", "", ())
    assert config.timing == RaftSettings()


def test_a_cluster_knows_its_own_url_from_the_peers():
    config = config_of(**CLUSTER)
    assert config.peers == THREE
    assert config.url == "http://10.0.0.1:8000/raft"
    assert config.secrets == (SECRET,)


def test_a_slash_at_the_end_of_a_url_is_dropped():
    config = config_of(**{**CLUSTER, "URL": "https://node-a.example/raft/"})
    assert config.url == "https://node-a.example/raft"


def test_timing_and_durations_come_from_keys_of_the_same_name():
    config = config_of(
        ELECTION_TIMEOUT_SECONDS=2,
        HEARTBEAT_INTERVAL_SECONDS=0.5,
        SNAPSHOT_ENTRIES=10,
        TICK_INTERVAL_SECONDS=0.5,
    )
    assert config.timing == RaftSettings(
        election_timeout_seconds=2, heartbeat_interval_seconds=0.5, snapshot_entries=10
    )
    assert config.tick_interval_seconds == 0.5


def test_an_rpc_waits_as_long_as_the_election_timeout_unless_told_otherwise():
    assert config_of(ELECTION_TIMEOUT_SECONDS=3).rpc_timeout_seconds == 3
    assert config_of(ELECTION_TIMEOUT_SECONDS=3, RPC_TIMEOUT_SECONDS=1).rpc_timeout_seconds == 1


def test_every_field_has_a_key_and_every_key_is_known():
    assert set(conf.KEYS) >= {"NODE_ID", "PEERS", "SECRETS", "VERSION_FILE"}
    assert "TIMING" not in conf.KEYS
    assert {"ELECTION_TIMEOUT_SECONDS", "MAX_BATCH_BYTES"} <= set(conf.KEYS)


def test_peers_may_come_from_a_callable():
    path = f"{__name__}.provide_peers"
    assert config_of(**{**CLUSTER, "PEERS": path}).peers == THREE


def test_what_the_callable_raises_is_not_hidden(settings):
    settings.RAFT_CONFIG = {**CLUSTER, "PEERS": f"{__name__}.provide_nothing"}
    with pytest.raises(LookupError, match="the registry is away"):
        get_config()


def test_a_joining_node_needs_no_place_among_the_peers():
    config = config_of(
        NODE_ID="d", JOIN=THREE["a"], URL="http://10.0.0.4:8000/raft", SECRETS=[SECRET], PEERS=THREE
    )
    assert config.join == THREE["a"]


def test_the_configuration_cannot_be_changed():
    config = config_of(**CLUSTER, SETTINGS={"A": (1, "")})
    with pytest.raises(AttributeError):
        config.node_id = "b"
    for mapping in (config.peers, config.settings):
        assert isinstance(mapping, MappingProxyType)


def test_what_the_project_changes_later_changes_nothing_here():
    given = copy.deepcopy(CLUSTER)
    with override_settings(RAFT_CONFIG=given):
        config = get_config()
        given["PEERS"]["d"] = "http://10.0.0.4:8000"
        assert "d" not in config.peers


def test_it_is_built_once_until_the_setting_changes(settings):
    settings.RAFT_CONFIG = {"NODE_ID": "a"}
    first = get_config()
    assert get_config() is first
    settings.RAFT_CONFIG = {"NODE_ID": "b"}
    assert get_config().node_id == "b"


def test_secrets_are_not_shown():
    assert SECRET not in repr(config_of(**CLUSTER))
    assert SECRET not in str(config_of(**CLUSTER))


def test_ids_are_those_that_signatures_carry():
    assert values.ID.pattern == auth.ID_PATTERN.pattern


# -- the version file


def test_the_version_file_is_the_same_for_every_process_and_another_for_every_node():
    a = config_of(NODE_ID="a").version_file
    assert a == config_of(NODE_ID="a").version_file
    assert a != config_of(NODE_ID="b").version_file
    assert a != config_of(NODE_ID="a", CLUSTER_ID="other").version_file


def test_the_version_file_may_be_given(tmp_path):
    assert config_of(VERSION_FILE=tmp_path / "v").version_file == str(tmp_path / "v")
    assert config_of(VERSION_FILE="").version_file == config_of().version_file
    assert "absolute path" in refusal(VERSION_FILE="relative/v")


# -- what is refused


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("ELECTION_TIMEOUT", "ELECTION_TIMEOUT_SECONDS"),
        ("SECRET", "SECRETS"),
        ("node_id", "NODE_ID"),
        ("PEER", "PEERS"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_one(key, nearest):
    assert (
        refusal(**{key: 1})
        == f'RAFT_CONFIG["{key}"] is not a key of raft_config. Did you mean {nearest!r}?'
    )


def test_a_key_like_no_other_is_refused_with_all_that_there_are():
    assert "Known are: " in refusal(ZZZZZZ=1)


def test_raft_config_must_be_a_dict(settings):
    settings.RAFT_CONFIG = ["NODE_ID"]
    with pytest.raises(ConfigurationError, match=r"^RAFT_CONFIG must be a dict"):
        get_config()


def test_a_key_that_is_no_string_is_refused(settings):
    settings.RAFT_CONFIG = {3: 4}
    with pytest.raises(ConfigurationError, match=r"^RAFT_CONFIG\[3\] is not a key"):
        get_config()


@pytest.mark.parametrize("value", ["", "-a", "a b", "ä", "a" * 65, "a\n", None, 3, ["a"]])
@pytest.mark.parametrize("key", ["NODE_ID", "CLUSTER_ID"])
def test_an_id_must_fit_into_a_header_and_a_log_line(key, value):
    assert refusal(**{key: value}).startswith(f'RAFT_CONFIG["{key}"] must be 1 to 64 letters')


def test_the_longest_id_is_taken():
    assert config_of(NODE_ID="a" * 64).node_id == "a" * 64


@pytest.mark.parametrize("value", [0, -1, math.inf, math.nan, True, "1", None])
@pytest.mark.parametrize(
    "key",
    [
        "TICK_INTERVAL_SECONDS",
        "RPC_TIMEOUT_SECONDS",
        "WRITE_TIMEOUT_SECONDS",
        "MAX_CLOCK_SKEW_SECONDS",
        "ELECTION_TIMEOUT_SECONDS",
    ],
)
def test_a_duration_must_be_a_number_above_zero(key, value):
    assert refusal(**{key: value}).startswith(f'RAFT_CONFIG["{key}"] must be ')


def test_timeouts_out_of_proportion_are_named_as_they_were_written():
    assert refusal(ELECTION_TIMEOUT_SECONDS=0.3) == (
        'RAFT_CONFIG["HEARTBEAT_INTERVAL_SECONDS"] must be below a third of '
        "ELECTION_TIMEOUT_SECONDS (0.1), not 0.2."
    )


@pytest.mark.parametrize(
    "url",
    [
        "",
        "10.0.0.1:8000",
        "ftp://10.0.0.1",
        "http://",
        "http://my_node:8000",
        "http://node:0",
        "http://node:65536",
        "http://node/raft?x=1",
        "http://node/raft#x",
        "http://node//raft",
        "http://node/../raft",
        "http://node/raft ",
        "http://node/" + "a" * 200,
        None,
        8000,
    ],
)
def test_a_peer_needs_a_base_url_that_can_be_signed(url):
    message = refusal(**{**CLUSTER, "PEERS": {**THREE, "b": url}})
    assert message.startswith("RAFT_CONFIG[\"PEERS\"] has a wrong entry 'b': it must be an address")


@pytest.mark.parametrize(
    "url", ["http://[::1]:8001/raft", "https://node-a.example", "http://localhost:8001"]
)
def test_hosts_of_every_kind_are_taken(url):
    assert config_of(URL=url).url == url


def test_a_password_in_a_url_is_not_repeated():
    message = refusal(JOIN="http://user:password@10.0.0.1/raft")
    assert message.startswith('RAFT_CONFIG["JOIN"] must be an address')
    assert "password" not in message


def test_two_ids_for_one_url_are_refused():
    peers = {"a": "http://node-a.example/raft", "b": "http://Node-A.example/raft/"}
    message = refusal(**{**CLUSTER, "PEERS": peers})
    assert "gives 'a' and 'b' the same URL" in message


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("no.such.module.peers", "cannot be imported"),
        ("nodots", "cannot be imported"),
        (f"{__name__}.missing", "cannot be imported"),
        (f"{__name__}.NOT_CALLABLE", "is no callable"),
        (f"{__name__}.provide_nonsense", "must be a dict"),
    ],
)
def test_a_provider_that_provides_nothing_is_refused(path, problem):
    message = refusal(**{**CLUSTER, "PEERS": path})
    assert message.startswith('RAFT_CONFIG["PEERS"]')
    assert problem in message


def test_a_node_must_be_among_its_peers():
    message = refusal(PEERS=THREE, SECRETS=[SECRET])
    assert message.startswith('RAFT_CONFIG["NODE_ID"] must be one of the ids in')
    assert "(a, b, c), not 'node'" in message


@pytest.mark.parametrize(
    "given",
    [{"NODE_ID": "a", "PEERS": THREE}, {"JOIN": THREE["a"], "URL": "http://10.0.0.4:8000"}],
)
def test_a_cluster_needs_a_secret(given):
    message = refusal(**given)
    assert message.startswith('RAFT_CONFIG["SECRETS"] is needed')
    assert "token_urlsafe" in message


@pytest.mark.parametrize(
    ("secrets", "problem"),
    [
        (SECRET, "must be a list"),
        ([SECRET, 3], "must be a list of strings"),
        ({SECRET}, "must be a list"),
        ([SECRET, "much too short"], "(number 2) of 14 characters"),
        ([SECRET + "\n"], "white space"),
        ([SECRET, SECRET], "twice"),
    ],
)
def test_a_wrong_secret_is_refused_and_not_repeated(secrets, problem):
    message = refusal(**{**CLUSTER, "SECRETS": secrets})
    assert message.startswith('RAFT_CONFIG["SECRETS"] ')
    assert problem in message
    assert SECRET not in message
    assert "much too short" not in message


def test_the_shortest_secret_has_32_characters():
    assert config_of(SECRETS=["x" * 32]).secrets == ("x" * 32,)
    assert "fewer than 32" in refusal(SECRETS=["x" * 31])


def test_to_join_a_node_must_say_where_it_is():
    assert refusal(JOIN=THREE["a"], SECRETS=[SECRET]).startswith('RAFT_CONFIG["URL"] is needed')


def test_a_node_cannot_join_itself():
    message = refusal(JOIN=THREE["a"], URL=THREE["a"] + "/", SECRETS=[SECRET])
    assert message.startswith('RAFT_CONFIG["JOIN"] is this node\'s own URL')


def test_the_database_must_be_an_alias():
    assert refusal(DATABASE="defalt").endswith("not 'defalt'. Did you mean 'default'?")


@pytest.mark.parametrize("value", [None, ["A"], {3: 4}])
def test_settings_must_be_a_dict_by_name(value):
    assert refusal(SETTINGS=value).startswith('RAFT_CONFIG["SETTINGS"] must be a dict')


def test_a_long_value_is_cut_in_the_message():
    assert len(refusal(NODE_ID="x" * 10_000)) < 300


# -- all problems at once


def test_problems_tells_everything_that_is_wrong(settings):
    settings.RAFT_CONFIG = {"NODE_ID": "", "SECRETS": "x", "JON": 1, "ELECTION_TIMEOUT_SECONDS": 0}
    assert {error.setting for error in problems()} == {
        'RAFT_CONFIG["NODE_ID"]',
        'RAFT_CONFIG["SECRETS"]',
        'RAFT_CONFIG["JON"]',
        'RAFT_CONFIG["ELECTION_TIMEOUT_SECONDS"]',
    }


def test_problems_is_empty_when_nothing_is_wrong(settings):
    settings.RAFT_CONFIG = CLUSTER
    assert problems() == []


def test_a_config_can_be_built_by_hand_for_tests():
    assert RaftConfig(node_id="x").timing == RaftSettings()


# -- another engine


def test_etcd_is_reached_as_written():
    given = {"ENDPOINTS": ["https://10.0.0.1:2379/"], "PREFIX": "/shop", "CA": "/etc/ca.pem"}
    config = config_of(ENGINE="etcd", ETCD=given)
    assert (config.engine, config.etcd.endpoints) == ("etcd", ("https://10.0.0.1:2379",))
    assert (config.etcd.prefix, config.etcd.ca, config.etcd.user) == ("/shop", "/etc/ca.pem", "")


def test_keys_in_etcd_begin_with_the_clusters_id():
    etcd = {"ENDPOINTS": ["https://10.0.0.1:2379"]}
    assert config_of(CLUSTER_ID="shop", ETCD=etcd).etcd.prefix == "/raft_config/shop"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"ENDPOINT": "x"}, "Did you mean 'ENDPOINTS'"),
        ({"ENDPOINTS": "https://10.0.0.1:2379"}, "in a list"),
        ({"ENDPOINTS": ["10.0.0.1:2379"]}, "must be an address"),
        ({"USER": "kim"}, "USER and PASSWORD, or neither"),
        ({"CERT": "/etc/cert.pem"}, "CERT and KEY, or neither"),
        ({"PREFIX": "/"}, "a PREFIX of its own"),
        ({"PREFIX": "/shop/"}, "a PREFIX of its own"),
        ({"USER": "kim", "PASSWORD": 4711}, "a string as PASSWORD, not int"),
    ],
)
def test_wrong_options_of_etcd_are_refused(changes, told):
    found = refusal(ETCD={"ENDPOINTS": ["https://10.0.0.1:2379"], **changes})
    assert told in found
    assert "4711" not in found


def test_no_node_may_be_called_as_the_nodes_call_an_etcd():
    assert "'etcd'" in refusal(NODE_ID="etcd")
