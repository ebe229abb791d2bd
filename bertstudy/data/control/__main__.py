"""python -m bertstudy.control build | example: make the control encoders, or the example file, anew."""

import argparse

from . import example
from .build import SIZES, build


def main():
    parser = argparse.ArgumentParser(prog="python -m bertstudy.control", description="What is embedded in the package.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="pretrain the encoders on the general corpus and write them into the package")
    commands.add_parser("example", help="write the labelled file that 10_your_data takes without another")
    if parser.parse_args().command == "example":
        print(example.write())
        return
    for name in SIZES:
        last = build(name)[-1]
        print(f"{name}: held-out loss {last['loss']:.3f}, {last['seconds']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
