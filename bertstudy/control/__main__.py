"""python -m bertstudy.control build: make the control encoder anew."""

import argparse

from .build import SIZES, build


def main():
    parser = argparse.ArgumentParser(prog="python -m bertstudy.control", description="The embedded control encoder.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="pretrain it on the general corpus and write it into the package")
    parser.parse_args()
    for name in SIZES:
        last = build(name)[-1]
        print(f"{name}: held-out loss {last['loss']:.3f}, {last['seconds']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
