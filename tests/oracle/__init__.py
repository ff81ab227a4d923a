"""Plain readings of the policy in Python, compared with the SQL over random lives."""
