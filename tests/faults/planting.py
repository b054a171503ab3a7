"""A plugin of pytest: run tests with the mutant that the variable MUTANT names.

MUTANT="vote not stored" python -m pytest -p tests.faults.planting tests/storage
"""

import os


def pytest_collection_finish() -> None:
    """Plant it once everything is imported."""
    from .mutants import plant  # noqa: PLC0415

    plant(os.environ["MUTANT"])
