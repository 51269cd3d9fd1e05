"""`python -m studio`: the studio's settings as flags."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from studio.errors import StudioError
from studio.faults import first_problem
from studio.settings import StudioSettings


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the flags and serve; answer 0, or 2 with one clear line when a flag is wrong."""
    chosen = vars(_parser().parse_args(arguments))
    fd = chosen.pop("fd", None)
    try:
        from studio.server import serve  # noqa: PLC0415 - its libraries are an extra
    except ModuleNotFoundError as exc:
        extra = "pip install 'dropscore[studio]', or choose the cloud: --backend cloud"
        return _complain(f"the local studio needs {exc.name}: {extra}")
    try:
        serve(StudioSettings(**chosen), fd=fd)
    except ValidationError as error:
        problem = first_problem(error)
        field, colon, what = problem.partition(":")
        flagged = f"--{field.replace('_', '-')}{colon}{what}"
        return _complain(flagged)
    except StudioError as error:
        return _complain(str(error))
    except OSError as error:
        return _complain(f"cannot listen: {error.strerror or error}.")
    return 0


def _complain(problem: str) -> int:
    print(f"studio: {problem}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    """Make a flag of every field of `StudioSettings`; a flag that is not given keeps the field's default."""
    parser = argparse.ArgumentParser(
        "dropscore studio",
        description="The local service: the NemoVideo API on this machine, with real renders.",
        epilog="$ dropscore studio --port 8700 --root .studio",
        argument_default=argparse.SUPPRESS,
    )
    for name, field in StudioSettings.model_fields.items():
        _add(parser, f"--{name.replace('_', '-')}", field)
    parser.add_argument("--fd", type=int, help="a socket that the parent already listens on")
    return parser


def _add(parser: argparse.ArgumentParser, flag: str, field: FieldInfo) -> None:
    if field.annotation is bool:
        parser.add_argument(flag, action=argparse.BooleanOptionalAction, help=field.description)
        return
    choices = [choice for choice in get_args(field.annotation) if isinstance(choice, str)]
    parser.add_argument(
        flag, choices=choices or None, type=Path if field.annotation is Path else str, help=_help(field)
    )


def _help(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True)
    return f"{field.description} [default: {default}]" if default is not None else str(field.description)


if __name__ == "__main__":
    sys.exit(main())
