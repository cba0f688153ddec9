import pytest


@pytest.fixture
def slices() -> tuple[str, ...]:
    return ("accounts",)
