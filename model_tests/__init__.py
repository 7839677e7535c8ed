"""Simulation, properties, exhaustive search and must-fail mutants."""
