"""The loop with the field: lists go out to townships and villages, answers come back and count the next morning.

`dispatch` decides who is asked and sends; `state` remembers what went out and what came back; `codes` makes the row
codes by which a returned row is known again; `night` hands both to the nightly run.
"""
