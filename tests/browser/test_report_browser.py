"""The page of a run in a real browser: hostile responses execute nothing, and the list works."""

import shutil

import pytest
from make_pseudo_run import make_pseudo_run
from make_run import make_run
from make_segment_run import make_segment_run

from selftrain.report import write_report
from selftrain.training_set import Pair

pytestmark = [pytest.mark.extra, pytest.mark.timeout(180)]
QUIET = (
    "--no-sandbox", "--disable-quic", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
)  # fmt: skip
HOSTILE = (
    "<script>document.title='owned'</script>",
    "</script><script>document.title='owned'; window.owned = 1</script>",
    "<!-- <script>",
    "<img src=x onerror=\"document.title='owned'; window.owned = 1\">",
    "<a href=\"javascript:alert('owned')\">x</a> javascript:alert(1)",
    "{{7*7}} ${7*7} {% x %}",
    "\x1b[2J\x1b]0;owned\x07 \x9b31m",
    "a\0b \u202eevil\u2069 \u2028 \ufeff",
    "long " + "x" * 1_000_000 + " end",
)
WATCH = """
window.seen = [];
document.addEventListener("securitypolicyviolation", (e) => window.seen.push(e.violatedDirective + " " + e.blockedURI));
"""

INTRUDERS = """() => {
  const script = document.createElement("script");
  script.textContent = "window.owned = 1";
  const image = document.createElement("img");
  image.src = "https://example.invalid/x";
  document.body.append(script, image);
}"""


def said(index, place):
    return HOSTILE[(index + place) % len(HOSTILE)]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The page of a run with 60 problems a split whose every text is hostile."""
    folder = make_run(
        tmp_path_factory.mktemp("runs"),
        count=60,
        text=said,
        question=lambda name: f"{name} {HOSTILE[len(name) % 8]}",
        family=lambda i: f"kind {i % 2} {HOSTILE[i % 2]}",
    )
    return write_report(folder).as_uri()


@pytest.fixture(scope="module")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no chromium on the path")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=found, args=list(QUIET))
        yield browser
        browser.close()


class Watched:
    """A page with everything it did that it should not."""

    def __init__(self, browser, address, **settings):
        self.page = browser.new_context(**settings).new_page()
        self.requests, self.failed, self.complaints, self.dialogs = [], [], [], []
        self.page.add_init_script(WATCH)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("requestfailed", lambda request: self.failed.append(request))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.dialogs.append(dialog.message), dialog.dismiss()))
        self.page.goto(address)
        self.page.wait_for_selector("#problems tbody tr")
        self.page.wait_for_selector("#c-stages .main-svg")

    def close(self):
        self.page.context.close()


@pytest.fixture(scope="module")
def wide(chromium, address):
    watched = Watched(chromium, address, viewport={"width": 1280, "height": 900})
    yield watched
    watched.close()


@pytest.fixture
def page(wide):
    """The page with nothing chosen."""
    wide.page.select_option("#view", index=0)
    wide.page.fill("#search", "")
    return wide.page


def counted(page):
    return page.text_content("#count")


def test_every_chart_is_drawn(page):
    names = page.eval_on_selector_all("[data-chart]", "nodes => nodes.map(n => n.dataset.chart)")
    assert names == ["curve", "gains", "support", "diversity", "weights-1", "funnel-1", "stages"]
    assert page.locator(".plot .main-svg").count() >= len(names)
    assert page.locator("#c-gains .bars path").count() > 0


def test_the_list_is_filtered_searched_and_paged(page):
    assert counted(page) == "120 of 120 problems"
    assert page.text_content("#place") == "page 1 of 6"
    first = page.text_content("#problems tbody tr")
    page.click("#next")
    assert page.text_content("#place") == "page 2 of 6"
    assert page.text_content("#problems tbody tr") != first
    page.click("#previous")
    assert page.text_content("#problems tbody tr") == first
    page.fill("#search", "test 17 ")
    assert counted(page) == "2 of 120 problems"
    assert page.is_disabled("#next")
    page.fill("#search", "")
    page.select_option("#outcome", "rose")
    rose = int(counted(page).split()[0])
    assert 20 < rose < 120
    assert page.locator("#problems td.rose").count() == 20
    page.select_option("#group", index=1)
    assert 0 < int(counted(page).split()[0]) < rose


def test_a_kind_is_found_whatever_white_space_is_in_it(chromium, tmp_path):
    folder = make_run(tmp_path, family=lambda i: ("two  spaces", "one space", "new\nline")[i % 3])
    watched = Watched(chromium, write_report(folder).as_uri())
    kinds = watched.page.locator("#group option").count()
    found = []
    for index in range(1, kinds):
        watched.page.select_option("#group", index=index)
        found.append(counted(watched.page).split(" of ")[0])
    assert found == ["4"] * 6
    watched.close()


def test_training_problems_show_what_was_trained_on(page):
    page.select_option("#view", "round 1: training problems")
    assert counted(page) == "60 of 60 problems"
    page.select_option("#outcome", "trained on")
    page.click("#problems button.open")
    assert "trained on, weight" in page.text_content("#problems .response.used")


def test_pairs_show_which_response_was_chosen(chromium, tmp_path):
    watched = Watched(chromium, write_report(make_run(tmp_path, kind=Pair)).as_uri())
    watched.page.select_option("#view", "round 1: training problems")
    watched.page.select_option("#outcome", "trained on")
    watched.page.click("#problems button.open")
    right, wrong = sorted(watched.page.locator("#problems .response.used").all_text_contents())
    assert "right" in right
    assert "trained on as chosen, weight " in right
    assert "wrong" in wrong
    assert "trained on as rejected, weight " in wrong
    assert "chosen" in watched.page.locator("#problems td.rate").nth(1).text_content()
    watched.close()


@pytest.fixture(scope="module")
def pseudo(chromium, tmp_path_factory):
    """The page of a run with 60 pseudo-labels, half of them in the probe."""
    address = write_report(make_pseudo_run(tmp_path_factory.mktemp("runs"))).as_uri()
    watched = Watched(chromium, address, viewport={"width": 1280, "height": 900})
    yield watched.page
    assert watched.complaints == []
    watched.close()


def test_pseudo_labels_are_listed_the_most_confident_first(pseudo):
    pseudo.select_option("#view", "round 1: pseudo-labels")
    assert counted(pseudo) == "60 of 60 problems"
    sizes = {}
    for outcome in ("kept", "dropped", "right", "wrong", "not in the probe", "no answer"):
        pseudo.select_option("#outcome", outcome)
        sizes[outcome] = int(counted(pseudo).split()[0])
    assert sizes["kept"] + sizes["dropped"] == 60
    assert sizes["right"] + sizes["wrong"] + sizes["not in the probe"] == 59  # one could not be judged
    assert (sizes["not in the probe"], sizes["no answer"]) == (30, 6)
    pseudo.select_option("#outcome", "all")
    heads = pseudo.locator("#problems thead th").all_text_contents()
    assert heads == ["question", "kind", "gold", "probe", "selection", "nats a token"]
    shown = pseudo.locator("#problems tbody tr").all()
    nats = [float(row.locator("td.rate").nth(2).text_content()) for row in shown]
    assert nats == sorted(nats)
    assert {row.locator("td.rate").nth(1).text_content() for row in shown} == {"kept"}


def test_a_pseudo_label_is_opened(pseudo):
    pseudo.select_option("#view", "round 1: pseudo-labels")
    for outcome, said, chips in (("kept", " · kept · ", 1), ("not in the probe", " nats a token · ", 0)):
        pseudo.select_option("#outcome", outcome)
        pseudo.click("#problems button.open")
        box = pseudo.locator("#problems .response")
        assert said in box.text_content()
        assert " shots" in box.text_content()
        assert "finished" not in box.text_content()
        assert box.locator(".chip").count() == chips
    pseudo.fill("#search", "warm, 3 shots")
    assert 0 < int(counted(pseudo).split()[0]) < 30
    pseudo.fill("#search", "")


def test_the_accuracy_of_pseudo_labels_is_drawn_with_its_threshold(pseudo):
    tenths = pseudo.locator("section:has(> #c-pseudo-1) tbody tr").count()
    assert 5 < tenths <= 10
    assert pseudo.locator("#c-pseudo-1 .errorbar").count() == tenths
    assert pseudo.locator("#c-pseudo-1 .shapelayer path").count() == 1


@pytest.fixture(scope="module")
def segments(chromium, tmp_path_factory):
    """The page of a run whose chains have hostile pieces."""
    folder = make_segment_run(
        tmp_path_factory.mktemp("runs"), count=14, piece=lambda i, k: f"{i}.{k} " + HOSTILE[(i + k) % 8]
    )
    watched = Watched(chromium, write_report(folder).as_uri(), viewport={"width": 1280, "height": 900})
    watched.page.select_option("#view", "round 1: segments")
    yield watched
    watched.close()


def test_chains_are_shown_piece_by_piece_in_segments(segments):
    page = segments.page
    assert counted(page) == "14 of 14 problems"
    heads = page.locator("#problems thead th").all_text_contents()
    assert heads == ["question", "kind", "gold", "segments", "abstractive"]
    for button in page.query_selector_all("#problems button.open"):
        button.click()
    boxes = page.locator("#problems .response")
    assert boxes.count() == 28
    for number in range(28):
        box = boxes.nth(number)
        head, pieces = box.locator(".note").text_content(), box.locator(".piece")
        assert head.startswith("not trained" if number % 7 == 6 else "trained")
        assert f" {pieces.count()} piece" in head
        assert pieces.count() == 1 + number % 9
        assert f" in {box.locator('.segment').count()} segment" in head
        tags = box.locator(".segment .tag").all_text_contents()
        assert [tag.split()[0] for tag in tags] == [str(i + 1) for i in range(len(tags))]
        names = box.locator(".segment").evaluate_all("nodes => nodes.map((node) => node.className)")
        assert [tag.split()[1] for tag in tags] == [name.removeprefix("segment ")[0].upper() for name in names]
        for place in range(pieces.count()):
            assert pieces.nth(place).text_content().startswith(f"{number}.{place} ")
            assert float(pieces.nth(place).locator(".score").text_content()) > 0
            assert f"piece {place + 1}: " in pieces.nth(place).get_attribute("title")


def test_hostile_pieces_are_shown_as_text_and_do_nothing(segments):
    page = segments.page
    shown = page.inner_text("#problems")
    for text in (HOSTILE[1], HOSTILE[3], HOSTILE[5]):
        assert text in shown
    assert page.evaluate("window.owned") is None
    assert page.locator("#problems img, #problems script, #problems a").count() == 0
    assert page.evaluate("window.seen") == []
    assert (segments.dialogs, segments.complaints) == ([], [])


def test_chains_are_filtered_and_searched(segments):
    page = segments.page
    page.select_option("#outcome", "not trained")
    assert counted(page) == "4 of 14 problems"
    page.select_option("#outcome", "written by people")
    assert counted(page) == "5 of 14 problems"
    page.select_option("#outcome", "all")
    page.fill("#search", "17.8 ")
    assert counted(page) == "1 of 14 problems"
    page.fill("#search", "")


def test_the_scores_of_pieces_are_drawn_with_the_cut(segments):
    page = segments.page
    assert page.locator("#c-segments-1 .bars path").count() > 10
    assert page.locator("#c-segments-1 .shapelayer path").count() == 1
    assert page.locator("section:has(> #c-segments-1) .swatch.hatched").count() == 1


def test_every_hostile_text_is_shown_as_text_and_does_nothing(page, wide):
    shown = ""
    while True:
        for button in page.query_selector_all("#problems button.open"):
            button.click()
        shown += page.inner_text("#problems")
        if page.is_disabled("#next"):
            break
        page.click("#next")
    for text in (*HOSTILE[:2], HOSTILE[3], HOSTILE[5], r"\x1b[2J\x1b]0;owned\x07 \x9b31m", r"a\x00b \u202eevil"):
        assert text in shown
    assert "990,009 characters left out" in shown
    assert page.title() == "run: " + page.text_content(".verdict")
    assert page.evaluate("window.owned") is None
    assert page.locator("#problems img, #problems script, #problems a").count() == 0
    assert page.evaluate("window.seen") == []
    assert wide.dialogs == []
    assert wide.complaints == []
    assert wide.requests == [page.url]


def test_the_policy_stops_a_script_that_got_in(chromium, address):
    """The page's own safety net, beside the escaping."""
    watched = Watched(chromium, address)
    watched.page.evaluate(INTRUDERS)
    watched.page.wait_for_function("window.seen.length == 2")
    assert watched.page.evaluate("window.owned") is None
    assert [request.failure for request in watched.failed] == ["csp"]
    watched.close()


def test_it_is_used_with_the_keyboard(page):
    page.focus("#problems button.open")
    page.keyboard.press("Enter")
    assert page.get_attribute("#problems button.open", "aria-expanded") == "true"
    page.keyboard.press("Enter")
    assert page.locator("#problems tr.detail").count() == 0


def test_a_narrow_window_scrolls_only_down(chromium, address):
    watched = Watched(chromium, address, viewport={"width": 390, "height": 844})
    for button in watched.page.query_selector_all("#problems button.open")[:9]:
        button.click()
    for summary in watched.page.query_selector_all("summary"):
        summary.click()
    assert watched.page.evaluate("document.documentElement.scrollWidth") == 390
    watched.close()


def test_the_dark_scheme_is_dark_and_readable(chromium, address):
    watched = Watched(chromium, address, color_scheme="dark")
    style = "getComputedStyle(document.body)"
    paper, ink = (watched.page.evaluate(f"{style}.{name}") for name in ("backgroundColor", "color"))
    drawn = watched.page.evaluate("getComputedStyle(document.querySelector('#c-curve .xtitle')).fill")
    assert brightness(paper) < 40
    assert brightness(ink) > 200
    assert drawn == ink
    watched.page.emulate_media(color_scheme="light")
    changed = "(dark) => getComputedStyle(document.querySelector('#c-curve .xtitle')).fill != dark"
    watched.page.wait_for_function(changed, arg=ink)
    watched.close()


def brightness(colour):
    """Mean of red, green and blue of `rgb(r, g, b)`."""
    return sum(map(int, colour[4:-1].split(","))) / 3
