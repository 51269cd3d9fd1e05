"""A real S3 server for tests: moto's, in a process of its own, on loopback unless a test says where."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

AWS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT", "AWS_ALLOW_HTTP", "AWS_PROFILE")
_SERVE = """
import sys
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
app = DomainDispatcherApplication(create_backend_app)
server = make_server(sys.argv[1], 0, app, threaded=True)
print(f"http://{sys.argv[1]}:{server.server_port}", flush=True)
server.serve_forever()
"""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket of a server that runs; ``log`` has a line a request."""

    name: str
    url: str
    client: Any
    log: Path

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "AKIATESTONLY",
            "AWS_SECRET_ACCESS_KEY": "never-to-be-shown",
        }

    def path(self, key: str = "") -> str:
        return f"s3://{self.name}/{key}".rstrip("/")

    def put(self, key: str, content: bytes) -> str:
        self.client.put_object(Bucket=self.name, Key=key, Body=content)
        return self.path(key)

    def put_in_parts(self, key: str, content: bytes) -> str:
        upload = {"Bucket": self.name, "Key": key}
        upload["UploadId"] = self.client.create_multipart_upload(**upload)["UploadId"]
        part = self.client.upload_part(**upload, PartNumber=1, Body=content)
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
        self.client.complete_multipart_upload(**upload, MultipartUpload=parts)
        return self.path(key)

    def get(self, key: str) -> bytes:
        body: bytes = self.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        return body

    def keys(self, prefix: str = "") -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return [row["Key"] for page in pages for row in page.get("Contents", ())]

    def requests(self) -> list[str]:
        """Method and path of each request so far."""
        found = re.findall(r'"(?:\x1b\[[0-9;]*m)*([A-Z]+ \S+) HTTP', self.log.read_text(encoding="utf-8"))
        return [line for line in found if f"/{self.name}" in line]


@contextmanager
def serving(folder: Path, host: str = "127.0.0.1", **environment: str) -> Iterator[tuple[str, Path]]:
    """A server; answers its address and its log."""
    log = folder / "s3.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", _SERVE, host],
            stdout=subprocess.PIPE,
            stderr=file,
            env={**os.environ, **environment},
        )
        assert process.stdout is not None
        try:
            url = process.stdout.readline().decode().strip()
            _await(url)
            yield url, log
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def _await(url: str) -> None:
    for _ in range(100):
        try:
            httpx.get(f"{url}/moto-api/", timeout=5)
            return
        except httpx.HTTPError:
            time.sleep(0.05)
    raise RuntimeError("the S3 server did not start")


def bucket_of(url: str, log: Path, name: str) -> Bucket:
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="AKIATESTONLY",
        aws_secret_access_key="never-to-be-shown",
    )
    client.create_bucket(Bucket=name)
    return Bucket(name, url, client, log)


def use(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process, and those it starts, reach the bucket."""
    for name in AWS:
        monkeypatch.delenv(name, raising=False)
    for name, value in bucket.environment.items():
        monkeypatch.setenv(name, value)
