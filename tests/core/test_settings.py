"""Limits as typed settings: each error names the setting that is wrong."""

import pytest

from raft_config.core import RaftSettings
from raft_config.exceptions import ConfigurationError

EVERY = list(RaftSettings.__dataclass_fields__)
SIZES = [name for name in EVERY if not name.endswith("_seconds")]


def test_defaults_are_valid():
    assert RaftSettings().heartbeat_interval_seconds < RaftSettings().election_timeout_seconds / 3


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("value", [-1, "1", None, True, float("nan")])
def test_value_that_is_no_positive_number_is_refused_by_name(name, value):
    with pytest.raises(ConfigurationError, match=name) as caught:
        RaftSettings(**{name: value})
    assert caught.value.setting == name


@pytest.mark.parametrize("name", [name for name in EVERY if name != "trailing_entries"])
def test_zero_is_refused(name):
    with pytest.raises(ConfigurationError, match=f"{name} must be above 0"):
        RaftSettings(**{name: 0})


def test_no_entries_at_all_may_be_kept_below_a_snapshot():
    assert RaftSettings(trailing_entries=0).trailing_entries == 0


@pytest.mark.parametrize("name", SIZES)
def test_size_that_is_not_whole_is_refused(name):
    """A batch of 2.5 entries would fail much later, in a slice."""
    with pytest.raises(ConfigurationError, match=name):
        RaftSettings(**{name: 2.5})


@pytest.mark.parametrize("name", EVERY)
def test_infinity_is_refused(name):
    with pytest.raises(ConfigurationError, match=name):
        RaftSettings(**{name: float("inf")})


@pytest.mark.parametrize("heartbeat", [0.1, 0.33])
def test_heartbeat_below_a_third_of_the_election_timeout_is_valid(heartbeat):
    assert RaftSettings(heartbeat_interval_seconds=heartbeat, election_timeout_seconds=1)


def test_heartbeat_of_a_third_of_the_election_timeout_is_refused():
    with pytest.raises(ConfigurationError, match=r"heartbeat_interval_seconds .* third .*0\.5"):
        RaftSettings(heartbeat_interval_seconds=0.5, election_timeout_seconds=1.5)


def test_retry_more_often_than_heartbeats_is_refused():
    with pytest.raises(ConfigurationError, match="append_retry_seconds"):
        RaftSettings(append_retry_seconds=0.1)


def test_command_that_fits_no_batch_is_refused():
    with pytest.raises(ConfigurationError, match="max_command_bytes"):
        RaftSettings(max_command_bytes=200, max_batch_bytes=100)
