"""The paper's own numbers: Sun, Qiu, Xu and Huang (2019), Tables 1-8 and Figures 2-4."""

import re
from functools import lru_cache
from pathlib import Path

import pandas as pd


@lru_cache(maxsize=1)
def numbers():
    """All of them, a table of item, row, column, value (as printed) and read_from (how it was read)."""
    return pd.read_csv(Path(__file__).with_name("paper.csv"), dtype=str)


def item(name):
    """The numbers of one table or figure, as in item("Table2"). Raises KeyError for one the paper does not have."""
    table = numbers()
    if name not in set(table["item"]):
        raise KeyError(f"{name!r} is not in the paper; there are {', '.join(sorted(set(table['item'])))}.")
    return table[table["item"] == name]


def few_shot():
    """Figure 4 as a table: arm ("FiT", "ITPT-FiT"), fraction, documents, error in percent on IMDb."""
    points = []
    for _, point in item("Figure4").iterrows():
        share, documents = re.match(r"([\d.]+)% of train \((\d+) docs\)", point["row"]).groups()
        arm = re.match(r"BERT-(\S+)", point["column"])[1]
        points.append(
            {"arm": arm, "fraction": float(share) / 100, "documents": int(documents), "error": float(point["value"])}
        )
    return pd.DataFrame(points)


def table1(corpus):
    """Table 1's row of a corpus under its printed title ("IMDb"), named as `corpora.table1` names them."""
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
    return {"corpus": corpus, **{ours: printed[theirs].replace(",", "").rstrip("%") for theirs, ours in names.items()}}
