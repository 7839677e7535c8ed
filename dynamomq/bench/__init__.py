"""What a table of yours costs and how fast it is: requests, capacity units, contention, latency.

Run it with ``python -m dynamomq.bench``; ``--help`` says what can be chosen.
"""
