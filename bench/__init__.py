"""Benchmarks: ratios against OpenSSH and others, measured side by side in one run. `make bench`; docs/benchmarks.md."""
