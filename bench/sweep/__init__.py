"""Sweeps: an Optuna study over fields of a suite, whose trials are plans run against the same store."""
