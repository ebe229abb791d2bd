"""The command `bertstudy`, also `python -m bertstudy`: report, figures, rows, next, list, fit, export …"""

import argparse
import errno
import os
import shutil
import sys
from pathlib import Path

from . import __version__
from .paths import notebooks, reports
from .profiles import SHOWS
from .results.rows import Store, check
from .training.log import KINDS, LOG

KEPT = "Rows and encoders that were made are kept: the same command goes on from there."
MOST = 1e9  # numbers on the command line are below it
BENCHES = ["training", "inference", "pretraining", "layers", "growth", "gpu", "your-data"]


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and carry the command out; a wrong call ends with exit code 2 and a line or two."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if getattr(given, "log", ""):
        os.environ[LOG] = given.log
    try:
        given.act(given)
    except (OSError, ValueError) as error:
        if given.debug:
            raise
        kept = f". {KEPT}" if getattr(error, "errno", None) == errno.ENOSPC else ""
        parser.exit(2, f"{parser.prog} {given.command}: {' '.join(str(error).split())}{kept}\n")
    except KeyboardInterrupt:
        if given.debug:
            raise
        parser.exit(130, f"\n{parser.prog} {given.command}: interrupted. {KEPT}\n")


def _minutes(text):
    return _number(text, float, 0, "minutes above zero, such as 5")


def _count(text):
    return _number(text, int, 0, "a whole number above zero, such as 3")


def _price_of_hour(text):
    return _number(text, float, 0, "a price above zero, such as 2.5")


def _speed(text):
    return _number(text, float, 0, "pieces a second, such as 250000")


def _threshold(text):
    return text if text == "own" else _number(text, float, 0, "a probability, such as 0.9, or own")


def _workers(text):
    return _number(text, int, -1, "a whole number, or 0 to choose")


def _number(text, kind, above, wanted):
    """A number of the command line. Raises argparse.ArgumentTypeError, which argparse tells in a line."""
    try:
        value = kind(text)
    except ValueError:
        value = above
    if not above < value < MOST:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed: give {wanted}")
    return value


def _parser():
    parser = argparse.ArgumentParser(
        prog="bertstudy", description="How should a BERT be fine-tuned? The study's command."
    )
    parser.add_argument("--version", action="version", version=f"bertstudy {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name, act, example, **more):
        added = commands.add_parser(name, epilog=f"example: bertstudy {example}", **more)
        added.set_defaults(act=act)
        return added

    report = command("report", _report, "report 05_fewshot --profile compact", help="run notebooks, write their pages")
    report.add_argument("notebooks", nargs="*", help="names such as 05_fewshot; without any, all")
    report.add_argument("--profile", default="auto", help="control, compact, paper or smoke")
    report.add_argument("--stored", action="store_true", help="run nothing: show the rows that are stored")
    report.add_argument("--remake", choices=["stale"], default="", help="make stale rows again")
    command("figures", _figures, "figures", help="draw all committed figures again from their rows")
    rows = command("rows", _rows, "rows check", help="check the ids of stored rows, and which are stale")
    rows.add_argument("what", choices=["check"])
    told = command(
        "claims", _claims, "claims --profile compact", help="what the stored rows say of the paper's findings"
    )
    told.add_argument("--profile", default="compact", help="control, compact or paper")
    following = command("next", _next, "next --profile compact --minutes 60 --run", help="what to run to decide claims")
    following.add_argument("--profile", default="compact", help="control, compact or paper")
    following.add_argument("--minutes", type=_minutes, default=60.0, help="how long it may take")
    following.add_argument("--workers", type=_workers, default=0, help="processes that share the runs; 0 chooses")
    following.add_argument("--run", action="store_true", help="do it; rows are stored one by one")
    carried = command("run", _run, "run 05_fewshot --profile control -p fraction 0.004", help="carry a plan out")
    carried.add_argument("plan", help="a notebook's name, or a file of runs written by bertstudy.write_plan (.jsonl)")
    carried.add_argument("--profile", default="auto", help="control, compact, paper or smoke")
    carried.add_argument(
        "-p", "--parameter", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="of the notebook"
    )
    carried.add_argument("--workers", type=_workers, default=0, help="processes that share the runs; 0 chooses")
    carried.add_argument("--remake", choices=["stale"], default="", help="make stale rows again")
    carried.add_argument("--part", default="", help="I/N: every Nth run only, beginning with run I, from 0")
    elsewhere = carried.add_mutually_exclusive_group()
    elsewhere.add_argument("--cluster", default="", metavar="ADDRESS", help="on a Ray cluster: HOST:PORT, or auto")
    elsewhere.add_argument(
        "--slurm", default="", metavar="SCRIPT", help="run nothing: write an array script for sbatch"
    )
    carried.add_argument("--tasks", type=_count, default=20, help="of the array script: in how many parts the plan is")
    carried.add_argument(
        "--sbatch", action="append", default=[], metavar="OPTION", help="for the script, such as --sbatch=--gpus=1"
    )
    price = command(
        "price", _price, "price --profile compact --hour 2.5", help="what plans cost, before they are begun"
    )
    price.add_argument("notebooks", nargs="*", help="names such as 05_fewshot; without any, all")
    price.add_argument("--profile", default="compact", help="control, compact or paper")
    price.add_argument("--hour", type=_price_of_hour, default=0.0, help="the price of an hour of a core, or of a GPU")
    price.add_argument(
        "--speed", type=_speed, default=0.0, help="pieces a second of another machine, as bench gpu prints them"
    )
    price.add_argument("--out", default="", help="write the figure too, as .svg or .png")
    kinds = command("list", _list, "list truncations", help="list the choices of a kind, a line each")
    kinds.add_argument(
        "kind", help="truncations, poolings, schedules, methods, metrics, encoders, corpora, claims, notebooks"
    )
    copied = command("notebooks", _notebooks, "notebooks my-study", help="copy the notebooks into a folder")
    copied.add_argument("folder")
    bench = command("bench", _bench, "bench training", help="measure speed and accuracy, side by side with others")
    bench.add_argument("what", choices=BENCHES)
    bench.add_argument("--minutes", type=_minutes, nargs="+", default=[2.0, 8.0], help="for each contest of your-data")
    bench.add_argument("--documents", type=_count, default=48)
    bench.add_argument("--rounds", type=_count, default=3)
    bench.add_argument("--window", type=_count, default=512, help="word pieces that are read of a document")
    bench.add_argument("--contest", action="append", help="run this contest only, such as 'Trainer at its best'")
    bench.add_argument("--encoder", default="minilm")
    bench.add_argument("--out", default="growth.svg", help="of growth: where its figure is written")
    bench.add_argument("--corpus", default="", help="take the documents from this corpus instead of composing them")
    fit = command("fit", _fit, "fit train.csv --minutes 5 --out model", help="find the best classifier for a file")
    fit.add_argument("train", help="CSV, TSV, JSON, JSON Lines, Parquet or Excel, also .gz")
    fit.add_argument("--test", default="", help="a second file to test on; without it a fifth is set aside")
    fit.add_argument("--unlabelled", default="", help="a file of texts without labels, for further pretraining")
    fit.add_argument("--text-column", default="text", help="such as body, title+body, or premise|hypothesis")
    fit.add_argument("--label-column", default="label")
    fit.add_argument("--encoding", default="", help="of files that are not UTF-8, such as cp1252")
    fit.add_argument("--join-labels", action="store_true", help="treat labels as one where only case or blanks differ")
    fit.add_argument("--metric", default="", help="error, macro_f1, balanced_error, mcc or log_loss")
    fit.add_argument(
        "--accept-error", type=float, default=0.0, help="percent: leave so many texts to a person that the rest has it"
    )
    fit.add_argument("--encoder", default="", help="an encoder other than the profile's: a name, folder or hub id")
    fit.add_argument("--profile", default="compact", help="compact, paper or control")
    fit.add_argument("--minutes", type=_minutes, default=5.0, help="how long it may take")
    fit.add_argument("--out", default="", help="the folder to save the classifier in")
    predict = command("predict", _predict, "predict my-model new.csv", help="classify the texts of a file")
    predict.add_argument("model", help="a folder written by Classifier.save, or a hub id")
    predict.add_argument("file", help="CSV, TSV, JSON, JSON Lines, Parquet or Excel, also .gz")
    predict.add_argument("--text-column", default="text")
    predict.add_argument("--encoding", default="", help="of a file that is not UTF-8, such as cp1252")
    predict.add_argument("--out", help="the CSV file to write; without it the table goes to stdout")
    predict.add_argument(
        "--threshold", type=_threshold, help="leave labels empty below this probability; own: the classifier's"
    )
    for carries_out in (report, following, carried, fit):
        carries_out.add_argument(
            "--log", choices=KINDS, default="", help="write each step's loss into runs/tensorboard"
        )
    export = command("export", _export, "export my-model --onnx --int8 --out light", help="save it in another format")
    export.add_argument("model", help="a folder written by Classifier.save, or a hub id")
    export.add_argument("--out", required=True, help="the folder to write")
    kinds = export.add_mutually_exclusive_group(required=True)
    kinds.add_argument("--onnx", action="store_true", help="a graph for onnxruntime, which needs no torch")
    kinds.add_argument("--transformers", action="store_true", help="a checkpoint that needs no bertstudy")
    export.add_argument("--int8", action="store_true", help="of ONNX: with matrices of 8 bits")
    export.add_argument("--test", default="", help="a file with labels: error and speed, before and after, on the card")
    export.add_argument("--text-column", default="text")
    export.add_argument("--label-column", default="label")
    export.add_argument("--encoding", default="", help="of a file that is not UTF-8, such as cp1252")
    return parser


# What needs torch is imported where it is used: the other commands work without torch.


def _report(given):
    from .model.progress import ticking
    from .study import readme, site
    from .study.report import make, names_of

    names = names_of(given.notebooks, given.stored)
    with ticking("notebooks", len(names), "notebook", True) as bar:
        for page, seconds in make(names, given.profile, given.stored, given.remake):
            bar.write(f"{page.stem}: {seconds:.0f} s, {page}")
            bar.update()
    print(readme.write())
    print(f"Open {site.build()} in a browser.")


def _figures(given):
    from .study import readme, site
    from .study.pages import redraw

    for path in [*redraw(), readme.write(), site.build()]:
        print(path)


def _rows(given):
    """Print a line for each profile; exit with 1 where a row's contents give another id."""
    wrong = 0
    if not any(Store.of(profile).ids() for profile in SHOWS):
        print(f"No rows in {reports()}.")
    for profile in SHOWS:
        if not Store.of(profile).ids():
            continue
        result = check(profile)
        wrong += len(result.wrong_ids)
        by_stage = ", ".join(f"{stage} {count}" for stage, count in result.stale.items())
        stale = f"{result.stale_rows} stale" + (f" ({by_stage})" if by_stage else "")
        recomputed = result.rows - len(result.wrong_ids) - len(result.unknown)
        if result.unknown:
            stale += f", {len(result.unknown)} of choices that are not registered here"
        print(f"{profile}: {result.rows} rows, {recomputed} ids recompute, {stale}")
        for row_id in result.wrong_ids:
            print(f"  {row_id}: the contents of this file give another id")
    sys.exit(1 if wrong else 0)


def _claims(given):
    """Print a claim a line: verdict, effect with interval, adjusted p, seeds, documents, the paper's effect."""
    from .study.telling import verdict_line
    from .study.verdicts import verdicts

    for claim in verdicts(given.profile).to_dict("records"):
        print(verdict_line(claim))


def _next(given):
    from .study.proposing import proposals, run_next, told
    from .study.verdicts import DECIDED

    proposed = proposals(given.profile)
    print("\n".join(told(proposed, given.minutes)))
    if given.run:
        for claim, table in run_next(given.profile, given.minutes, proposed, given.workers):
            found = table.set_index("claim")["verdict"]
            decided = found.isin(DECIDED).sum()
            print(f"{claim}: {found[claim]} ({decided} of {len(found)} claims are decided)", flush=True)


def _run(given):
    """Carry a plan out, here or on a cluster, or write the script that does; print where the rows are."""
    from .profiles import profile
    from .results.slurm import part_of
    from .results.workers import in_order
    from .study.planning import planned, value_of

    name = profile(given.profile).name
    try:
        plan = planned(given.plan, name, {parameter: value_of(value) for parameter, value in given.parameter})
    except TypeError as error:  # of a parameter, in Python; here a wrong call
        raise ValueError(error) from error
    runs = in_order(plan.runs)
    if given.slurm:
        _write_slurm(given, name, runs, plan.library.data_dir)
        return
    from .results import plans

    runs = part_of(runs, given.part) if given.part else runs
    lacking = len(plans.missing(runs, name, given.remake, plan.library))
    print(f"{len(runs)} runs, {lacking} to be made.", flush=True)
    options = {"workers": given.workers, "remake": given.remake, "library": plan.library, "cluster": given.cluster}
    plans.run_all(runs, name, **options)
    print(f"All {len(runs)} rows are in {Store.of(name).folder}.")


def _write_slurm(given, profile, runs, data_dir):
    from .results.plan_files import write_plan
    from .results.slurm import plan_beside, write_script

    if given.part:
        raise ValueError("--part goes without --slurm, whose tasks do a part of the plan each: see --tasks.")
    further = [f"--{name}={value}" for name in ("remake", "workers", "log") if (value := getattr(given, name))]
    tasks = min(given.tasks, len(runs)) or 1
    plan = write_plan(runs, plan_beside(given.slurm))
    script = write_script(given.slurm, profile, tasks, given.sbatch, further, data_dir)
    print(f"{len(runs)} runs are listed in {plan}.\nSubmit them in {tasks} parts: sbatch {script}")


def _price(given):
    """Print what plans cost, a notebook a line, and all together."""
    from pandas import isna

    from .analysis.drawing import write_picture
    from .study.prices import costs, draw, told
    from .study.report import names_of

    table = costs(given.profile, names_of(given.notebooks, True), given.speed, given.hour)
    for line in table.to_dict("records"):
        said = f"can't be planned here: {line['needs']}" if isna(line["runs"]) else told(line)
        print(f"{line['notebook']}: {said}")
    machine = f"on a machine of {given.speed:,.0f} pieces a second" if given.speed else "of a CPU core"
    print(f"Hours {machine}.")
    if given.out:
        write_picture(draw(table, f"Profile {given.profile}: hours {machine}"), given.out)
        print(given.out)


def _list(given):
    from .study.listing import listing

    lines = listing(given.kind)
    width = max(len(name) for name, _ in lines)
    for name, line in lines:
        print(f"{name:{width}}  {line}")


def _notebooks(given):
    folder = Path(given.folder)
    folder.mkdir(parents=True, exist_ok=True)
    for source in sorted(notebooks().glob("*.ipynb")):
        if (folder / source.name).exists():
            raise ValueError(f"{folder / source.name} exists already: choose another folder, or move it away.")
        shutil.copy(source, folder)
        print(folder / source.name)


def _predict(given):
    from .model.predicting import predict_file

    predict_file(given.model, given.file, given.text_column, given.out, given.encoding, given.threshold)


def _export(given):
    from .model.exporting import export

    if given.int8 and not given.onnx:
        raise ValueError("--int8 goes with --onnx.")
    format = "transformers" if given.transformers else "onnx-int8" if given.int8 else "onnx"
    columns = (given.text_column, given.label_column, given.encoding)
    print(export(given.model, given.out, format, given.test, *columns) or f"Saved in {given.out}.")


def _fit(given):
    from .advice import documents, fitting, result

    names = ("train", "test", "unlabelled", "text_column", "label_column", "encoding", "join_labels", "metric")
    options = {name: getattr(given, name) for name in (*names, "accept_error", "encoder", "profile")}
    fitted = fitting.run(documents.begin(**options, budget_minutes=given.minutes, model_dir=given.out))
    print(fitted.report())
    print(result.save(fitted.data, fitted.scored).words)


def _bench(given):
    if given.what == "your-data":
        from .study import bench_your_data

        results = []
        for result in bench_your_data.run(given.minutes):
            results.append(result)
            print(bench_your_data.table(results).tail(1).to_string(header=len(results) == 1, index=False), flush=True)
        return
    if given.what == "growth":
        from .study import bench_growth

        print(bench_growth.report(bench_growth.growth(given.rounds), given.out))
        return
    if given.what == "gpu":
        from .study import bench_gpu

        for line in bench_gpu.gpu(encoder=given.encoder):
            print(line, flush=True)
        return
    from .study.bench import compare, layers

    if given.what == "layers":
        layers(given.documents, given.rounds)
    else:
        options = (given.encoder, given.corpus, given.window, given.contest)
        compare(given.what, given.documents, given.rounds, *options)
