"""Nothing that comes from outside becomes markup."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import UndefinedError

from web.format import escape_controls
from web.templating import make_environment

TEMPLATES = make_environment()


def render(source, **words):
    return TEMPLATES.from_string(source).render(**words)


def test_what_turns_the_direction_of_text_is_shown():
    assert render("{{ x }}", x="a\u202egpj.exe\x00\ud800") == "a\\u202egpj.exe\\x00\\ud800"
    assert escape_controls("two\nlines") == "two\\nlines"
    assert escape_controls("two\nlines", keep="\n") == "two\nlines"


def test_a_name_that_is_missing_is_an_error():
    with pytest.raises(UndefinedError):
        render("{{ nonsense }}")


@given(st.text())
def test_a_parser_reads_back_one_element_and_nothing_else(text):
    seen: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            seen.append(tag)

        def handle_comment(self, data):
            seen.append("comment")

        def handle_decl(self, decl):
            seen.append("decl")

    Reader().feed(render('<p title="{{ text }}">{{ text }}</p>', text=text))
    assert seen == ["p"]
