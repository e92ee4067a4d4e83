import pytest
from bundle_world import Case, make_case


@pytest.fixture(scope="session")
def case(tmp_path_factory) -> Case:
    return make_case(tmp_path_factory.mktemp("evidence"))
