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
    found = Experiment(1, cuts=75, failing=0.3).run()
    assert found["problems"] == []
    assert found["refusals"] > 10
    assert found["silent"] <= 2  # see docs/reliability.md


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_planted_bug_is_seen_on_sqlite(mutant):
    assert Experiment(1, cuts=40, mutant=mutant).run()["problems"] != []


@NEEDS_POSTGRES
@pytest.mark.parametrize("mutant", ["relax_the_database", "send_before_the_commit"])
def test_a_planted_bug_is_seen_on_postgresql(mutant):
    assert Experiment(1, "postgres", steps=60, cuts=15, mutant=mutant).run()["problems"] != []
