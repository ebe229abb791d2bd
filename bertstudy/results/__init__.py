"""Runs to rows: ids and files (no torch), execution of one run, plans of many, worker processes."""
