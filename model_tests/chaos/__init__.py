"""Chaos: the production consumer in real processes, while processes and network fail.

Worker processes run :class:`~dynamomq.consumer.Consumer` on one table. They are killed, stopped for
longer than the visibility timeout, and told to end; between them and DynamoDB a proxy drops
connections and swallows replies (``proxy``). What every operation was told is written down beneath
the consumer, at its driver (``recording``), and judged by the checker of ``model_tests.history``
and by what only a consumer promises (``checker``).

``python -m model_tests.chaos --help`` runs it and reports.
"""
