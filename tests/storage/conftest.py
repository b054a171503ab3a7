"""Processes of a node that share the test's database."""

import pytest
from django.db import connection

from .child import Child


@pytest.fixture
def children(transactional_db):
    """Makes so many of them; they end with the test, before its database does."""
    made = []

    def make(count):
        made.extend(Child(connection) for _ in range(count))
        return made

    yield make
    for child in made:
        child.close()
