"""What measures the project: `make bench`.

Run it with ``python -m tests.benchmarks``; ``--help`` says what can be chosen. Counts are exact and
the same on every machine; times are this machine's. What users measure on a table of their own is
``dynamomq.bench``, from which the common parts come.
"""
