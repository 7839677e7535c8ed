"""Must-fail mutants: named small defects of the library, each of which a property must find.

``catalogue`` says what they are, ``altering`` how a defect is built in and taken out again,
``hunt`` runs one until its property fails. ``python -m model_tests.mutants`` runs all of them; with
a name, it tells how that one fails.
"""
