"""The site as a reader sees it: tables that sort and filter, no page wider than a phone, nothing axe objects to."""

import shutil

import pytest

from bertstudy.paths import ROOT
from bertstudy.study import site

pytestmark = pytest.mark.slow
SIZES = [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The site of the committed rows and figures, in a folder of its own."""
    folder = tmp_path_factory.mktemp("site") / "reports"
    for profile in ("control", "compact"):
        shutil.copytree(ROOT / "reports" / profile, folder / profile)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BERTSTUDY_REPORTS", str(folder))
        return site.build().parent


@pytest.fixture
def page(browser):
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    yield page
    assert page.faults == []
    page.close()


def visible(page):
    return page.locator("table.claims tbody tr:not([hidden])")


def test_findings_are_filtered_by_profile_verdict_and_words(page, built):
    page.goto(f"file://{built}/index.html")
    assert set(visible(page).evaluate_all("rows => rows.map(row => row.dataset.profile)")) == {"compact"}
    page.get_by_role("combobox", name="verdict").select_option("holds")
    assert set(visible(page).evaluate_all("rows => rows.map(row => row.dataset.verdict)")) == {"holds"}
    held = visible(page).count()
    assert page.locator("form.filters output").inner_text().startswith(f"{held} of ")
    page.get_by_role("combobox", name="profile").select_option("")
    assert visible(page).count() > held
    page.get_by_role("searchbox", name="search").fill("last layer first")
    assert 0 < visible(page).count() < held + 5
    page.get_by_role("searchbox", name="search").fill("no such finding")
    assert visible(page).count() == 0


def test_findings_are_sorted_by_number_up_and_down_and_what_is_missing_comes_last(page, built):
    page.goto(f"file://{built}/index.html")
    header = page.locator("table.claims thead th").filter(has_text="effect")
    column = "rows => rows.map(row => row.cells[2].dataset.order)"
    for direction, sign in (("ascending", 1), ("descending", -1)):
        header.locator("button").click()
        assert header.get_attribute("aria-sort") == direction
        effects = visible(page).evaluate_all(column)
        known = [float(effect) for effect in effects if effect]
        assert len(known) > 5
        assert known == sorted(known, key=lambda effect: sign * effect)
        assert "" not in effects[: len(known)]
    assert page.locator("table.claims thead th[aria-sort]").count() == 1


def test_a_command_is_copied(browser, built):
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"file://{built}/05_fewshot.html")
    page.get_by_role("button", name="copy").first.click()
    page.get_by_role("button", name="copied").wait_for()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == "papermill notebooks/05_fewshot.ipynb out.ipynb -p profile compact"
    context.close()


def test_without_scripts_all_findings_are_there(browser, built):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"file://{built}/index.html")
    assert page.locator("table.claims tbody tr").count() == 2 * len(site.verdicts("control"))
    assert not page.locator("form.filters").is_visible()
    context.close()


@pytest.mark.parametrize(("width", "scheme"), SIZES)
def test_no_page_is_wider_than_the_screen_or_objected_to_by_axe(browser, built, width, scheme):
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page, axe = context.new_page(), Axe()
    for path in [*sorted(built.glob("*.html")), *sorted(built.glob("runs/control-0*.html"))]:
        page.goto(f"file://{path}")
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), path.name
        found = axe.run(page)
        assert found.violations_count == 0, f"{path.name}: {found.generate_report()}"
    context.close()
