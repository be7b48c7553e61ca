"""What the contract suite asks of an account in a directory, which runs nothing."""

from breakglass.model.secret import Secret
from breakglass.testing.rotator_contract import Linger


def nothing_runs() -> Linger:
    """As if something ran until it was ended: a directory has nothing to start."""

    async def start(secret: Secret) -> object:
        seen = iter([True, False])

        async def still_runs() -> bool:
            return next(seen)

        return still_runs

    return start  # type: ignore[return-value]
