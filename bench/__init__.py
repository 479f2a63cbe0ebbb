"""Benchmarks: side by side against a named rival, or against a limit that must hold."""
