"""The embedded control: composed corpora and an encoder of their own, for runs without a network or a GPU."""
