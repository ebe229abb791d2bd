"""python -m bertstudy.control build: make the control encoders anew."""

import argparse

from .build import SIZES, build


def main():
    parser = argparse.ArgumentParser(prog="python -m bertstudy.control", description="The embedded control encoders.")
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("build", help="pretrain them on the general corpus and write them into the package")
    make.add_argument("names", nargs="*", choices=[[], *SIZES], default=[], help="without any, all")
    for name in parser.parse_args().names or SIZES:
        last = build(name)[-1]
        print(f"{name}: held-out loss {last['loss']:.3f}, {last['seconds']:.0f} s", flush=True)


if __name__ == "__main__":
    main()
