"""HTTP in front of Kafka: webhooks are verified, mapped to events, and stored before the answer.

Reading order: `sources.py`, `github.py`, `webhooks.py`, `intake.py`, `app.py`, `server.py`.
What is known of instances: `judging.py`, `telling.py`, `timeline.py`, `ledger.py` (in memory; the
read model is in `streams/readmodel`); what is told to them: `requests.py`, `control.py`, `bulk.py`.
Over HTTP: who may ask, `guards.py` and `sessions.py`; how routes are declared and documented,
`routing.py` and `openapi.py`; then `api.py`, `listing.py`, `histories.py`, and one module for each
other matter.
"""
