"""python -m bertstudy: report, figures, bench, predict."""

import argparse


def main():
    parser = argparse.ArgumentParser(
        prog="python -m bertstudy", description="Reports, figures and benchmarks of the study."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    report = commands.add_parser("report", help="run the notebooks by papermill and write their pages")
    report.add_argument("notebooks", nargs="*", help="names such as 05_fewshot; without any, all")
    report.add_argument("--profile", default="auto", help="control, compact, paper or smoke")
    report.add_argument("--stored", action="store_true", help="run nothing: show what the stored rows show")
    commands.add_parser("figures", help="draw all committed figures again from their rows")
    bench = commands.add_parser("bench", help="measure against transformers.Trainer, side by side")
    bench.add_argument("what", choices=["training", "inference", "pretraining", "layers"])
    bench.add_argument("--documents", type=int, default=48)
    bench.add_argument("--rounds", type=int, default=3)
    bench.add_argument("--encoder", default="minilm")
    bench.add_argument("--corpus", default="", help="take the documents from this corpus instead of composing them")
    predict = commands.add_parser("predict", help="classify the texts of a file by a saved classifier")
    predict.add_argument("model", help="a folder written by Classifier.save, or a hub id")
    predict.add_argument("file", help="CSV, TSV, JSONL or Parquet")
    predict.add_argument("--text-column", default="text")
    predict.add_argument("--out", help="the CSV file to write; without it the table goes to stdout")
    arguments = parser.parse_args()
    if arguments.command == "report":
        from .study.report import index, make

        for page, seconds in make(arguments.notebooks, arguments.profile, arguments.stored):
            print(f"{page.stem}: {seconds:.0f} s, {page}", flush=True)
        print(index())
    elif arguments.command == "figures":
        from .study.study import redraw
        from .study.report import index

        for path in [*redraw(), index()]:
            print(path)
    elif arguments.command == "predict":
        from .model.saving import predict_file

        try:
            predict_file(arguments.model, arguments.file, arguments.text_column, arguments.out)
        except (OSError, ValueError) as error:
            parser.exit(2, f"{parser.prog} predict: {' '.join(str(error).split())}\n")
    elif arguments.what == "layers":
        from .study.bench import layers

        layers(arguments.documents, arguments.rounds)
    else:
        from .study.bench import compare

        compare(arguments.what, arguments.documents, arguments.rounds, arguments.encoder, arguments.corpus)


if __name__ == "__main__":
    main()
