"""The ``doctor`` command: whether everything that is needed is here, and how to mend what is not."""

# ruff: noqa: PLC0415 - a command's own imports are made when it is called, so that ``--help`` answers at once

from typing import Annotated

import typer

from cli.options import BackendOption, FlatOutboxOption, JsonOption, StateOption, console, print_model


def doctor(
    inboxes: Annotated[
        list[str] | None,
        typer.Argument(metavar="INBOX", help="Folders to look at [default: those of [[roots]]]."),
    ] = None,
    outbox: FlatOutboxOption = "outbox",
    backend: BackendOption = None,
    state_dir: StateOption = None,
    notify: Annotated[
        bool, typer.Option("--notify", help="Send a test message to each address of DROPSCORE_NOTIFY.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Check that all is well, and say how to mend what is not.

    Settings, Redis, service, account, disk, clocks, ffmpeg and folders are looked at; the exit code is 1 if
    one fails. It changes nothing, makes no account, spends nothing, and sends nothing without --notify.

    $ dropscore doctor inbox
    """
    from cli import checks

    flags = {"chosen_backend": backend, "state_dir": state_dir}
    examined = checks.examine(flags, checks.Where(tuple(inboxes or ()), outbox), tell=notify)
    print_model(examined) if as_json else checks.print_checks(examined, console())
    raise typer.Exit(0 if examined.well else 1)
