"""What all tests share: how hard hypothesis tries, and an environment that is nobody's own."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.servers.postgres import Postgres, running_postgres

# A slow machine is no failure of the product: examples have no deadline of their own, and pytest ends a hung test.
settings.register_profile("check", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("nightly", settings.get_profile("check"), max_examples=10_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "check"))

PERSONAL = (
    "BREAKGLASS_HOME",
    "BREAKGLASS_FAULT",
    "BREAKGLASS_FAULT_ONCE",
    "BREAKGLASS_FAULT_SIGNAL",
    "SSH_AUTH_SOCK",
    "SSH_ASKPASS",
)


@pytest.fixture(autouse=True)
def nobodys_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reaches the data folder or the ssh agent of the person who runs it."""
    for name in PERSONAL:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests of this process."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def migrated(postgres: Postgres) -> Iterator[str]:
    """A database with this version's tables and no row, to make others like it."""
    from breakglass.storage import migrate
    from breakglass.storage.engine import open_engine

    with postgres.database() as url:
        engine = open_engine(url)
        migrate.upgrade(engine)
        engine.dispose()
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.server)])
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """A test that asks for this runs on both databases: the address of a fresh one; empty for the embedded one."""
    if request.param == "sqlite":
        yield ""
        return
    server: Postgres = request.getfixturevalue("postgres")
    with server.database(like=request.getfixturevalue("migrated")) as url:
        yield url


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The contract's longest test belongs to plugins' authors, who know no marks of ours."""
    for item in items:
        if "test_a_connection_that_is_cut_anywhere" in item.name:
            item.add_marker(pytest.mark.slow)


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Long values name no test: some are random, and test processes side by side must agree on the names."""
    return argname if isinstance(val, str | bytes) and len(val) > 30 else None
