"""An S3 server on this machine, and what boto3 sees in its bucket."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from decamo.mirror.manifest import serial_of

KEYS = {
    "AWS_ACCESS_KEY_ID": "open-sesame-id",
    "AWS_SECRET_ACCESS_KEY": "open-sesame-secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass
class Bucket:
    """A bucket as boto3 sees it, past all code that is tested.

    Attributes:
        client: of boto3.
        name: of the bucket.
        endpoint: of the server.
    """

    client: Any
    name: str
    endpoint: str

    def address(self, path: str = "run") -> str:
        return f"s3://{self.name}/{path}"

    def keys(self, under: str = "run") -> dict[str, int]:
        """Key below a folder -> bytes."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=f"{under}/"
        )
        found = [one for page in pages for one in page.get("Contents", ())]
        return {one["Key"].removeprefix(f"{under}/"): one["Size"] for one in found}

    def serials(self, under: str = "run") -> list[int]:
        return sorted(s for key in self.keys(under) if (s := serial_of(key)))

    def read(self, key: str) -> bytes:
        data: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return data

    def write(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=data)

    def unfinished(self) -> int:
        """Uploads that were begun and neither ended nor given up."""
        return len(self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", ()))


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    _, port = running.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    running.stop()


@pytest.fixture
def bucket(
    server: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Bucket]:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    client = boto3.client("s3", endpoint_url=server)
    name = f"b{abs(hash(request.node.nodeid))}"
    client.create_bucket(Bucket=name)
    yield Bucket(client, name, server)
    client.close()


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
