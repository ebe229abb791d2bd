"""Texts: corpora by name or file, samples, the texts of further pretraining."""
