"""Nothing that comes from outside becomes markup."""

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from cli.report.markup import Markup, joined, tag


def test_text_is_escaped_and_markup_is_not():
    assert tag("p", "<b>", Markup("<i></i>"), class_="a") == '<p class="a">&lt;b&gt;<i></i></p>'


def test_attributes_are_escaped_and_may_be_left_out():
    assert tag("a", href='"><x', open=True, title=None, hidden=False) == '<a href="&quot;&gt;&lt;x" open></a>'


def test_void_elements_have_no_end():
    assert tag("img", src="x") == '<img src="x">'
    assert tag("rect", stroke_width=1) == '<rect stroke-width="1"/>'


def test_what_turns_the_direction_of_text_is_shown():
    assert joined("a\u202egpj.exe\x00\ud800") == "a\\u202egpj.exe\\x00\\ud800"


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

    Reader().feed(tag("p", text, title=text))
    assert seen == ["p"]
