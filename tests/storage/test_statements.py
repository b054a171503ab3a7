"""Few and cheap statements: each event's are named here one by one, on every database alike.

Beside them stand what frames a transaction: BEGIN on SQLite, and PRAGMA or SET where it is relaxed.
"""

from dataclasses import replace

import pytest

from raft_config.core.events import ChangeAddress, Propose, Receive, Tick
from raft_config.core.log import Entry
from raft_config.core.messages import (
    AppendEntries,
    AppendEntriesResponse,
    Envelope,
    RequestVote,
)
from raft_config.core.state import Follower, Leader, Progress
from raft_config.models import Member, Node
from raft_config.state_machine import (
    REMEMBERED_ENTRIES,
    Answer,
    CancelSchedule,
    Command,
    FireSchedule,
    encode_command,
)
from raft_config.storage import database

from ..core.build import entries
from .helpers import AT, IS_SQLITE, put, state_of, statements, storage_of

pytestmark = pytest.mark.django_db(transaction=True)

BEGIN = ["BEGIN IMMEDIATE"] if IS_SQLITE else []
RELAXED = (
    ["PRAGMA synchronous=NORMAL", "BEGIN IMMEDIATE", "PRAGMA synchronous=FULL"]
    if IS_SQLITE
    else ["SET LOCAL synchronous_commit TO OFF"]
)
LOCK, SAVE = "SELECT node", "UPDATE node"


def taken_by(storage, *events, likely_durable=False, **changes):
    with statements() as found:
        storage.perform(*events, **{**AT, **changes}, likely_durable=likely_durable)
    return found


def received(sender, message):
    return Receive(Envelope(sender, f"i{sender}", "a", "i", 1, message))


def acknowledged(index, by="b"):
    """A peer stores the leader's log up to there."""
    message = AppendEntriesResponse(1, success=True, match_index=index, prev_log_index=1)
    return received(by, message)


def told(storage, request_id, index):
    """The answer of a request, and how many statements it took to find it."""
    with statements() as found:
        answer = storage.answer(request_id, index)
    return answer, len(found.texts)


def follower(**values):
    return storage_of(
        state_of(
            current_term=1,
            last_log_index=1,
            last_log_term=1,
            role=Follower(100.5, "b", 99.9),
            **values,
        ),
        entries("1"),
    )


def leader(log="1", commit=1, **values):
    """A leader that its peers have answered; so their incarnations are in the configuration."""
    stored = entries(log) if isinstance(log, str) else log
    state = state_of(incarnation="i")
    configuration = state.configuration
    for member in configuration.members:
        own = "i" if member.node_id == "a" else f"i{member.node_id}"
        configuration = configuration.with_member(replace(member, incarnation=own))
    known = Progress(len(stored) + 1, contact_at=99.9, sent_commit=commit)
    return storage_of(
        state_of(
            current_term=1,
            voted_for="a",
            role=Leader(1, 100.1, {"b": known, "c": known}),
            last_log_index=len(stored),
            last_log_term=1,
            configuration=configuration,
            previous_configuration=configuration,
            commit_index=commit,
            last_applied=commit,
            **values,
        ),
        stored,
    )


def test_first_statement_is_the_lock():
    """DESIGN §2.1: whatever was read before the lock may be old by the time it is held."""
    found = taken_by(follower(), Tick(), likely_durable=True)
    *begin, lock = found.texts[: len(BEGIN) + 1]
    assert begin == BEGIN
    assert lock.startswith("SELECT")
    assert lock.endswith("FOR UPDATE") or IS_SQLITE


def test_tick_before_its_deadline_writes_nothing():
    found = taken_by(follower(), Tick())
    assert found == [LOCK]
    assert found.frame == RELAXED


def test_heartbeat_on_a_follower_is_one_relaxed_update():
    found = taken_by(follower(), received("b", AppendEntries(1, 1, 1, (), 0)))
    assert found == [LOCK, SAVE]
    assert found.frame == RELAXED


def test_heartbeat_tick_on_a_leader_is_one_relaxed_update():
    found = taken_by(leader(), Tick(), now=100.2)
    assert found == [LOCK, SAVE]
    assert found.frame == RELAXED


def test_acknowledgement_without_a_commit_is_one_relaxed_update():
    found = taken_by(leader(), acknowledged(1))
    assert found == [LOCK, SAVE]
    assert found.frame == RELAXED


def test_proposal_is_one_insert_and_one_durable_update_however_many_its_commands():
    event = Propose((put("X"), put("Y"), put("Z")))
    found = taken_by(leader(), event, likely_durable=True)
    assert found == [LOCK, "INSERT logentry", SAVE]
    assert found.frame == BEGIN


def test_entries_on_a_follower_are_one_insert_and_one_durable_update():
    message = AppendEntries(1, 1, 1, entries("1 1 1", start=2), 0)
    found = taken_by(follower(), received("b", message), likely_durable=True)
    assert found == [LOCK, "INSERT logentry", SAVE]
    assert found.frame == BEGIN


def test_conflicting_entries_are_replaced_by_one_delete():
    storage = storage_of(
        state_of(current_term=2, last_log_index=3, last_log_term=1), entries("1 1 1")
    )
    message = AppendEntries(2, 1, 1, entries("2", start=2), 0)
    found = taken_by(storage, received("b", message), likely_durable=True)
    assert found == [
        LOCK,
        "SELECT logentry",  # the term before the entries
        "SELECT logentry",  # the term of the first of them
        "DELETE logentry",
        "INSERT logentry",
        SAVE,
    ]


COMMITTED = [
    LOCK,
    "SELECT logentry",
    "SELECT storedvalue",
    "SELECT answeredrequest",
    "INSERT storedvalue",
    "INSERT change",
    "INSERT answeredrequest",
    SAVE,
]


def test_commit_and_application_of_an_update_touch_only_its_rows():
    storage = leader((Entry(1, 1), Entry(2, 1, put("X"))))
    found = taken_by(storage, acknowledged(2))
    assert found == COMMITTED
    assert found.frame == RELAXED
    assert storage.values(["X", "unknown"]).keys() == {"X"}


def test_application_of_many_updates_takes_as_many_statements_as_of_one():
    log = (Entry(1, 1), *(Entry(index, 1, put("X", str(index))) for index in (2, 3, 4)))
    storage = leader(log)
    assert taken_by(storage, acknowledged(4)) == COMMITTED
    assert storage.values()["X"].text == "4"


SCHEDULE = [each for each in COMMITTED if each not in ("INSERT storedvalue", "INSERT change")]
SCHEDULE.insert(-2, "INSERT scheduledchange")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (Command("r", {"X": "1"}, apply_at=5.0), SCHEDULE),
        (
            Command("r", {"X": "1"}, expires_at=5.0),
            [
                *COMMITTED[:2],
                "SELECT scheduledchange",
                *COMMITTED[2:5],
                "INSERT scheduledchange",
                *COMMITTED[5:],
            ],
        ),
        (
            CancelSchedule("r", 1),
            [
                *COMMITTED[:2],
                "SELECT scheduledchange",
                "SELECT storedvalue",  # whether the settings are sealed
                "SELECT answeredrequest",
                "INSERT answeredrequest",
                SAVE,
            ],
        ),
    ],
    ids=["apply_at", "expires_at", "cancel"],
)
def test_schedule_is_touched_by_those_commands_alone_that_are_about_it(command, expected):
    storage = leader((Entry(1, 1), Entry(2, 1, encode_command(command))))
    assert taken_by(storage, acknowledged(2)) == expected


def test_making_many_scheduled_changes_takes_as_many_statements_as_one():
    planned = [put("X", str(each), apply_at=5.0) for each in range(3)]
    fired = [encode_command(FireSchedule.of(each, 5.0)) for each in (2, 3, 4)]
    log = [Entry(1, 1), *(Entry(at, 1, each) for at, each in enumerate([*planned, *fired], 2))]
    storage = leader(tuple(log))
    for last in (4, 7):
        found = taken_by(storage, acknowledged(last))
    assert found == [
        *COMMITTED[:2],
        "SELECT scheduledchange",
        *COMMITTED[2:5],
        "DELETE scheduledchange",
        *COMMITTED[5:],
    ]
    assert storage.values()["X"].index == 7


def test_old_answers_and_old_history_are_forgotten_by_one_delete_each():
    storage = follower()
    first = REMEMBERED_ENTRIES + 1
    storage.log.append([Entry(first, 1, put("X"))], replacing=False)
    Node.objects.update(
        commit_index=first - 1,
        last_applied=first - 1,
        last_log_index=first,
        base_index=first - 1,
        snapshot_index=first - 1,
    )
    found = taken_by(storage, received("b", AppendEntries(1, first, 1, (), first)))
    assert found == [*COMMITTED[:-1], "DELETE answeredrequest", "DELETE change", SAVE]


def test_vote_is_one_durable_update():
    found = taken_by(
        follower(), received("b", RequestVote(2, 1, 1, transfer=True)), likely_durable=True
    )
    assert found == [LOCK, SAVE]
    assert found.frame == BEGIN


def test_answers_that_came_together_are_stepped_under_one_lock_and_applied_once():
    storage = leader((Entry(1, 1), Entry(2, 1, put("X"))))
    found = taken_by(storage, acknowledged(2, by="b"), acknowledged(2, by="c"))
    assert found == COMMITTED
    assert found.frame == RELAXED
    assert storage.load().last_applied == 2


def test_process_that_applied_a_command_tells_its_answer_without_a_statement():
    storage = leader((Entry(1, 1), Entry(2, 1, put("X", request_id="one"))))
    taken_by(storage, acknowledged(2))
    assert told(storage, "one", 2) == (Answer(2), 0)
    # A retry's entry was answered by the first one's.
    assert told(storage, "one", 3) == (Answer(2), 1)


def test_process_that_has_kept_many_answers_asks_for_the_old_ones(monkeypatch):
    monkeypatch.setattr(database, "MOST_RECENT_ANSWERS", 0)
    commands = [put("X", request_id=request_id) for request_id in ("one", "two")]
    storage = leader((Entry(1, 1), *(Entry(at, 1, each) for at, each in enumerate(commands, 2))))
    for last in (2, 3):
        taken_by(storage, acknowledged(last))
    assert told(storage, "two", 3) == (Answer(3), 0)
    assert told(storage, "one", 2) == (Answer(2), 1)


@pytest.mark.parametrize("vote_comes", ["first", "last"])
def test_one_event_that_promises_makes_the_commit_of_all_a_durable_one(vote_comes):
    vote = received("b", RequestVote(2, 1, 1, transfer=True))
    events = (vote, Tick()) if vote_comes == "first" else (Tick(), vote)
    found = taken_by(follower(), *events, likely_durable=True)
    assert found == [LOCK, SAVE]
    assert found.frame == BEGIN


def test_wrong_guess_takes_the_step_a_second_time_on_sqlite_only():
    found = taken_by(follower(), received("b", RequestVote(2, 1, 1, transfer=True)))
    assert found == ([LOCK, LOCK, SAVE] if IS_SQLITE else [LOCK, SAVE])
    assert found.frame == ([*RELAXED, *BEGIN] if IS_SQLITE else [])


def test_members_are_written_only_when_the_configuration_changes():
    storage = leader()
    before = set(Member.objects.values_list("node_id", "address"))
    found = taken_by(storage, ChangeAddress("b", "http://b"), likely_durable=True)
    assert found == [LOCK, "INSERT logentry", "INSERT member", SAVE]
    changed = set(Member.objects.values_list("node_id", "address"))
    assert changed == before - {("b", "")} | {("b", "http://b")}


@pytest.mark.parametrize(
    "look",
    [
        lambda storage: storage.load(),
        lambda storage: storage.version(),
        lambda storage: storage.values(),
        lambda storage: storage.values(["X"]),
        lambda storage: storage.answer("r"),
        lambda storage: storage.result(1),
        lambda storage: storage.due_times(5),
        lambda storage: storage.halted_by(),
        lambda storage: storage.applied_hash(),
        lambda storage: storage.log.term_at(1),
        lambda storage: storage.log.floor_of_term(1, 1),
        lambda storage: storage.log.entries(1, max_entries=5, max_bytes=100),
        lambda storage: storage.log.snapshot,
        lambda storage: storage.log.snapshot_chunk(0, 10),
    ],
)
def test_looking_takes_one_query_and_no_lock(look):
    storage = follower()
    with statements() as found:
        look(storage)
    assert len(found.texts) == 1
    assert "FOR UPDATE" not in found.texts[0]
