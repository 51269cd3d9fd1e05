"""HTML that cannot be broken out of: whatever is not `Markup` is escaped when it is put in."""

import html
from collections.abc import Iterable

VOID = frozenset({"meta", "img", "input", "rect", "path", "line"})


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


Child = str | Iterable[str]


def tag(name: str, *children: Child, **attributes: object) -> Markup:
    """An element; children are escaped unless they are `Markup`.

    ``class_`` gives ``class`` and ``stroke_width`` gives ``stroke-width``; None and False leave an attribute
    out, True gives it without a value.
    """
    said = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in VOID:
        return Markup(f"<{name}{said}>" if name in {"meta", "img", "input"} else f"<{name}{said}/>")
    return Markup(f"<{name}{said}>{joined(*children)}</{name}>")


def joined(*children: Child) -> Markup:
    """Children one after the other, escaped unless they are `Markup`."""
    return Markup("".join(_escaped(part) for child in children for part in _parts(child)))


def _parts(child: Child) -> Iterable[str]:
    return (child,) if isinstance(child, str) else child


def _escaped(text: str) -> str:
    return text if isinstance(text, Markup) else html.escape(visible(text))


def _attribute(key: str, value: object) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(visible(str(value)))}"'


def visible(text: str) -> str:
    """Broken encodings, control characters and marks that turn the direction of text, made visible."""
    whole = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(char if char.isprintable() or char in "\n\t" else repr(char)[1:-1] for char in whole)
