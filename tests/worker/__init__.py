"""The worker: policy under virtual time, and real processes."""
