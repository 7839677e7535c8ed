"""The demonstration: a real job done through a queue, and a check that nothing went wrong.

Every file that the installed distributions list in their RECORD becomes a message; four worker
threads compare each file with the hash that is recorded for it. Run it with
``python -m dynamomq.demo``; ``--help`` says what can be chosen.
"""
