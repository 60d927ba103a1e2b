"""HTTP in front of Kafka: webhooks are verified, mapped to events, and stored before the answer.

Reading order: `sources.py`, `github.py`, `webhooks.py`, `intake.py`, `app.py`, `server.py`.
What is known of instances: `judging.py`, `telling.py`, `timeline.py`, `ledger.py` (in memory; the
read model is in `streams/readmodel`); what is told to them: `requests.py`, `control.py`; and over
HTTP: `guards.py`, `api_bodies.py`, `api.py`, `listing.py`.
"""
