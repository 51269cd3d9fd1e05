"""Where people are told: Apprise URLs. They hold tokens, so no message of ours repeats one."""

import re

from pydantic import SecretStr

_SCHEME = r"[a-zA-Z][\w+.-]*://"


def apart(urls: str) -> tuple[str, ...]:
    """The addresses one by one; a comma or space parts them where a scheme follows, for URLs hold commas."""
    return tuple(url for url in re.split(rf"[\s,]+(?={_SCHEME})", urls.strip(" \t\r\n,")) if url)


def checked(value: SecretStr) -> SecretStr:
    """The value if each part looks like a URL; raises ValueError that names the part by its number."""
    for number, url in enumerate(apart(value.get_secret_value()), 1):
        if not re.match(_SCHEME + r"\S", url):
            raise ValueError(f"address {number} should be an Apprise URL, such as json://host/path")
    return value
