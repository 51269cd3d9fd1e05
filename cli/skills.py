"""The ``skills`` command: the skills there are, the published five and one's own."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from config.skills import Skill


def print_skills(skills: Iterable[Skill], chosen: str, console: Console) -> None:
    """Print a table of skills; the chosen one is marked."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("", "skill", "asks for, when you say nothing"):
        table.add_column(title, overflow="fold")
    for skill in skills:
        mine = skill.name == chosen
        tip = f"\n{skill.tip}" if skill.tip else ""
        asks = Text.assemble(skill.instruction, (tip, "dim"))
        table.add_row("›" if mine else "", Text(skill.name, "bold" if mine else ""), asks)
    console.print(table)
