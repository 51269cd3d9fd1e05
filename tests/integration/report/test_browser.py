"""The report in a real browser: it renders, the console stays silent, links resolve, it fits a phone."""

import functools
import http.server
import json
import re
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from cli.main import app
from cli.report import Order, write

pytestmark = pytest.mark.integration

# Opens the report in frames of a phone's and a desktop's width and writes down how wide it wants to be.
MEASURE = """<!DOCTYPE html><body><pre id=out></pre><script>
const widths = [360, 1280], seen = [];
addEventListener("load", () => {
  for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument;
    seen.push({width: frame.clientWidth, wants: page.documentElement.scrollWidth,
      cards: page.querySelectorAll("details").length, title: page.title,
      shown: [...page.querySelectorAll(".strip img")].every((image) => image.naturalWidth > 0)});
  }
  document.getElementById("out").textContent = JSON.stringify(seen);
});
for (const width of widths)
  document.write(`<iframe src="report.html" style="border:0;height:800px;width:${width}px"></iframe>`);
</script>"""


class Links(HTMLParser):
    """The addresses of a document."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for key, value in attrs if key in {"href", "src"}]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The folder of the report by HTTP on loopback, so that a page may look into its frames."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path))
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_it_renders_and_the_console_stays_silent(outbox, browser):
    page = outbox.parent / "report.html"
    write(Order(str(outbox), page))
    text, console = browser(page.as_uri())
    assert console == ""
    assert "owned" not in re.search(r"<title>(.*?)</title>", text)[1]
    assert text.count("<details") == 3
    assert text.count('src="data:image/jpeg') == 6
    assert text.count('class="wave after"') == 1


def test_its_links_lead_to_files_that_are_there(outbox, browser):
    page = outbox.parent / "report.html"
    write(Order(str(outbox), page))
    text, _ = browser(page.as_uri())
    local = [link for link in Links(text).found if not link.startswith("data:")]
    assert len(local) == 6  # three results, two sources, one output; what is gone is no link
    assert all((page.parent / unquote(link)).is_file() for link in local)


def test_it_fits_a_phone_and_a_desktop(outbox, browser, served):
    write(Order(str(outbox), outbox.parent / "report.html"))
    (outbox.parent / "measure.html").write_text(MEASURE)
    text, _ = browser(f"{served}/measure.html")
    seen = json.loads(re.search(r'<pre id="out">(.*?)</pre>', text, re.DOTALL)[1])
    assert [one["width"] for one in seen] == [360, 1280]
    for one in seen:
        assert one["wants"] <= one["width"], "it scrolls sideways"
        assert (one["cards"], one["shown"]) == (3, True)


def test_five_thousand_files_are_a_page_within_seconds(tmp_path, outbox, browser):
    one = json.loads((outbox / "a.result.json").read_text())
    many = tmp_path / "many"
    many.mkdir()
    for number in range(5000):
        said = {**one, "job": f"{number:016x}", "source": f"/gone/{number}.mp4", "output": None}
        (many / f"{number}.result.json").write_text(json.dumps(said))
    written = write(Order(str(many), tmp_path / "many.html"))
    assert written.files == 5000
    assert written.report.stat().st_size < 25_000_000
    text, console = browser(written.report.as_uri())
    assert (text.count("<details"), console) == (5000, "")


def test_the_command_says_where_it_is_and_what_was_written(outbox, monkeypatch, capsys):
    monkeypatch.chdir(outbox.parent)
    app(["report", "--outbox", "out", "--pictures", "0"], standalone_mode=False)
    assert capsys.readouterr().out == "3 files in report.html, results.csv and results.jsonl\n"
    assert "data:image/jpeg" not in Path("report.html").read_text()
    app(
        ["report", "--outbox", "out", "--state", "failed", "-o", "sub/f.html", "--json"],
        standalone_mode=False,
    )
    said = json.loads(capsys.readouterr().out)
    assert said == {
        "report": "sub/f.html",
        "csv": "sub/results.csv",
        "jsonl": "sub/results.jsonl",
        "files": 1,
        "states": {"failed": 1},
        "unreadable": 0,
    }
    assert Path(said["csv"]).is_file()
