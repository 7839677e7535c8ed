"""The simulator: the production operations in a world where whatever can go wrong does.

Actors run the real generators of ``dynamomq.operations``; one step is one request that they yield.
``simulation`` decides nothing by itself: it says what could happen next, and does what it is told.
Who tells it is random (``runs``), Hypothesis, a recorded schedule (``replay``), or a search through
all that is possible (``exhaustive``). ``oracle`` watches from outside.
"""
