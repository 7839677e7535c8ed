"""Fixtures and reporting for every test, here so that both test folders have them."""

pytest_plugins = ["pytester", "tests.support.fixtures", "tests.support.reporting"]
