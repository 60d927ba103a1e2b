"""A package, so that its browser is closed after its last test.

Playwright keeps an event loop in the thread of the tests: no test with a loop of its own runs until
then.
"""
