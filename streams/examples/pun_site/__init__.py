"""A small site on top of `publish-pun`: a pun is previewed, submitted, moderated, and appears.

read `book.py` (the table) -> `neighbours.py` (what is like it) -> `site.py` (the pages)
-> `handing.py` (drafts become instances) -> `serving.py`, `worker.py` (the two processes)

`stepwell example site` runs it with everything it needs.
"""
