"""The report in a real browser: it renders, the console stays silent, links resolve, it fits a phone."""

import functools
import http.server
import io
import json
import queue
import re
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

import pytest

from cli.main import app
from web.report import ReportOptions, write_report

pytestmark = pytest.mark.integration

# Opens the report in frames of a phone's and a desktop's width and writes down how wide it wants to be.
MEASURE = """<!DOCTYPE html><body><pre id=out></pre><script>
const widths = [360, 1280], seen = [];
addEventListener("load", () => {
  for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument;
    seen.push({width: frame.clientWidth, wants: page.documentElement.scrollWidth,
      cards: page.querySelectorAll("details.card").length, title: page.title,
      shown: [...page.querySelectorAll("summary img")].every((image) => image.naturalWidth > 0)});
  }
  document.getElementById("out").textContent = JSON.stringify(seen);
});
for (const width of widths)
  document.write(`<iframe src="report.html" style="border:0;height:800px;width:${width}px"></iframe>`);
</script>"""


# Plays the output of the first finished file at 1.5 s, switches to its source, and says where that stands.
SWITCH = """<!DOCTYPE html><body><iframe src="report.html"></iframe><script>
addEventListener("load", () => {
  const card = document.querySelector("iframe").contentDocument.querySelector("details.done");
  const after = card.querySelector("video");
  const button = card.querySelector(".switch button");
  after.addEventListener("seeked", () => {
    button.click();
    const before = [...card.querySelectorAll("video")].find((video) => video !== after);
    before.addEventListener("seeked", () => {
      fetch("/seen", {method: "POST", body: JSON.stringify({at: before.currentTime,
        source: before.getAttribute("src").slice(2), hidden: after.hidden,
        pressed: button.getAttribute("aria-pressed")})});
    }, {once: true});
  }, {once: true});
  after.preload = "auto";
  after.addEventListener("loadedmetadata", () => { after.currentTime = 1.5; }, {once: true});
  after.load();
});
</script>"""


class Links(HTMLParser):
    """The addresses of a document."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for key, value in attrs if key in {"href", "src"}]


@dataclass
class Served:
    """An address, and what a page there has sent back."""

    address: str
    seen: "queue.Queue[dict[str, object]]"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """The folder of the report by HTTP on loopback, so that a page may look into its frames."""
    seen: queue.Queue[dict[str, object]] = queue.Queue()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def send_head(self) -> io.BytesIO | BinaryIO | None:
            """A player only moves to a second that the server can send from: answer ranges."""
            wanted = re.match(r"bytes=(\d+)-$", self.headers.get("Range", ""))
            path = Path(self.translate_path(self.path))
            if not wanted or not path.is_file():
                return super().send_head()
            whole, begin = path.read_bytes(), int(wanted[1])
            self.send_response(206)
            self.send_header("Content-Type", self.guess_type(str(path)))
            self.send_header("Content-Range", f"bytes {begin}-{len(whole) - 1}/{len(whole)}")
            self.send_header("Content-Length", str(len(whole) - begin))
            self.end_headers()
            return io.BytesIO(whole[begin:])

        def do_POST(self) -> None:
            seen.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path))
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Served(f"http://127.0.0.1:{server.server_address[1]}", seen)
    server.shutdown()
    server.server_close()
    thread.join()


def test_it_renders_and_the_console_stays_silent(outbox, browser):
    page = outbox.parent / "report.html"
    write_report(ReportOptions(str(outbox), page))
    text, console = browser(page.as_uri())
    assert console == ""
    assert "owned" not in re.search(r"<title>(.*?)</title>", text)[1]
    assert text.count('<details class="card') == 3
    assert text.count('src="data:image/jpeg') == 1
    assert text.count('class="wave after"') == 1


def test_its_links_lead_to_files_that_are_there(outbox, browser):
    page = outbox.parent / "report.html"
    write_report(ReportOptions(str(outbox), page))
    text, _ = browser(page.as_uri())
    local = [link for link in Links(text).found if not link.startswith("data:")]
    links = {link for link in local if f'<a href="{link}"' in text}
    assert len(links) == 6  # three results, two sources, one output; what is gone is no link
    assert all((page.parent / unquote(link)).is_file() for link in local)


def test_its_players_may_load_the_videos_beside_it(outbox, browser):
    page = outbox.parent / "report.html"
    write_report(ReportOptions(str(outbox), page))
    page.write_text(page.read_text().replace('preload="none"', 'preload="auto"'))
    _, console = browser(page.as_uri())
    assert console == ""  # the policy of the page would be named here


def test_before_and_after_are_switched_at_the_same_second(outbox, chromium, served):
    write_report(ReportOptions(str(outbox), outbox.parent / "report.html"))
    (outbox.parent / "switch.html").write_text(SWITCH)
    window = subprocess.Popen(
        [*chromium, "--remote-debugging-port=0", f"{served.address}/switch.html"], stderr=subprocess.DEVNULL
    )
    try:
        seen = served.seen.get(timeout=45)
    finally:
        window.terminate()
        window.wait(30)
    assert seen == {"at": 1.5, "source": "in/a.mp4", "hidden": True, "pressed": "true"}


def test_it_is_made_for_those_who_cannot_see_or_point(outbox, browser):
    page = outbox.parent / "report.html"
    write_report(ReportOptions(str(outbox), page))
    text = page.read_text()
    assert re.findall(r"<th[^>]*></th>", text) == []
    assert re.findall(r'class="wide"(?! tabindex="0" role="region" aria-label=)', text) == []
    assert all("aria-label" in tag for tag in re.findall(r"<(?:video|audio|input)[^>]*>", text))


def test_it_fits_a_phone_and_a_desktop(outbox, browser, served):
    write_report(ReportOptions(str(outbox), outbox.parent / "report.html"))
    (outbox.parent / "measure.html").write_text(MEASURE)
    text, _ = browser(f"{served.address}/measure.html")
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
    written = write_report(ReportOptions(str(many), tmp_path / "many.html"))
    assert written.files == 5000
    assert written.report.stat().st_size < 25_000_000
    text, console = browser(written.report.as_uri())
    assert (text.count('<details class="card'), console) == (5000, "")


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
