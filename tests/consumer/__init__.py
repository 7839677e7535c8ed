"""The worker runtime: its policy, and threads around the embedded engine."""
