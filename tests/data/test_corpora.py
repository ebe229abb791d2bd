from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bertstudy import Run, load_corpus, paper
from bertstudy.data import corpora, sogou
from bertstudy.data.catalogue import CORPORA
from bertstudy.data.corpora import Corpus, Library
from bertstudy.data.sampling import Split, draw, stratified_order
from bertstudy.results.rows import name_of


def corpus_of(counts, test=100):
    """A corpus whose class i has counts[i] training documents."""
    classes = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    train = Split([f"train {index}" for index in range(len(classes))], classes)
    tested = Split([f"test {index}" for index in range(test)], np.arange(test) % len(counts))
    return Corpus("made", train, tested, tuple(map(str, range(len(counts)))))


@pytest.mark.parametrize("counts", [(500, 500), (900, 90, 10), (300, 200, 100, 50)])
def test_every_beginning_of_the_order_has_the_classes_in_proportion(counts):
    classes = corpus_of(counts).train.classes
    order = stratified_order(classes, np.random.default_rng(3))
    assert sorted(order) == list(range(len(classes)))
    for size in (10, 57, 200, 411):
        drawn = np.bincount(classes[order[:size]], minlength=len(counts))
        assert np.abs(drawn - size * np.array(counts) / sum(counts)).max() <= 1


SEEDS = ({"seed": 0, "sample_seed": 3}, {"seed": 3, "sample_seed": 3}, {"seed": 8, "sample_seed": 3})


def sample(corpus, **fields):
    drawn = draw(corpus, Run(**fields))
    return set(drawn.train.texts) | set(drawn.dev.texts)


def test_smaller_samples_lie_inside_larger_ones_and_seeds_differ():
    corpus = corpus_of((500, 500))
    sizes = [sample(corpus, fraction=fraction) for fraction in (0.04, 0.1, 0.5, 1.0)]
    assert [len(one) for one in sizes] == [40, 100, 500, 1000]
    assert all(small < large for small, large in zip(sizes, sizes[1:], strict=False))
    assert len(sample(corpus, fraction=0.1, seed=1) & sizes[1]) < 40


def test_runs_with_one_sample_seed_learn_from_the_same_documents_whatever_their_seeds():
    corpus = corpus_of((500, 500))
    own, *held = (draw(corpus, Run(fraction=0.1, **seeds)) for seeds in ({"seed": 3}, *SEEDS))
    for drawn in held:
        assert (drawn.train.texts, drawn.dev.texts) == (own.train.texts, own.dev.texts)


def test_dev_is_a_stratified_part_of_the_sample_and_of_nothing_else():
    corpus = corpus_of((800, 200))
    train, dev, test = draw(corpus, Run(fraction=0.5, dev_fraction=0.1))
    assert (len(train.texts), len(dev.texts), len(test.texts)) == (450, 50, 100)
    assert not set(train.texts) & set(dev.texts)
    assert np.bincount(dev.classes).tolist() == [40, 10]
    assert np.bincount(train.classes).tolist() == [360, 90]
    assert draw(corpus, Run(fraction=0.5, dev_fraction=0.0)).dev.texts == []


def test_dev_loses_what_stands_in_train_or_test_too():
    base = corpus_of((500, 500))
    double = [text if index % 2 else f"twin {index // 4}" for index, text in enumerate(base.train.texts)]
    double[:200:2] = base.test.texts
    corpus = replace(base, train=Split(double, base.train.classes))
    train, dev, test = draw(corpus, Run(dev_fraction=0.3))
    assert 0 < len(dev.texts) < 300
    assert not set(dev.texts) & (set(train.texts) | set(test.texts))


def test_test_documents_are_the_same_whatever_the_seed_and_the_fraction():
    corpus = corpus_of((500, 500))
    drawn = [draw(corpus, Run(test_size=30, seed=seed, fraction=part)).test for seed, part in ((0, 1.0), (5, 0.1))]
    assert drawn[0].texts == drawn[1].texts
    assert np.bincount(drawn[0].classes).tolist() == [15, 15]
    assert draw(corpus, Run(test_size=10_000)).test.texts == corpus.test.texts


def test_too_small_a_sample_is_told():
    with pytest.raises(ValueError, match=r"fraction=0.001: 1 of 1,000 documents of 'made'"):
        draw(corpus_of((500, 500)), Run(fraction=0.001))


def test_the_fingerprint_is_of_texts_labels_and_order():
    corpus = corpus_of((5, 5))
    texts, classes = corpus.train
    others = [
        replace(corpus, train=Split(["other", *texts[1:]], classes)),
        replace(corpus, train=Split(texts, 1 - classes)),
        replace(corpus, train=Split(texts[::-1], classes[::-1])),
        replace(corpus, labels=("0", "2")),
        replace(corpus, train=corpus.test, test=corpus.train),
    ]
    prints = [one.fingerprint for one in (corpus, *others)]
    assert len(set(prints)) == len(prints)
    assert corpus_of((5, 5)).fingerprint == corpus.fingerprint


def test_the_entries_are_the_papers():
    for entry in CORPORA.values():
        printed = paper.table1(entry.title)
        assert (int(printed["train"]), int(printed["test"])) == (entry.train, entry.test)
        assert printed["kind"].lower() == entry.kind


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setattr("bertstudy.data.hub.reachable", lambda: False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)


def test_a_known_corpus_that_is_nowhere_says_what_to_do_offline(offline):
    with pytest.raises(ValueError, match="corpus='dbpedia' is not in the datasets cache.*Offline, put dbpedia/train"):
        load_corpus("dbpedia")


def test_from_the_hub_texts_are_joined_labels_named_and_rows_counted(monkeypatch):
    import datasets

    names = datasets.Features(
        title=datasets.Value("string"),
        content=datasets.Value("string"),
        label=datasets.ClassLabel(names=["Company", "Artist"]),
    )
    part = datasets.Dataset.from_dict({"title": ["A", "B"], "content": ["x", None], "label": [0, 1]}, features=names)
    asked = {}

    def load(hub_id, revision):
        asked[hub_id] = revision
        return {"train": part, "test": part}

    monkeypatch.setattr("bertstudy.data.hub.reachable", lambda: True)
    monkeypatch.setattr("datasets.load_dataset", load)
    monkeypatch.setitem(CORPORA, "tiny", replace(CORPORA["dbpedia"], train=2, test=2))
    corpus = load_corpus("tiny")
    assert asked == {"fancyzhx/dbpedia_14": CORPORA["dbpedia"].revision}
    assert corpus.train.texts == ["A x", "B"]
    assert [corpus.labels[one] for one in corpus.train.classes] == ["Company", "Artist"]
    monkeypatch.setitem(CORPORA, "short", replace(CORPORA["dbpedia"], train=3, test=2))
    with pytest.raises(ValueError, match="has 2 train rows, not 3"):
        load_corpus("short")


def test_a_local_folder_goes_before_the_hub_and_the_environment_names_it(tmp_path, monkeypatch, letters):
    (tmp_path / "data").mkdir()
    (tmp_path / "letters").rename(tmp_path / "data" / "trec")
    assert load_corpus("trec", data_dir=str(tmp_path / "data")).labels == ("a", "z")
    monkeypatch.setenv("BERTSTUDY_DATA", str(tmp_path / "data"))
    assert load_corpus("trec").labels == ("a", "z")


@pytest.mark.parametrize(
    ("name", "data_dir", "says"),
    [
        ("imbd", "", "corpus='imbd' is unknown. Did you mean 'imdb'"),
        ("imdb", "/no/such/folder", "data_dir='/no/such/folder': there is no such folder"),
        ("sogou", "", "SogouCA and SogouCS"),
    ],
)
def test_a_wrong_name_or_folder_is_told(name, data_dir, says, offline):
    with pytest.raises(ValueError, match=says):
        load_corpus(name, data_dir)


def raw(documents, encoding):
    parts = (
        f"<doc>\n<url>http://{host}.sohu.com/{index}.shtml</url>\n<docno>{index}</docno>\n"
        f"<contenttitle>{title}</contenttitle>\n<content>{content}</content>\n</doc>\n"
        for index, (host, title, content) in enumerate(documents)
    )
    return "".join(parts).encode(encoding)


def test_sogou_is_built_from_raw_files_by_url(tmp_path):
    documents = [(host, f"标题{host}{index}", f"正文１２Ａ{index}") for host in sogou.CHANNELS for index in range(4)]
    documents += [("sports", "标题sports0", "正文１２Ａ0"), ("travel", "别的", "类")]
    (tmp_path / "a.dat").write_bytes(raw(documents[:10], "gb18030"))
    (tmp_path / "b.dat").write_bytes(raw(documents[10:], "utf-8"))
    train, test = sogou.build(tmp_path, train=3, test=1)
    assert pd.Series([label for label, _ in train]).value_counts().to_dict() == dict.fromkeys(
        sogou.CHANNELS.values(), 3
    )
    assert len(test) == 6
    texts = [text for _, text in [*train, *test]]
    assert sorted(texts) == sorted(f"标题{host}{n} 正文12A{n}" for host in sogou.CHANNELS for n in range(4))
    with pytest.raises(ValueError, match="5 different documents a class; too few: sports 4, house 4"):
        sogou.build(tmp_path, train=4, test=1)
    with pytest.raises(ValueError, match="no .dat file"):
        sogou.build(tmp_path / "nothing")


def test_real_imdb(real_data):
    corpus = load_corpus("imdb", data_dir=str(real_data))
    assert (len(corpus.train.texts), len(corpus.test.texts)) == (25_000, 25_000)
    assert len(set(corpus.train.texts) & set(corpus.test.texts)) == 123
    train, dev, test = draw(corpus, Run())
    assert len(train.texts) == 22_500
    assert 2_450 < len(dev.texts) < 2_500
    assert not set(dev.texts) & (set(train.texts) | set(test.texts))


def test_real_sogou_samples(real_data):
    paths = sorted((real_data / "raw" / "sogou").glob("*.dat"))
    found = [list(sogou.parse(path)) for path in paths]
    assert [len(documents) for documents in found] == [200, 200]
    for documents in found:
        assert all(url.startswith("http") for url, _ in documents)
        assert sum("的" in text for _, text in documents) > 100


@pytest.mark.parametrize(
    ("url", "label"),
    [
        ("http://sports.sohu.com/20120706/n3.shtml", "sports"),
        ("http://it.sohu.com/a", "technology"),
        ("http://news.sohu.com/a", None),
        ("http://sports.example.com/a", None),
    ],
)
def test_the_class_of_a_page_is_its_channel(url, label):
    assert sogou.label_of(url) == label


def test_unlabelled_texts_are_read_where_there_is_no_test_file(letters):
    folder = Path(letters)
    (folder / "test.csv").unlink()
    pd.DataFrame({"text": ["one more", "and another"]}).to_csv(folder / "unlabelled.csv", index=False)
    assert load_corpus(str(folder)).unlabelled == ["one more", "and another"]


def test_a_corpus_is_tested_on_another_whose_classes_go_by_name():
    own = replace(corpus_of((5, 5)), labels=("neg", "pos"))
    other = replace(corpus_of((9, 9), test=20), name="other", labels=("pos", "neg"))
    both = corpora.tested_on(own, other)
    assert both.train is own.train
    assert both.test.texts == other.test.texts
    assert [both.labels[one] for one in both.test.classes] == [other.labels[one] for one in other.test.classes]
    assert both.fingerprint not in (own.fingerprint, other.fingerprint)


def test_classes_of_other_names_go_by_their_order_which_is_told(caplog):
    caplog.set_level("INFO")
    own = replace(corpus_of((5, 5)), labels=("neg", "pos"))
    both = corpora.tested_on(own, corpus_of((9, 9), test=20))
    assert both.test.classes.tolist() == [0, 1] * 10
    assert "taken in their order: 0 as neg, 1 as pos" in caplog.text


def test_corpora_of_other_numbers_of_classes_are_refused():
    with pytest.raises(ValueError, match="tested_on='made' has 3 classes, 'made' has 2. Choose a corpus of the same"):
        corpora.tested_on(corpus_of((5, 5)), corpus_of((5, 5, 5)))


def test_a_run_names_the_corpus_that_it_is_tested_on():
    plain = Run(corpus="movies", encoder="control", test_size=50)
    elsewhere = replace(plain, tested_on="restaurants")
    library = Library()
    tested = draw(library.of(elsewhere), elsewhere)
    assert tested.test.texts == draw(library.load("restaurants"), replace(plain, corpus="restaurants")).test.texts
    assert tested.train.texts == draw(library.of(plain), plain).train.texts
    assert name_of(elsewhere).id != name_of(plain).id


def test_a_plus_in_the_name_of_a_file_joins_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = pd.DataFrame({"text": ["a b", "c d"] * 20, "label": ["x", "y"] * 20})
    table["text"] += [f" {number}" for number in range(40)]
    table.to_csv("mine+yours.csv", index=False)
    named = name_of(Run(corpus="mine+yours.csv", encoder="none", method="words"))
    assert named.run.corpus == str(tmp_path / "mine+yours.csv")
