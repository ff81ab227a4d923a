"""Enrollment ledgers: one person, one file."""
