"""A state comes back from its columns as it was, whatever it is."""

from dataclasses import fields, replace

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TransactionTestCase

from raft_config.core.configuration import Configuration, Member
from raft_config.core.log import SnapshotMeta
from raft_config.core.state import (
    Candidate,
    Follower,
    IncomingSnapshot,
    Leader,
    NodeState,
    PendingRead,
    PreCandidate,
    Progress,
    SnapshotTransfer,
    Transfer,
)
from raft_config.models import Member as MemberRow
from raft_config.models import Node
from raft_config.storage import DatabaseStorage, codec
from raft_config.storage.codec import (
    PLAIN_COLUMNS,
    STATE_COLUMNS,
    decode_role,
    decode_state,
    dump_json,
    encode_changes,
    encode_role,
    encode_state,
)
from raft_config.storage.node_row import NodeRow
from raft_config.storage.transaction import Transaction

from .helpers import state_of

# What reaches a column of its own: ids are checked at the door (transport), never NUL.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
numbers = st.integers(0, 2**63 - 1)
instants = st.floats(0, 1e10)
votes = st.frozensets(texts)

members = st.builds(Member, texts, texts, st.booleans(), st.booleans(), texts, st.integers(1, 1000))
configurations = st.builds(
    Configuration,
    st.lists(members, max_size=4, unique_by=lambda member: member.node_id).map(tuple),
    numbers,
    st.lists(texts, max_size=3).map(tuple),
)
metas = st.builds(SnapshotMeta, numbers, numbers, configurations, numbers, texts)
progresses = st.builds(
    Progress,
    next_index=numbers,
    match_index=numbers,
    contact_at=instants,
    awaiting_deadline=instants,
    sent_commit=numbers,
    incarnation=texts,
    version=numbers,
    snapshot=st.none() | st.builds(SnapshotTransfer, metas, numbers),
)
roles = st.one_of(
    st.builds(Follower, instants, st.none() | texts, st.none() | instants),
    st.builds(PreCandidate, instants, votes),
    st.builds(Candidate, instants, votes),
    st.builds(
        Leader,
        numbers,
        instants,
        st.dictionaries(texts, progresses, max_size=4),
        st.lists(st.builds(PendingRead, texts, numbers, votes), max_size=3).map(tuple),
        st.none() | st.builds(Transfer, texts, instants),
    ),
)


@st.composite
def states(draw):
    last_applied, commit_index, last_log_index = sorted(draw(st.tuples(numbers, numbers, numbers)))
    return NodeState(
        node_id=draw(texts),
        role=draw(roles),
        incarnation=draw(texts),
        current_term=draw(numbers),
        voted_for=draw(st.none() | texts),
        last_log_index=last_log_index,
        last_log_term=draw(numbers),
        commit_index=commit_index,
        last_applied=last_applied,
        configuration=draw(configurations),
        previous_configuration=draw(configurations),
        snapshot_index=draw(numbers),
        unsnapshotted_bytes=draw(numbers),
        incoming=draw(st.none() | st.builds(IncomingSnapshot, metas, numbers)),
        may_lead=draw(st.booleans()),
        drained=draw(st.booleans()),
    )


@given(states())
def test_state_comes_back_from_its_columns(state):
    found = decode_state(encode_state(state))
    assert found == state
    if isinstance(state.role, Leader):
        assert list(found.role.progress) == list(state.role.progress)


@given(states(), states())
def test_changes_lead_from_one_state_to_the_other(before, after):
    changes = encode_changes(before, after)
    assert decode_state(encode_state(before) | changes) == after
    assert encode_changes(after, decode_state(encode_state(after))) == {}


@given(states())
def test_same_state_changes_nothing(state):
    assert encode_changes(state, state) == {}


def test_only_what_changed_is_written():
    before = state_of(current_term=3)
    assert encode_changes(before, replace(before, current_term=4)) == {"current_term": 4}
    assert encode_changes(before, replace(before, role=Follower(9.0))).keys() == {
        "role",
        "role_data",
    }


def test_protocol_version_is_that_of_the_code_and_not_of_the_code_that_made_the_row(monkeypatch):
    """Or an upgraded node would go on to speak the protocol of the release that it began with."""
    row = encode_state(NodeState("a", Follower(1.0)))
    monkeypatch.setattr(codec, "PROTOCOL_VERSION", 7)
    assert decode_state(row).version == 7


def test_every_field_of_a_state_has_its_column():
    """A field that the core gains and the table does not would be forgotten between two events."""
    stored = {field.name for field in fields(NodeState)} - {"version"}  # of the code, not the row
    assert {*STATE_COLUMNS} - {"role_data"} == stored
    assert {*STATE_COLUMNS} <= {field.name for field in Node._meta.get_fields()}
    assert {*PLAIN_COLUMNS} < {*STATE_COLUMNS}


def test_role_of_an_older_release_gets_the_defaults_of_newer_fields():
    assert decode_role("follower", '{"election_deadline":1.5}') == Follower(1.5)


@pytest.mark.parametrize("instant", [float("nan"), float("inf")])
def test_instant_that_is_no_number_is_never_stored(instant):
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode_role(Follower(instant))


def test_text_is_ascii_and_has_no_spaces():
    assert dump_json({"ü": [1, "\ud800"]}) == '{"\\u00fc":[1,"\\ud800"]}'


class SaveAndLoad(TransactionTestCase):
    """The same through a real database: what is saved over one state is loaded as the other."""

    @settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
    @given(states(), states())
    def test_state_saved_over_another_is_loaded(self, before, after):
        Node.objects.create(**encode_state(before))
        storage = DatabaseStorage("default", lambda: before)
        with transaction.atomic(durable=True):
            stored = NodeRow("default")
            made = Transaction(stored, stored.lock(), will_flush=True)
            made.save(before, after, [])
            made.end()
        assert storage.load() == after
        # The mirror holds what it did not hold before, or other than before.
        rows = {row.node_id: row for row in MemberRow.objects.all()}
        for member in after.configuration.members:
            if before.configuration.by_id.get(member.node_id) != member:
                assert rows[member.node_id].incarnation == member.incarnation
