import pytest
from log_support import LOG, seeded_log


@pytest.fixture
def log(tmp_path):
    """A log of 300 entries, of which the checkpoint has all."""
    made = seeded_log(tmp_path / "log", 300)
    made.checkpoint(LOG)
    return made


@pytest.fixture(scope="session")
def case(tmp_path_factory):
    """A log with a published key, and a claim on it."""
    from web_support import make_case

    return make_case(tmp_path_factory.mktemp("web"))
