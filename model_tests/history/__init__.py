"""Histories of real processes, and the properties of the queue checked over them.

Producers and consumers run as processes of their own on one table, with clocks that differ; they
fail, overrun their deadlines, are paused and are killed. Each writes down what it asked the queue
for and what it was told (``log``). From all logs the life of every message is put together
(``records``), and it is checked, with the table as it was left, against the properties
(``checker``). The checker knows nothing of how the queue works: it imports neither its operations
nor its machine, and it takes any logs of this form, whoever wrote them.

``python -m model_tests.history --help`` runs such processes and reports.
"""
