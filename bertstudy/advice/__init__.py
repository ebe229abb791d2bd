"""The reader's own labelled texts: checks, a plan within minutes, results."""
