"""An example: a real job done through a queue, and a check that nothing went wrong.

Every file that the installed distributions list in their RECORD becomes a message; four worker
threads compare each file with the hash that is recorded for it. ``job`` is what uses the queue;
the other modules bring it work, show what it does and check the outcome. Run it with ``make demo``,
or in a checkout with ``python -m docs.examples.installed_files``; ``--help`` lists the options.
"""
