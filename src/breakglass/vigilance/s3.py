"""Checkpoints in S3 under Object Lock: until the day that is named, nobody deletes one, with whatever rights.

    s3://bucket/prefix?days=400&region=eu-central-1            also: endpoint=https://…, profile=NAME

Credentials are those that AWS's own library finds: a profile in the service's `~/.aws/credentials`, or the machine's
role. They need `s3:PutObject`, `s3:PutObjectRetention`, `s3:GetObject` and `s3:GetObjectRetention`; nothing more.
Mode COMPLIANCE (S3 User Guide, Locking objects with Object Lock): who administers the bucket could lift GOVERNANCE.
"""

import asyncio
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import SplitResult, parse_qs

from breakglass.errors import Malformed, Unavailable
from breakglass.vigilance.sinks import SELDOM, WITHIN, Copy, bad_address

_KNOWN = {"days", "region", "endpoint", "profile"}
DAYS_MAX = 36_500


class ObjectLock:
    def __init__(self, parts: SplitResult, ca: str, node: str) -> None:
        """Raises `Malformed` for an address of another form, and without the package `boto3`."""
        try:
            given = parse_qs(parts.query, strict_parsing=bool(parts.query), max_num_fields=len(_KNOWN))
            said = {name: value for name, [value] in given.items()}
            days = int(said.pop("days", "0"))
        except ValueError:
            raise bad_address() from None
        if said.keys() - _KNOWN or not 0 < days <= DAYS_MAX or not parts.hostname:
            raise bad_address()
        self.every, self.name = SELDOM, f"s3 {parts.hostname}"
        self._bucket, self._prefix, self._kept = parts.hostname, parts.path.strip("/"), timedelta(days=days)
        self._client = _client(said, ca)

    async def take(self, copy: Copy) -> None:
        name = f"{copy.size:015d}-{sha256(copy.checkpoint).hexdigest()[:16]}.checkpoint"
        key = f"{self._prefix}/{name}" if self._prefix else name
        try:
            async with asyncio.timeout(WITHIN * 3):
                await asyncio.to_thread(self._put, key, copy)
        except TimeoutError:
            raise Unavailable("It does not answer.", what_to_do="Look at it, and at the way there.") from None

    async def close(self) -> None:
        self._client.close()

    def _put(self, key: str, copy: Copy) -> None:
        from botocore.exceptions import BotoCoreError, ClientError

        until = (copy.at + self._kept).replace(microsecond=0)
        try:
            put = self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=copy.checkpoint,
                ContentType="text/plain; charset=utf-8",
                ChecksumAlgorithm="SHA256",
                ObjectLockMode="COMPLIANCE",
                ObjectLockRetainUntilDate=until,
            )
            # A store that says yes and locks nothing is worse than one that says no.
            kept = self._client.head_object(Bucket=self._bucket, Key=key, VersionId=put.get("VersionId", "null"))
        except (BotoCoreError, ClientError) as error:
            raise Unavailable(f"It does not take it: {error!s:.200}.", what_to_do="Look at the bucket.") from None
        held: datetime | None = kept.get("ObjectLockRetainUntilDate")
        if kept.get("ObjectLockMode") != "COMPLIANCE" or held is None or held < until:
            raise Unavailable(
                "It took the checkpoint and did not lock it.", what_to_do="Make the bucket anew, with Object Lock."
            )


def _client(said: dict[str, str], ca: str) -> Any:
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise Malformed("`checkpoint_copies` names S3.", what_to_do="Install the package `boto3`.") from None
    settings = Config(connect_timeout=WITHIN, read_timeout=WITHIN, retries={"total_max_attempts": 2}, proxies={})
    try:
        session = boto3.Session(profile_name=said.get("profile"), region_name=said.get("region"))
        return session.client("s3", endpoint_url=said.get("endpoint"), config=settings, verify=ca or None)
    except (BotoCoreError, ValueError) as error:
        raise Malformed(
            f"`checkpoint_copies` names S3, and it can't be used: {error}.",
            what_to_do="Name a region and a profile that are there.",
        ) from None
