"""Whole programs, which the documentation shows and the tests run."""
