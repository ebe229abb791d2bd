"""JupyterLab itself, in a browser: notebooks are run by its menu, their controls moved, and what they tell is read."""

import json
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.request import urlopen

import nbformat
import pytest
from conftest import SCRATCH

from bertstudy.paths import notebooks

PATIENCE = 240_000  # milliseconds for a notebook of the smoke profile on a busy machine
OWN = "Canceled future"  # what JupyterLab itself says of requests that a restart cut off
SOON = 30  # seconds for what a control changes
WIDTHS = (1280, 800)

pytestmark = pytest.mark.slow


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab server in a folder with the notebooks: (address, folder)."""
    folder = tmp_path_factory.mktemp("lab")
    settings = folder / "settings" / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps({"windowingMode": "none"}))  # all cells are there, on screen or not
    news = folder / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    news.parent.mkdir(parents=True)
    news.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False}))
    port = free_port()
    environment = {**os.environ, "BERTSTUDY_RUNS": str(SCRATCH / "lab"), "BERTSTUDY_REPORTS": str(folder / "reports")}
    environment |= {"JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"), "JUPYTER_CONFIG_DIR": str(folder / "config")}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}"]
    command += ["--IdentityProvider.token=", "--ServerApp.root_dir=" + str(folder), "--ServerApp.ip=127.0.0.1"]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                urlopen(f"{address}/api", timeout=2).close()
                break
            except OSError:
                assert server.poll() is None, (folder / "log").read_text()
                time.sleep(0.5)
        yield address, folder
    finally:
        server.terminate()
        server.wait(timeout=60)


@pytest.fixture
def page(browser):
    """A page whose console errors are collected in `page.faults`."""
    page = browser.new_page(viewport={"width": WIDTHS[0], "height": 900})
    page.set_default_timeout(PATIENCE)
    page.faults = []
    page.on("pageerror", lambda error: OWN in str(error) or page.faults.append(str(error)))
    yield page
    page.close()


def put(folder, name, **parameters):
    """Write a notebook into the server's folder, with other values in its cell of parameters."""
    book = nbformat.read(notebooks() / f"{name}.ipynb", as_version=4)
    (cell,) = [cell for cell in book.cells if "parameters" in cell.metadata.get("tags", ())]
    for key, value in {"profile": "smoke", **parameters}.items():
        cell.source, found = re.subn(rf"^{key} = [^#\n]*", f"{key} = {value!r}  ", cell.source, flags=re.MULTILINE)
        assert found == 1
    nbformat.write(book, folder / f"{name}.ipynb")
    return sum(cell.cell_type == "code" for cell in book.cells)


def run_all(page, command, cells):
    """Carry out a command of the menu Run or Kernel, and wait until each code cell has been run."""
    menu, item = command
    page.locator("#jp-MainMenu").get_by_text(menu, exact=True).click()
    page.locator(".lm-Menu").get_by_text(item, exact=False).first.click()
    if "Restart" in item:
        page.locator(".jp-Dialog .jp-mod-accept").click()
        page.wait_for_function("document.querySelectorAll('.jp-InputPrompt').length > 0")
    page.wait_for_function(
        """cells => {
            const prompts = [...document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")].map(one => one.textContent);
            return prompts.length === cells && prompts.every(one => /\\[\\d+\\]/.test(one))
        }""",
        arg=cells,
    )
    for kind in ("stderr", "error"):
        output = f".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.{kind}']"
        assert page.locator(output).all_inner_texts() == []
    assert page.faults == []


def opened(page, lab, name, **parameters):
    """Open a notebook, run all of it by the menu, and give its number of code cells."""
    address, folder = lab
    cells = put(folder, name, **parameters)
    page.goto(f"{address}/lab/tree/{name}.ipynb?reset")
    page.locator(".jp-Notebook").wait_for()
    page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for()  # before, it would ask for a kernel
    run_all(page, ("Run", "Run All Cells"), cells)
    page.locator(".jp-OutputArea-output .jupyter-widgets").first.wait_for()
    return cells


def told(control):
    """What stands in the output of a control, besides it."""
    output = control.locator("xpath=ancestor::div[contains(@class, 'jp-OutputArea-output')]")
    return output.locator(".widget-html-content").last


def changed(words, act):
    """Do something, and wait until these words say something else; gives what they say then."""
    before = words.inner_html()
    act()
    deadline = time.monotonic() + SOON
    while words.inner_html() == before:
        assert time.monotonic() < deadline, "nothing changed"
        words.page.wait_for_timeout(100)
    return words.inner_text()


def moved(slider, key="ArrowRight", times=3):
    handle = slider.locator(".noUi-handle")
    handle.focus()
    for _ in range(times):
        handle.press(key)


def looked_at(page, name):
    """Screenshots for those who look, where BERTSTUDY_SHOTS names a folder."""
    if shots := os.environ.get("BERTSTUDY_SHOTS"):
        page.locator(".jp-OutputArea-output .jupyter-widgets").last.scroll_into_view_if_needed()
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            page.wait_for_timeout(500)
            page.screenshot(path=str(Path(shots) / f"lab-{name}-{width}.png"))


def test_the_explorer_of_what_is_kept_shows_another_document(page, lab):
    opened(page, lab, "01_long_text")
    slider = page.locator(".widget-slider").first
    first = changed(told(slider), lambda: moved(slider))
    assert "pieces in" in first
    assert "head" in first
    assert changed(told(slider), lambda: moved(slider, times=5)) != first
    looked_at(page, "01")


def test_the_labels_needed_and_the_method_for_yours_follow_the_controls(page, lab):
    opened(page, lab, "05_fewshot", each="4 8", corpora="movies restaurants")
    error, each = page.locator(".widget-slider").all()
    low = changed(told(error), lambda: moved(error, "ArrowLeft", 30))
    assert re.search(r"labelled documents", low)
    assert changed(told(error), lambda: moved(error, "ArrowRight", 60)) != low
    assert "expected error" in changed(told(each), lambda: moved(each))
    task = page.locator(".widget-dropdown select")
    assert "expected error" in changed(told(each), lambda: task.select_option(index=1))
    looked_at(page, "05")


def test_a_text_that_is_typed_is_explained(page, lab):
    opened(page, lab, "10_your_data", budget_minutes=0.3)
    text = page.locator(".widget-textarea textarea")
    words = told(page.locator(".widget-textarea"))
    first = changed(words, lambda: text.fill("the soup was wonderful and the waiter was kind"))
    assert "Blue speaks for it" in first
    assert "soup" in first
    assert "<b>" in changed(words, lambda: text.fill("the soup was <b>cold</b>"))  # as text, not as markup
    looked_at(page, "10")


def test_restarted_after_a_change_of_parameters_nothing_is_left_of_before(page, lab):
    cells = opened(page, lab, "05_fewshot")
    plan = page.locator(".jp-OutputArea-output table").nth(1)
    before = page.locator(".jp-Notebook").inner_text()
    address, folder = lab
    put(folder, "05_fewshot", seeds=1)
    page.goto(f"{address}/lab/tree/05_fewshot.ipynb?reset")
    page.locator(".jp-Notebook").wait_for()
    run_all(page, ("Kernel", "Restart Kernel and Run All Cells"), cells)
    assert plan.count() == 1
    after = page.locator(".jp-Notebook").inner_text()
    assert "1 seed" in after
    assert after != before
    slider = page.locator(".widget-slider").first
    assert "labelled documents" in changed(told(slider), lambda: moved(slider, times=20))


LONG_RUN = """
import bertstudy as bs
from dataclasses import replace
study = bs.setup("layers", profile="smoke")
rows = study.run_all([replace(study.base, epochs=5000, fraction=0.01, dev_fraction=0.2)])
"""


def test_a_run_is_drawn_while_it_goes_and_can_be_stopped(page, lab):
    address, folder = lab
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(LONG_RUN.strip())]), folder / "long.ipynb")
    page.goto(f"{address}/lab/tree/long.ipynb?reset")
    page.locator(".jp-Dialog .jp-mod-accept").click()  # it names no kernel
    page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for()
    page.locator("#jp-MainMenu").get_by_text("Run", exact=True).click()
    page.locator(".lm-Menu").get_by_text("Run All Cells").first.click()
    words = page.locator(".jp-OutputArea-output .widget-html-content").filter(has_text="step")
    page.locator(".widget-html-content").get_by_text(re.compile("loss .*, dev error")).wait_for()
    assert "dev error" in changed(words, lambda: page.wait_for_timeout(2000))
    looked_at(page, "live")
    page.locator(".jp-NotebookPanel-toolbar [data-command='notebook:interrupt-kernel']").first.click()
    page.locator(".jp-OutputArea").get_by_text("Interrupted. 0 of 1 runs are kept").first.wait_for(timeout=60_000)
