"""Dead letters: `service.py` first, then `desk.py` (what may be done) and `shelf.py` (the fold)."""
