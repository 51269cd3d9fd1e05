"""The ``credits`` command: what the account has left, and what of the budget is spent.

The JSON of ``--json`` is stable: `Balance`.
"""

# ruff: noqa: PLC0415 - a command's own imports are made when it is called, so that ``--help`` answers at once

import typer

from cli.options import BackendOption, JsonOption, StateOption, print_model, settings_of


def credits(
    backend: BackendOption = None, state_dir: StateOption = None, as_json: JsonOption = False
) -> None:
    """Show the balance of the account, and the budget of this run.

    An anonymous account is made if there is none yet; it is kept, and the next run uses it.

    $ dropscore credits
    $ dropscore credits --backend cloud
    """
    from cli.account import balance, words
    from cli.reach import reached

    settings = settings_of(chosen_backend=backend, state_dir=state_dir)
    with reached(settings, new=True) as ledger:
        found = balance(settings, ledger)
    print_model(found) if as_json else typer.echo("\n".join(words(found)))
