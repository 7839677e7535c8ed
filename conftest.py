"""What holds for every test in both folders: fixtures, reports, profiles."""

from hypothesis import settings

pytest_plugins = [
    "pytester",
    "tests.support.figures",
    "tests.support.fixtures",
    "tests.support.reporting",
]

# Deadlines measure the machine, not the code. `--hypothesis-profile thorough` searches longer.
settings.register_profile("default", deadline=None, print_blob=True)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=2_000)
settings.load_profile("default")
