"""Bugs planted in the real code, one at a time, to see that the harness, or a test, sees them.

As in tests/simulation, each is an edit of a function's source, swapped in within a node's process
(`apps`, by the variable MUTANT) or within a test run (`planting`). Nothing in the package knows.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from django.db.backends.sqlite3.base import DatabaseWrapper

from raft_config import node, own_url, proposals, version_file
from raft_config.api import base, problems
from raft_config.core import effects, election, reads, replication
from raft_config.core.configuration import Configuration
from raft_config.exceptions import OutcomeUnknownError
from raft_config.state_machine import transition
from raft_config.storage import codec, durability
from raft_config.storage.database import DatabaseStorage
from raft_config.transport.auth import Signer
from tests.simulation.planted import Bug, planted


@dataclass(frozen=True, slots=True)
class Mutant:
    """A bug, and what must see it: the fault that shows it on real nodes, or a test."""

    plant: Callable[[], Any]
    fault: str = ""
    test: str = ""
    tries: int = 4


_kept = ExitStack()
"""What is planted stays so: the process is the mutant."""


def edit(function: Any, old: str, new: str) -> Callable[[], Any]:
    """Plants another text in the place of one in a function's source."""
    bug = Bug(function.__name__, function, old, new)
    return lambda: _kept.enter_context(planted(bug))


def plant(name: str) -> None:
    """Make this process the mutant of that name."""
    MUTANTS[name].plant()


def begin_transactions_by_reading() -> None:
    """What Django does by itself: the lock comes with the first write, after the look."""

    def begin(wrapper: DatabaseWrapper) -> None:
        wrapper.cursor().execute("BEGIN")

    # Not by OPTIONS: the system checks would let no such node start.
    DatabaseWrapper._start_transaction_under_autocommit = begin  # type: ignore[method-assign]


def call_an_unknown_outcome_certain() -> None:
    status = (503, "unavailable", True)
    problems._WHAT_THE_CLUSTER_SAYS[OutcomeUnknownError] = status  # type: ignore[index]


FORGET = (
    "update raft_config_node set last_applied = max(0, last_applied - 3)",
    """delete from raft_config_answeredrequest
    where "index" > (select last_applied from raft_config_node)""",
)


def forget_what_was_applied() -> None:
    """Each process, once: as if values were committed and last_applied was not."""
    from django.db import connection  # noqa: PLC0415 - settings first

    look = DatabaseStorage.load
    forgotten = []

    def load(storage: DatabaseStorage) -> Any:
        if not forgotten:
            forgotten.append(True)
            with connection.cursor() as cursor:
                for statement in FORGET:
                    cursor.execute(statement)
        return look(storage)

    DatabaseStorage.load = load  # type: ignore[method-assign]


def read_without_a_round() -> None:
    """As of the commit index, and trusting that one still leads.

    With the last index, the read would wait for what clients have left behind in a log that is cut
    off, and so would hardly ever be seen to be old.
    """
    everybody = "acknowledged_by=turn.state.configuration.voters"
    edit(reads.request_read, "acknowledged_by=itself", everybody)()
    edit(node.Node.read_index, "return begun.last_log_index", "return begun.commit_index")()


def send_before_the_commit() -> None:
    """Each storage knows its node, and hands over what is to be sent while it still writes."""
    journal = "self.journal = Journal("
    edit(node.Node.__init__, journal, f"self.storage.owner = self; {journal}")()
    early = "stored.end(), [self.owner._carry_out(each, stored.state) for each in effects]"
    edit(DatabaseStorage._perform, "stored.end()", early)()


MUTANTS: dict[str, Mutant] = {
    # seen by the harness
    "no row lock": Mutant(begin_transactions_by_reading, "delays and reordering"),
    "local read served as linearizable": Mutant(
        edit(base.wait_until_fresh, 'query.get("consistency") == "linearizable"', "False"),
        "follower alone",
    ),
    "retry applied twice": Mutant(
        edit(transition.apply, "first_answer is not None", "False"),
        "replies lost after the work was done",
    ),
    "one node is a majority": Mutant(
        edit(Configuration.__post_init__, "len(voters) // 2 + 1", "1"), "leader alone"
    ),
    "linearizable read without a round": Mutant(
        read_without_a_round, "leader alone, and without ticks"
    ),
    "unknown outcome called certain": Mutant(
        call_an_unknown_outcome_certain, "no two nodes reach each other"
    ),
    "compare and set does not compare": Mutant(
        edit(transition._update, "!= expected_index", "!= expected_index and False"),
        "duplicates",
    ),
    "processes are not told of what was applied": Mutant(
        edit(version_file.VersionFile.publish, "self.words[TOKEN] = new_token()", ""),
        "delays and reordering",
    ),
    "applied again after a restart": Mutant(forget_what_was_applied, "leader killed"),
    "answered before it is applied here": Mutant(
        edit(proposals._applied, "if not node.wait_until_applied(", "if False and ("),
        "delays and reordering",
    ),
    # seen by a test
    "WAL with synchronous=NORMAL": Mutant(
        edit(
            durability._execute,
            "cursor.execute(statement)",
            'cursor.execute(statement.replace("FULL", "NORMAL"))',
        ),
        test="tests/storage/test_durability.py"
        "::test_commit_without_a_promise_is_relaxed_and_the_connection_put_back",
    ),
    "sent before the commit": Mutant(
        send_before_the_commit,
        test="tests/test_node.py::test_nothing_is_sent_before_the_commit",
    ),
    "vote not stored": Mutant(
        edit(
            codec.encode_changes,
            "if getattr(after, name) != getattr(before, name)\n    }",
            'if getattr(after, name) != getattr(before, name) and name != "voted_for"\n    }',
        ),
        test="tests/storage/test_equality.py"
        "::test_random_events_give_the_same_in_the_database_and_in_memory[0]",
    ),
    "vote not flushed": Mutant(
        edit(effects.must_be_durable, "or after.voted_for != before.voted_for", ""),
        test="tests/core/test_commit.py::test_promise_is_durable[a vote]",
    ),
    "signature not checked": Mutant(
        edit(
            Signer._prove, "if not hmac.compare_digest(_mac(key, base), claims.signature)", "if 0"
        ),
        test="tests/transport/test_auth.py",
    ),
    "leader without a majority keeps accepting": Mutant(
        edit(
            election.check_quorum,
            "turn.state.configuration.is_majority([turn.state.node_id, *heard])",
            "True",
        ),
        test="tests/core/test_quorum.py"
        "::test_leader_that_hears_no_majority_for_an_election_timeout_steps_down",
    ),
    "truncation without a conflict": Mutant(
        edit(
            replication._without_known,
            "entry.index <= turn.state.commit_index or turn.term_at(entry.index) == entry.term",
            "entry.index <= turn.state.commit_index",
        ),
        test="tests/core/test_replication.py",
    ),
    "unreachable node leads on": Mutant(
        edit(own_url.OwnUrl._note, "self._failed < FAILED_PINGS", "True"),
        test="tests/test_node.py"
        "::test_node_that_its_own_url_does_not_answer_may_not_lead_until_it_does",
    ),
}
