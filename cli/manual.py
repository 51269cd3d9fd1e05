"""The man page, made from what ``--help`` says: ``python -m cli.manual > dropscore.1``."""

import os
import re
from importlib.metadata import version

import typer
from typer.main import get_command

from cli.main import app

WIDTH = 80


def write_manual() -> str:
    """Return the whole page in roff: the program's own help, then that of each command."""
    os.environ["COLUMNS"] = str(WIDTH)
    program = get_command(app)
    context = typer.Context(program, info_name="dropscore")
    parts = [
        f'.TH DROPSCORE 1 "" "dropscore {version("dropscore")}" "User Commands"',
        ".SH NAME\ndropscore \\- drop videos into a folder; they come back with music",
        *_section("DESCRIPTION", program.get_help(context)),
    ]
    for name, command in program.commands.items():  # type: ignore[attr-defined] # the app has several commands: a group
        if name != "studio":  # its options are its own parser's
            help_text = command.get_help(typer.Context(command, info_name=name, parent=context))
            parts += _section(f"dropscore {name}", help_text)
    parts.append(".SH SEE ALSO\nThe folder docs of the source: using.md, settings.md, operations.md.")
    return "\n".join(parts) + "\n"


def _section(title: str, text: str) -> list[str]:
    """Return a section whose lines stay as the terminal shows them."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\\", "\\e").replace("-", "\\-")
    lines = [f"\\&{line}" if line.startswith((".", "'")) else line.rstrip() for line in plain.splitlines()]
    return [f'.SH "{title}"', ".nf", *lines, ".fi"]


if __name__ == "__main__":
    print(write_manual(), end="")
