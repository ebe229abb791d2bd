"""Every notebook: its anatomy (contract C5), papermill, nbval, and mistakes in its parameters."""

import ast
import logging
import os
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pandas as pd
import pytest

from bertstudy import grid
from bertstudy.data.corpora import Library
from bertstudy.experiments.large import encoders
from bertstudy.experiments.multitask import together
from bertstudy.paths import notebooks
from bertstudy.results import plans
from bertstudy.runs import by_method
from bertstudy.study import pages, readme, setup, site

PATHS = sorted(notebooks().glob("*.ipynb"))
NAMES = [path.stem for path in PATHS]


def code_cells(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def assigned(source):
    return {
        target.id: line.value
        for line in ast.parse(source).body
        if isinstance(line, ast.Assign)
        for target in line.targets
    }


def test_there_are_notebooks():
    assert NAMES


@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_anatomy(path):
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    assert book.metadata.kernelspec.name == "python3"
    assert book.cells[0].cell_type == "markdown"
    assert book.cells[0].source.startswith("# ")
    assert "§" in book.cells[0].source
    cells = code_cells(path)
    assert [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])] == cells[:1]
    assert not any(cell.outputs or cell.execution_count for cell in cells)
    before = [book.cells[index - 1].cell_type for index, cell in enumerate(book.cells) if cell.cell_type == "code"]
    assert set(before) == {"markdown"}
    for cell in cells:
        assert len(cell.source.splitlines()) <= 20
        assert not re.search(r"^\s*class |import \*|matplotlib|\.backward\(|optimizer", cell.source, re.MULTILINE)
    text = " ".join(cell.source.lower() for cell in book.cells if cell.cell_type == "markdown")
    assert all(
        heading in text for heading in ("## the idea", "## the plan", "## what may not be concluded", "## try it")
    )


@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_parameters_are_flat_explained_and_read(path):
    parameters, *rest = code_cells(path)
    values = assigned(parameters.source)
    assert all(isinstance(value, ast.Constant) for value in values.values())
    assert all("  # " in line for line in parameters.source.splitlines())
    later = "\n".join(cell.source for cell in rest)
    assert all(re.search(rf"\b{name}\b", later) for name in values)
    call = next(one for one in ast.walk(ast.parse(rest[0].source)) if isinstance(one, ast.Call))
    assert {keyword.arg for keyword in call.keywords} == set(values)


def papermill(path, out, **parameters):
    options = [part for name, value in parameters.items() for part in ("-p", name, str(value))]
    command = [sys.executable, "-m", "papermill", str(path), str(out), "-p", "profile", "smoke", *options]
    return subprocess.run(command, capture_output=True, text=True, cwd=out.parent, timeout=300)


class Cells(HTMLParser):
    """The texts of a page's table cells."""

    def __init__(self):
        super().__init__()
        self.texts, self.inside = [], False

    def handle_starttag(self, tag, attrs):
        if tag in ("td", "th"):
            self.inside = True
            self.texts.append("")

    def handle_endtag(self, tag):
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data):
        if self.inside:
            self.texts[-1] += data


NUMBER = re.compile(r"(?<![\w.])[+\-−]?\d[\d,]*\.\d+(?:e[+-]?\d+)?(?![\w.])")
PYTHON = re.compile(r"[\[({]['\"]|['\"][\])}]|\bNone\b|\bnan\b|\bTrue\b|\bFalse\b")


def unreadable(texts):
    """The texts that have a number of more than four significant digits beside a decimal point, or Python in them."""
    for text in texts:
        digits = [re.sub(r"e.*|\D", "", number).lstrip("0") for number in NUMBER.findall(text)]
        if PYTHON.search(text) or any(len(one) > 4 for one in digits):
            yield text


def test_what_is_unreadable_is_found():
    good = ["12.6 (11.2 to 14.1)", "25,000", "0.0917", "head+tail:32", "", "[12.9, 16.0]", "1e-05"]
    bad = ["['good']", "0.091709", "12.3456", "nan", "None", "('a', 1)"]
    assert list(unreadable(good + bad)) == bad


def told(notebook):
    """What an executed notebook tells: the cells of its tables, and its outputs that are plain text."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "text/html" in data:
                cells = Cells()
                cells.feed(data["text/html"])
                yield from cells.texts
            elif not any(kind.startswith(("image", "application/vnd")) for kind in data):
                yield data.get("text/plain", output.get("text", ""))


@pytest.mark.slow
@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_runs_by_papermill_from_another_folder_and_renders(path, tmp_path):
    done = papermill(path, tmp_path / "out.ipynb")
    assert done.returncode == 0, done.stderr[-3000:]
    page = pages.render(tmp_path / "out.ipynb", tmp_path / "page.html").read_text(encoding="utf-8")
    assert list(unreadable(told(nbformat.read(tmp_path / "out.ipynb", as_version=4)))) == []
    assert "Profile smoke" in page
    assert "Nothing in it is a result" in page
    assert "<svg" in page
    assert not re.search(r'aria-label="(figure|\w+)"', page)  # a sentence each
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:)?//", page)
    assert "<script" not in page
    assert "Traceback" not in page


def test_a_notebook_runs_by_nbval():
    path = notebooks() / "05_fewshot.ipynb"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--nbval-lax",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        str(path),
    ]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, "BERTSTUDY_PROFILE": "smoke"},
        timeout=300,
        cwd=notebooks(),
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert f"{len(code_cells(path))} passed" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"fractoin": 0.004}, "parameter='fractoin' is unknown. Did you mean 'fraction'"),
        ({"fraction": 7}, "fraction=7.0: allowed is above 0, up to 1"),
        ({"corpus": "imbd"}, "corpus='imbd' is unknown. Did you mean 'imdb'"),
        ({"encoder": "no/such"}, "encoder='no/such' can't be loaded"),
        ({"data_dir": "no/such"}, "data_dir='no/such': there is no such folder"),
        ({"corpus": "imdb"}, "Offline, put imdb/train.parquet"),
        ({"profile": "papre"}, "Did you mean 'paper'"),
        ({"seeds": -1}, "seeds=-1"),
    ],
    ids=str,
)
def test_a_mistake_in_the_parameters_fails_in_the_first_cells(parameters, says, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    done = papermill(notebooks() / "05_fewshot.ipynb", tmp_path / "out.ipynb", **parameters)
    assert done.returncode != 0
    assert says in re.sub(r"\x1b\[[0-9;]*m", "", done.stderr)
    cells = [cell for cell in nbformat.read(tmp_path / "out.ipynb", as_version=4).cells if cell.cell_type == "code"]
    ran = [
        cell
        for cell in cells
        if cell.get("execution_count") and "papermill-error-cell-tag" not in cell.metadata.get("tags", [])
    ]
    assert len(ran) <= 4


@pytest.mark.slow
def test_a_report_is_executed_rendered_and_redrawn(tmp_path, reports, monkeypatch):
    page, seconds = pages.execute("05", profile="smoke", fraction=0.004)
    assert page == reports / "site" / "smoke" / "05_fewshot.html"
    assert seconds > 0
    kept, built = reports / "smoke" / "figures", reports / "site" / "smoke" / "figures"
    before = {path: path.read_bytes() for place in (kept, built) for path in place.iterdir()}
    assert {path.suffix for path in before if path.parent == kept} == {".svg", ".csv", ".json"}
    assert {path.suffix for path in before if path.parent == built} == {".png", ".md", ".tex"}
    pages.redraw()
    assert {path: path.read_bytes() for path in before} == before
    next((reports / "smoke" / "rows").glob("*.json")).unlink()
    pages.redraw()
    assert (built / "few_shot.png").read_bytes() != before[built / "few_shot.png"]


@pytest.mark.slow
def test_a_report_of_stored_rows_runs_nothing_and_says_what_is_missing(tmp_path, reports, monkeypatch):
    with pytest.raises(ValueError, match=r"None of the \d+ runs of this plan has a row"):
        pages.execute("05", stored=True, profile="smoke", fraction=0.004, seeds=1)
    pages.execute("05", profile="smoke", fraction=0.004, seeds=1)
    rows, figures = reports / "smoke" / "rows", reports / "smoke" / "figures"
    complete = (figures / "few_shot.svg").read_bytes()
    *left, gone = sorted(rows.glob("*.json"))
    gone.unlink()
    page, _ = pages.execute("05", stored=True, profile="smoke", fraction=0.004, seeds=1)
    assert f"4 runs: {len(left)} read from reports/smoke/rows, 1 are missing" in page.read_text(encoding="utf-8")
    assert sorted(rows.glob("*.json")) == left
    before = page.read_bytes()
    pages.execute("05", stored=True, profile="smoke", fraction=0.004, seeds=1)
    assert page.read_bytes() == before
    incomplete = (figures / "few_shot.svg").read_bytes()
    assert incomplete != complete
    pages.redraw()
    assert (figures / "few_shot.svg").read_bytes() == incomplete


def test_a_notebook_that_is_not_there_is_told():
    with pytest.raises(ValueError, match="Did you mean '05_fewshot'"):
        pages.notebook_path("05_fewshots")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "parameter", "more"), [("01", "corpus", {}), ("05", "corpus", {"fraction": 0.5}), ("10", "train", {})]
)
def test_names_that_look_like_markup_show_as_text_everywhere(name, parameter, more, tmp_path, reports, monkeypatch):
    """A reader's file, column and labels on the page, in figures and tables, in the list of runs, on the site."""
    random, words = np.random.default_rng(0), (["bad", "awful", "thing"], ["good", "fine", "thing"])
    labels = [f"<script>alert({one})</script>|" for one in (0, 1)]
    lines = [(f"{' '.join(random.choice(words[n % 2], 9))} {n}", labels[n % 2]) for n in range(240)]
    file = tmp_path / "<script>file.csv"
    pd.DataFrame(lines, columns=["<script>text", "<script>label"]).to_csv(file, index=False)
    columns = {"text_column": "<script>text", "label_column": "<script>label"}
    pages.execute(name, profile="smoke", **columns, **more, **{parameter: str(file)})
    if name != "10":  # which stores no rows here
        (reports / "smoke").rename(reports / "control")  # the site passes over smoke
    (reports / "site" / "smoke").rename(reports / "site" / "control")
    site.build()
    readme.write()
    made = [path for path in reports.rglob("*") if path.suffix in (".html", ".md", ".svg")]
    assert len(made) > 2
    ours = re.compile(r'<script(?! src="(\.\./)?report\.js" defer></script>)', re.IGNORECASE)
    assert [path.name for path in made if ours.search(path.read_text(encoding="utf-8"))] == []
    assert any("&lt;script&gt;" in path.read_text(encoding="utf-8") for path in made)


def test_text_that_looks_like_markup_shows_as_text(tmp_path):
    cell = nbformat.v4.new_code_cell("x", outputs=[nbformat.v4.new_output("stream", text="<script>alert(1)</script>")])
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# <b>title</b>"), cell])
    nbformat.write(book, tmp_path / "a.ipynb")
    page = Path(pages.render(tmp_path / "a.ipynb", tmp_path / "a.html")).read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("question", "name", "given", "read"),
    [
        ("forgetting", "rates", "1e-4 3e-4", [1e-4, 3e-4]),
        ("long_text", "splits", 8, [8]),
        ("decay", "decays", 0.5, [0.5]),
    ],
)
def test_lists_of_numbers_are_read(question, name, given, read):
    assert getattr(setup.setup(question, profile="smoke", **{name: given}).scale, name) == read
    with pytest.raises(ValueError, match=f"{name}='8 x': give numbers separated by blanks"):
        setup.setup(question, profile="smoke", **{name: "8 x"})


def test_a_study_on_a_corpus_has_as_many_documents_as_the_profiles_tables():
    study = setup.setup("long_text", profile="control")
    run = study.on("long_reviews", truncation="head")
    assert (run.corpus, run.truncation, run.fraction) == ("long_reviews", "head", 0.04)
    assert setup.setup("decay", profile="control", fraction=0.5).on().fraction == 0.5
    assert len(setup.setup("decay", profile="control", seeds=4).seeds) == 4
    assert setup.setup("seeds", profile="compact").base.corpus == "trec"
    assert setup.setup("seeds", profile="compact", corpus="movies").base.corpus == "movies"


def test_next_sentences_are_left_out_where_all_texts_to_pretrain_on_are_of_one():
    study = setup.setup(profile="smoke")
    study.profile = replace(study.profile, pretraining={"pretraining_steps": 3})
    movies, questions = study.on("movies"), study.on("questions")
    for run, source, pairs in (
        (movies, "within_task", True),
        (movies, "questions", False),
        (movies, "questions+movies", True),
        (questions, "within_task", False),
        (questions, "movies", True),
    ):
        assert study.pretrained(source, run).next_sentence is pairs


def test_the_profiles_corpora_that_can_not_be_had_are_left_out_and_told(caplog, monkeypatch):
    caplog.set_level(logging.INFO, "bertstudy")
    monkeypatch.delenv("BERTSTUDY_DATA", raising=False)
    study = setup.setup(profile="smoke")
    assert study.reachable(["movies", "sogou"]) == ["movies"]
    assert caplog.messages[-1].startswith("Left out, sogou: ")
    with pytest.raises(ValueError, match="None of these corpora can be loaded"):
        study.reachable(["sogou"])


@pytest.mark.slow
def test_plans_that_are_run_together_give_a_table_each(reports, caplog):
    caplog.set_level(logging.INFO, "bertstudy")
    study = setup.setup(profile="smoke")
    floor = by_method(study.on(), "tfidf")
    first, second = grid(floor, seed=[0, 1]), grid(floor, seed=[1, 2])
    told, read = study.run_all(first, second), "2 runs: 2 read from reports/smoke/rows."
    said = [line for line in caplog.messages if "read from" in line]
    assert said == ["3 runs: 3 made now, 0 read from reports/smoke/rows.", read, read]
    assert [list(table["seed"]) for table in told] == [[0, 1], [1, 2]]
    assert list(study.run_all(second)["id"]) == list(told[1]["id"])
    twice = [*study.run_all(first + first, second), plans.stored(first + first, "smoke")]
    assert [len(table) for table in twice] == [2, 2, 2]


def paper_study():
    """A study at the paper's scale that loads nothing."""
    from bertstudy import Run

    study = setup.setup("large", profile="smoke")
    study.profile, study.scale.larger = replace(study.profile, base=Run()), ["google-bert/bert-large-uncased"]
    study.base, study.scale.sampling = Run(), "proportional"
    return study


def test_a_chinese_corpus_gets_a_chinese_encoder():
    from bertstudy import Run

    study = paper_study()
    corpus = SimpleNamespace(train=SimpleNamespace(texts=["a"] * 100))
    study.library = Library(at_hand={"sogou": corpus, "imdb": corpus})
    assert study.on("sogou").encoder == "google-bert/bert-base-chinese"
    assert study.on("imdb").encoder == Run().encoder
    study.base = Run(corpus="sogou")
    assert study.reading().encoder == "google-bert/bert-base-chinese"
    study.base = Run(corpus="sogou", encoder="minilm")  # the reader's choice
    assert study.reading().encoder == "minilm"


def test_tasks_that_can_not_share_an_encoder_are_told_before_the_first_run():
    study = paper_study()
    for tasks in (["movies"], ["movies", "movies"]):
        with pytest.raises(ValueError, match=f"tasks='{' '.join(tasks)}': name two or more corpora, each once"):
            together(study, study.base, tasks)
    with pytest.raises(ValueError, match="tasks='imdb sogou': they are in several languages.*bert-base-chinese"):
        together(study, study.base, ["imdb", "sogou"])
    study.base = replace(study.base, encoder="minilm")  # the reader's choice
    assert together(study, study.base, ["imdb", "sogou"]).multitask == "imdb+sogou"


def test_encoders_are_two_that_read_the_tasks_or_it_is_told(caplog):
    caplog.set_level(logging.INFO, "bertstudy")
    study = paper_study()
    assert encoders(study, ["imdb"]) == ["google-bert/bert-base-uncased", "google-bert/bert-large-uncased"]
    with pytest.raises(
        ValueError, match="sogou is in a language that encoder='google-bert/bert-base-uncased' does not"
    ):
        encoders(study, ["imdb", "sogou"])
    study.scale.larger = []
    assert caplog.text == ""
    assert encoders(study, ["imdb"]) == ["google-bert/bert-base-uncased"]
    assert "has no other encoder" in caplog.text


def test_a_domain_that_a_corpus_lacks_is_told_before_the_first_run():
    study = setup.setup(profile="smoke")
    with pytest.raises(ValueError, match="corpus='chinese_news' belongs to no domain here"):
        study.pretrained("cross_domain", study.on("chinese_news"))


def test_the_pieces_that_are_read_are_marked_and_real_texts_are_not_shown(letters):
    from bertstudy import widgets

    study = setup.setup(profile="smoke")
    shown = widgets.kept(study, "long_reviews", ["head", "tail", "chunks"]).data
    head, tail, chunks = shown.split("<strong>")[1:]
    assert head.count("<mark>") == tail.count("<mark>") == 62
    assert head.index("<mark>") < head.index("</p>") - len(head) // 2
    assert chunks.count("<mark>") == int(re.search(r"of (\d+) pieces", chunks)[1])
    key = widgets.kept(study, "long_reviews", ["key_sentences"]).data
    room = study.base.window - 2
    assert f"<strong>key_sentences</strong>, {room} of" in key
    assert key.count("<mark>") == room
    real = widgets.kept(study, letters, ["head"]).data
    assert "<mark>" not in real
    assert "composed corpora only" in real
    explorer = widgets.kept_explorer(study, "long_reviews", ["head"])
    assert "nothing of it is cut" not in explorer.children[1].value  # it begins with a document that is
    assert explorer.children[1].value == widgets.kept(study, "long_reviews", ["head"]).data
    texts = study.library.load("long_reviews").train.texts
    short = min(range(widgets.MOST_SHOWN), key=lambda number: len(texts[number]))
    assert "nothing of it is cut" in widgets.kept(study, "long_reviews", ["head"], short).data
    before, explorer.children[0].value = explorer.children[1].value, short
    assert explorer.children[1].value != before
    assert explorer.children[0].max == widgets.MOST_SHOWN - 1


def test_tasks_are_the_profiles_the_named_ones_or_the_readers_corpus(letters):
    assert setup.setup("further_pretraining", profile="control").scale.tasks == ["movies", "topics"]
    assert setup.setup("large", profile="smoke", tasks="topics questions").scale.tasks == ["topics", "questions"]
    assert setup.setup("further_pretraining", profile="smoke", corpus=letters).scale.tasks == [letters]
    with pytest.raises(ValueError, match="Did you mean 'topics'"):
        setup.setup("comparison", profile="smoke", tasks="topicz")


def test_a_typed_text_is_explained(small):
    from bertstudy import train, widgets
    from bertstudy.runs import by_method

    classifier, _ = train(by_method(small, "words"), progress=False)
    text, words = widgets.explained(classifier).children
    assert words.value == ""
    text.value = "a <b> u"
    told = classifier.explain("a <b> u")
    assert f"<strong>{told.label}</strong>" in words.value
    assert "&lt;" in words.value
    strongest = max(told.words, key=lambda word: abs(word.weight))
    color = "0, 114, 178" if strongest.weight > 0 else "213, 94, 0"
    assert f'rgba({color}, 0.60)" title="{strongest.weight:+.2f}">{strongest.text}</span>' in words.value
    before = words.value
    text.value = "x y z"
    assert words.value not in ("", before)
    text.value = " "
    assert words.value == ""
