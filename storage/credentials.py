"""How the buckets are reached: by the AWS_* environment, and never in the clear over a network.

The secret key may come from a file too: ``AWS_SECRET_ACCESS_KEY_FILE=/run/secrets/s3_key``.
"""

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from storage.errors import NotSetUp

_ADDRESSES = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_IDENTITIES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_SKIP_SIGNATURE",
)
_SECRET = "AWS_SECRET_ACCESS_KEY"  # noqa: S105 (its name)
_YES = {"1", "true", "yes", "on"}


def client_options(path: str, environ: Mapping[str, str] = os.environ) -> tuple[dict[str, Any], bool]:
    """What the client of a bucket is told besides the environment, and whether it may speak plain HTTP.

    Raises:
        NotSetUp: an address that is no use, or credentials that are missing; ``path`` is named in it.
    """
    address = next((environ[name] for name in _ADDRESSES if environ.get(name)), "")
    known = any(environ.get(name) for name in _IDENTITIES)
    if not known and address:
        raise NotSetUp(path, "no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    secret = environ.get(_SECRET)
    if not secret and (file := environ.get(f"{_SECRET}_FILE")):
        try:
            secret = Path(file).read_text(encoding="utf-8").strip()  # an empty file is none
        except (OSError, UnicodeDecodeError) as exc:
            why = f"{_SECRET}_FILE: {file} cannot be read; it should hold the key alone"
            raise NotSetUp(path, why) from exc
    if environ.get("AWS_ACCESS_KEY_ID") and not secret:
        raise NotSetUp(path, f"no credentials: AWS_ACCESS_KEY_ID is set, {_SECRET} is not")
    config: dict[str, Any] = {"endpoint": address} if address else {}
    if secret:
        config["secret_access_key"] = secret
    if not environ.get("AWS_COPY_IF_NOT_EXISTS"):
        config["copy_if_not_exists"] = "multipart"
    return config, bool(address) and _allows_http(path, address, environ)


def _allows_http(path: str, address: str, environ: Mapping[str, str]) -> bool:
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise NotSetUp(path, "AWS_ENDPOINT_URL should look like https://host:port")
    if parts.scheme == "https":
        return False
    allowed = environ.get("AWS_ALLOW_HTTP", "").lower() in _YES
    if not allowed and not is_loopback(parts.hostname):
        raise NotSetUp(
            path, "AWS_ENDPOINT_URL is not https; set AWS_ALLOW_HTTP=true if the network is your own"
        )
    return True


def is_loopback(host: str) -> bool:
    """Tell whether a host, as a URL names it, is this machine: ``localhost`` or an address of loopback."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.casefold() == "localhost"
