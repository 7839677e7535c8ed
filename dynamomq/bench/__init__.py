"""The benchmark: what the queue costs, in requests, capacity units and CPU time.

Run it with ``python -m dynamomq.bench``; ``--help`` says what can be chosen. Counts are exact and
the same on every machine; times are this machine's.
"""
