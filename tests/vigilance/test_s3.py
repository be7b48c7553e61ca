"""Checkpoints in S3 under Object Lock, in moto's server."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from breakglass.errors import Malformed, Unavailable
from breakglass.vigilance.sinks import Copy, sink
from tests.servers.aws import REGION, Aws, running_aws

pytestmark = pytest.mark.server
COPY = Copy(checkpoint="log.example.org\n7\nroot\n\n— log.example.org c2ln\n".encode(), size=7, at=datetime.now(UTC))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with running_aws(tmp_path_factory.mktemp("aws")) as aws:
        yield aws


@pytest.fixture
def aws(running: Aws, monkeypatch: pytest.MonkeyPatch) -> Aws:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(running.credentials))
    return running


def bucket(aws: Aws, name: str, *, locks: bool = True) -> Any:
    s3 = aws.client("s3")
    place = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket=name, CreateBucketConfiguration=place, ObjectLockEnabledForBucket=locks)
    return s3


def address(aws: Aws, name: str, days: int = 400) -> str:
    return f"s3://{name}/kept?days={days}&region={REGION}&profile=breakglass&endpoint={aws.url}"


async def test_it_is_there_to_the_byte_and_nobody_takes_it_away(aws: Aws) -> None:
    s3 = bucket(aws, "evidence")
    place = sink(address(aws, "evidence"), "", node="node1")
    assert (place.name, place.every) == ("s3 evidence", timedelta(days=1))
    await place.take(COPY)
    await place.take(COPY)
    [found, again] = s3.list_object_versions(Bucket="evidence")["Versions"]
    assert found["Key"] == again["Key"]
    assert found["Key"].startswith("kept/000000000000007-")
    which = {"Bucket": "evidence", "Key": found["Key"], "VersionId": found["VersionId"]}
    kept = s3.get_object(**which)
    assert kept["Body"].read() == COPY.checkpoint
    assert kept["ObjectLockMode"] == "COMPLIANCE"
    assert kept["ObjectLockRetainUntilDate"] >= COPY.at.replace(microsecond=0) + timedelta(days=400)
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(**which)


async def test_a_bucket_that_can_not_lock_and_one_that_is_not_there(aws: Aws) -> None:
    bucket(aws, "plain", locks=False)
    for name in ("plain", "nowhere"):
        with pytest.raises(Unavailable):
            await sink(address(aws, name), "", node="node1").take(COPY)


async def test_one_that_says_yes_and_locks_nothing(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket(aws, "liar")
    place: Any = sink(address(aws, "liar"), "", node="node1")
    put = place._client.put_object

    def unlocked(**asked: Any) -> Any:
        return put(**{name: value for name, value in asked.items() if not name.startswith("ObjectLock")})

    monkeypatch.setattr(place._client, "put_object", unlocked)
    with pytest.raises(Unavailable, match="did not lock it"):
        await place.take(COPY)


async def test_nobody_there() -> None:
    place = sink(f"s3://b/?days=1&region={REGION}&endpoint=http://127.0.0.1:1", "", node="node1")
    with pytest.raises(Unavailable):
        await place.take(COPY)


@pytest.mark.parametrize(
    "address",
    ["s3://bucket", "s3://bucket?days=0", "s3://bucket?days=x", "s3://bucket?days=1&days=2", "s3:///p?days=1",
     "s3://bucket?days=1&more=2", "s3://bucket?days=400000", "s3://bucket?days=1&region=eu-central-1&profile=none"],
)  # fmt: skip
def test_addresses_that_are_none(address: str, tmp_path: Path) -> None:
    with pytest.raises(Malformed):
        sink(address, "", node="node1")
