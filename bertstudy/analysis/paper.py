"""The paper's own numbers: Sun, Qiu, Xu and Huang (2019), Tables 1-8 and Figures 2-4."""

import json
import re
from functools import lru_cache
from pathlib import Path

import pandas as pd

# Test documents of the corpora, under each of the names that the tables print.
TEST_SIZES = {"IMDb": 25_000, "Yelp P.": 38_000, "Yelp F.": 50_000, "TREC": 500, "Yah. A.": 60_000}
TEST_SIZES |= {"AG": 7_600, "AG's News": 7_600, "DBPedia": 70_000, "DBP": 70_000, "Sogou": 6_000}


@lru_cache(maxsize=1)
def numbers() -> pd.DataFrame:
    """All numbers of the paper, a table of strings: item, row, column, value as printed, read_from (table or plot)."""
    return pd.read_csv(Path(__file__).with_name("paper.csv"), dtype=str)


def item(name: str) -> pd.DataFrame:
    """The numbers of one table or figure, as in item("Table2"). Raises KeyError for one that the paper lacks."""
    table = numbers()
    if name not in set(table["item"]):
        raise KeyError(f"{name!r} is not in the paper; there are {', '.join(sorted(set(table['item'])))}.")
    return table[table["item"] == name]


def _wide(name):
    """A printed table of errors, its rows and columns as printed; what is no number ("/", "-") is NaN."""
    printed = item(name).assign(value=lambda table: pd.to_numeric(table["value"].str.rstrip("*%"), errors="coerce"))
    table = printed.pivot(index="row", columns="column", values="value")
    return table.loc[printed["row"].unique(), printed["column"].unique()].rename_axis(index=None, columns=None)


def few_shot() -> pd.DataFrame:
    """Figure 4 as a table: arm ("FiT", "ITPT-FiT"), fraction, documents, error in percent on IMDb."""
    points = []
    for _, point in item("Figure4").iterrows():
        share, documents = re.match(r"([\d.]+)% of train \((\d+) docs\)", point["row"]).groups()
        arm = re.match(r"BERT-(\S+)", point["column"])[1]
        points.append(
            {"arm": arm, "fraction": float(share) / 100, "documents": int(documents), "error": float(point["value"])}
        )
    return pd.DataFrame(points)


def table1(corpus: str) -> dict:
    """Table 1's row of a corpus, by its printed title ("IMDb"): a dict with the names of `surveys.TABLE_1`."""
    names = {
        "type": "kind",
        "classes": "classes",
        "avg_len_wordpieces": "average length",
        "max_len": "longest",
        "exceeding_512_ratio": "beyond the window, %",
        "train": "train",
        "test": "test",
    }
    printed = item("Table1").query("row == @corpus").set_index("column")["value"]
    plain = printed.str.replace("[,%]", "", regex=True)
    return {ours: plain[theirs] if ours == "kind" else json.loads(plain[theirs]) for theirs, ours in names.items()}


def pretraining_steps() -> pd.DataFrame:
    """Figure 3 as a table: steps of within-task pretraining, error in percent on IMDb after it."""
    points = item("Figure3")
    steps = [1000 * int(re.match(r"(\d+)k", row)[1]) for row in points["row"]]
    return pd.DataFrame({"steps": steps, "error": points["value"].astype(float).to_numpy()})


def pretraining_sources() -> pd.DataFrame:
    """Table 5 as a table: test errors in percent, a row for each pretraining corpus, a column for each task."""
    return _wide("Table5")


def long_text() -> pd.DataFrame:
    """Table 2 as a table: test errors in percent, a row for each strategy, a column for each corpus (IMDb, Sogou)."""
    return _wide("Table2")


def comparison() -> pd.DataFrame:
    """Table 6 as a table: test errors in percent, a row for each model, a column for each corpus; NaN: not printed.

    The last column is the printed mean gain over BERT-Feat in percent, over the corpora that a row has.
    """
    return _wide("Table6")


def multitask() -> pd.DataFrame:
    """Table 7 as a table: test errors in percent, a row for each way, a column for each corpus."""
    return _wide("Table7")


def larger() -> pd.DataFrame:
    """Table 8 as a table: test errors in percent, a row for each model, a column for each corpus."""
    return _wide("Table8")


def layers() -> dict[str, float]:
    """Table 3 as a dict: which layers are read, as printed, to the test error on IMDb in percent."""
    printed = item("Table3")
    return dict(zip(printed["row"], printed["value"].astype(float), strict=True))


def decay() -> pd.DataFrame:
    """Table 4 as a table: learning_rate, layer_decay, error in percent on IMDb."""
    points = item("Table4")
    pairs = [re.match(r"lr=(\S+) xi=(\S+)", row).groups() for row in points["row"]]
    table = pd.DataFrame(pairs, columns=["learning_rate", "layer_decay"], dtype=float)
    return table.assign(error=points["value"].astype(float).to_numpy())


def forgetting() -> pd.DataFrame:
    """Figure 2, read off the plot, as a table: learning_rate, step (middle of a span), train and dev error (%)."""
    points = item("Figure2").copy()
    spans = points["row"].str.extract(r"lr=(\S+) iterations (\d+)-(\d+)").astype(float)
    points["learning_rate"], points["step"] = spans[0], (spans[1] + spans[2]) / 2
    points["kind"] = points["column"].str.split().str[0]
    points["value"] = points["value"].astype(float)
    table = points.pivot(index=["learning_rate", "step"], columns="kind", values="value")
    return table.reset_index().rename_axis(columns=None)
