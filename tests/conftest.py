"""What all tests share: how hard hypothesis tries, and an environment that is nobody's own."""

import os

import pytest
from hypothesis import HealthCheck, settings

# A slow machine is no failure of the product: examples have no deadline of their own, and pytest ends a hung test.
settings.register_profile("check", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("nightly", settings.get_profile("check"), max_examples=10_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "check"))

PERSONAL = ("BREAKGLASS_HOME", "BREAKGLASS_FAULT", "BREAKGLASS_FAULT_ONCE", "SSH_AUTH_SOCK", "SSH_ASKPASS")


@pytest.fixture(autouse=True)
def nobodys_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reaches the data folder or the ssh agent of the person who runs it."""
    for name in PERSONAL:
        monkeypatch.delenv(name, raising=False)


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Long values name no test: some are random, and test processes side by side must agree on the names."""
    return argname if isinstance(val, str | bytes) and len(val) > 30 else None
