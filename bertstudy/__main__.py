"""python -m bertstudy: the command `bertstudy`."""

from .cli import main

if __name__ == "__main__":
    main()
