"""Where notifications go: Apprise URLs. They hold tokens, so no message of ours repeats one."""

import re

from pydantic import SecretStr

_SCHEME = r"[a-zA-Z][\w+.-]*://"


def split_addresses(urls: str) -> tuple[str, ...]:
    """Split a list of addresses at a comma or space where a scheme follows: URLs hold commas."""
    return tuple(url for url in re.split(rf"[\s,]+(?={_SCHEME})", urls.strip(" \t\r\n,")) if url)


def check_addresses(value: SecretStr) -> SecretStr:
    """Return the value if each part looks like a URL; raises ValueError that names the part by its number."""
    for number, url in enumerate(split_addresses(value.get_secret_value()), 1):
        if not re.match(_SCHEME + r"\S", url):
            raise ValueError(f"address {number} should be an Apprise URL, such as json://host/path")
    return value
