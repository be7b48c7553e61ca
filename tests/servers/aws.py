"""AWS on loopback: moto's server, in a process of its own; what it keeps is gone with it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx

from tests.template import free_port

REGION = "eu-central-1"


@dataclass(frozen=True, slots=True)
class Aws:
    url: str
    credentials: Path
    """A shared credentials file with the profile `breakglass`."""

    def client(self, service: str) -> Any:
        return boto3.Session(profile_name="breakglass", region_name=REGION).client(service, endpoint_url=self.url)


@contextmanager
def running_aws(folder: Path) -> Iterator[Aws]:
    """Whoever uses it sets AWS_SHARED_CREDENTIALS_FILE to `credentials`."""
    folder.mkdir(parents=True, exist_ok=True)
    credentials = folder / "credentials"
    credentials.write_text("[breakglass]\naws_access_key_id = test\naws_secret_access_key = test\n")
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "AWS_CONFIG_FILE": "/nowhere"})
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"{url}/moto-api/", timeout=5, trust_env=False)
                break
            except httpx.HTTPError:
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < until, "moto did not start"
                time.sleep(0.1)  # a port that opens in another process rings no bell
        yield Aws(url, credentials)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
