"""The power fails: what was promised is there, and the tables are as after one of the events.

A real node works, on SQLite and on PostgreSQL, below a shim that notes every write and flush; each
cut makes a state that the disk may be in, opens the database there, and looks. `make power` does
more of it; docs/reliability.md says how much was done.
"""

import pytest

from .experiment import Experiment
from .mutants import MUTANTS
from .recording import COMPILER, WHY_NOT
from .servers import BIN

pytestmark = [pytest.mark.long, pytest.mark.skipif(COMPILER is None, reason=WHY_NOT)]
NEEDS_POSTGRES = pytest.mark.skipif(BIN is None, reason="needs PostgreSQL")


@pytest.mark.parametrize("checkpoint_pages", [1000, 40])
def test_sqlite_keeps_what_a_node_has_promised(checkpoint_pages):
    found = Experiment(7, cuts=75, checkpoint_pages=checkpoint_pages).run()
    assert found["problems"] == []
    assert found["cuts"] == 75
    assert found["promises"] > 100
    assert found["took_back"] > 0, "nothing was lost at all: is this a power cut?"


@NEEDS_POSTGRES
def test_postgresql_keeps_what_a_node_has_promised():
    found = Experiment(7, "postgres", cuts=20, steps=100).run()
    assert found["problems"] == []
    assert found["promises"] > 50


def test_sqlite_keeps_it_also_when_writes_and_flushes_have_failed():
    """The node refuses meanwhile, keeps no half of anything, and is well again afterwards."""
    found = Experiment(2, cuts=75, checkpoint_pages=40, failing=0.2).run()
    assert found["problems"] == []
    assert found["refusals"] > 10


@pytest.mark.parametrize("mutant", sorted(MUTANTS.keys() - {"trust_every_flush"}))
def test_a_planted_bug_is_seen_on_sqlite(mutant):
    assert Experiment(1, cuts=40, mutant=mutant).run()["problems"] != []


def test_a_flush_that_fails_unseen_is_seen_to_lose_something():
    bug = Experiment(2, cuts=60, checkpoint_pages=40, failing=0.1, mutant="trust_every_flush")
    assert bug.run()["problems"] != []


@NEEDS_POSTGRES
@pytest.mark.parametrize("mutant", ["relax_the_database", "send_before_the_commit"])
def test_a_planted_bug_is_seen_on_postgresql(mutant):
    assert Experiment(1, "postgres", steps=60, cuts=15, mutant=mutant).run()["problems"] != []
