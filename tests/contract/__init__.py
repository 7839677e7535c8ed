"""One set of tests for every engine: what a queue promises, wherever its table is."""
