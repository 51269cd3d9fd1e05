"""What can be wrong with what the program was told.

ConfigError      a setting, a skill or a file of settings; the message names it and says what to do
"""

from typing import ClassVar


class ConfigError(Exception):
    """A setting that is unknown or impossible; ``str()`` is one clear line for the person."""

    code: ClassVar[str] = "bad_setting"
